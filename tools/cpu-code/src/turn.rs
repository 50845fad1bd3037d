//! What one turn of a loop does.

use crate::instruction::{Flow, Instruction, Operation};

/// Counts, and the text of what a loop should not have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turn<'a> {
    /// Arithmetic on whole registers.
    pub(crate) mul_adds: u32,
    pub(crate) muls: u32,
    pub(crate) adds: u32,
    pub(crate) divs: Vec<&'a str>,
    pub(crate) other: Vec<&'a str>,
    /// Arithmetic on single floats, and on less than a register.
    pub(crate) scalar: Vec<&'a str>,
    pub(crate) narrow: Vec<&'a str>,
    /// Whether it multiplies, in whatever registers.
    pub(crate) multiplies: bool,
    /// Vectors and single floats from memory.
    pub(crate) loads: u32,
    pub(crate) from_stack: Vec<&'a str>,
    pub(crate) stores: Vec<&'a str>,
    pub(crate) calls: Vec<&'a str>,
    pub(crate) instructions: u32,
}

impl<'a> Turn<'a> {
    /// `lanes` are the floats of a whole register.
    pub(crate) fn new(instructions: impl IntoIterator<Item = Instruction<'a>>, lanes: u32) -> Self {
        let mut turn = Turn::default();
        instructions.into_iter().for_each(|instruction| turn.count(&instruction, lanes));
        turn
    }

    fn count(&mut self, instruction: &Instruction<'a>, lanes: u32) {
        let text = instruction.text;
        if let Some(arithmetic) = instruction.arithmetic {
            self.multiplies |= matches!(arithmetic.operation, Operation::MulAdd | Operation::Mul);
            match arithmetic.operation {
                _ if arithmetic.lanes == 1 => self.scalar.push(text),
                _ if arithmetic.lanes < lanes => self.narrow.push(text),
                Operation::MulAdd => self.mul_adds += 1,
                Operation::Mul => self.muls += 1,
                Operation::Add => self.adds += 1,
                Operation::Div => self.divs.push(text),
                Operation::Other => self.other.push(text),
            }
        }
        self.loads += instruction.loads;
        self.instructions += u32::from(!instruction.is_free);
        let kinds = [
            (instruction.from_stack, &mut self.from_stack),
            (instruction.stores, &mut self.stores),
            (instruction.flow == Flow::Call, &mut self.calls),
        ];
        kinds.into_iter().filter(|(holds, _)| *holds).for_each(|(_, kind)| kind.push(text));
    }
}

/// What there should be none of: how many there are, and the first.
pub(crate) fn unwanted(texts: &[&str], kind: &str) -> Option<String> {
    let first = texts.first()?.replace('\t', " ");
    Some(format!("{kind}: {}, the first is {first}", texts.len()))
}
