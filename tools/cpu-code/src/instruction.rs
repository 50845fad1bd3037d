//! What an instruction does, as far as the checks ask, whatever the processor.

/// One line of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    Label(&'a str),
    Instruction(Instruction<'a>),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Instruction<'a> {
    pub(crate) text: &'a str,
    pub(crate) flow: Flow<'a>,
    pub(crate) arithmetic: Option<Arithmetic>,
    /// Vectors and single floats that it loads.
    pub(crate) loads: u32,
    /// Whether it loads them from the stack.
    pub(crate) from_stack: bool,
    pub(crate) stores: bool,
    /// Whether it is for the eye alone, and the machine does nothing for it.
    pub(crate) is_free: bool,
}

/// Arithmetic on floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arithmetic {
    pub(crate) operation: Operation,
    /// Floats at once: 1 where it has no vectors.
    pub(crate) lanes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    MulAdd,
    Mul,
    /// Subtractions, too.
    Add,
    Div,
    /// Square roots, extrema and the like, and everything in double precision.
    Other,
}

/// What is executed next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Flow<'a> {
    #[default]
    Next,
    /// A call, which may return.
    Call,
    Jump(&'a str),
    /// What is at the label, or what follows.
    Branch(&'a str),
    /// Nothing of this function that is known.
    Leave,
    /// WebAssembly's loops are brackets.
    LoopStart,
    LoopEnd,
}

/// Splits at the commas outside all brackets.
pub(crate) fn operands(text: &str) -> Vec<&str> {
    let mut depth = 0;
    text.split(|letter| {
        depth += i32::from("([{".contains(letter)) - i32::from(")]}".contains(letter));
        letter == ',' && depth == 0
    })
    .map(str::trim)
    .filter(|operand| !operand.is_empty())
    .collect()
}

/// The first word, and what follows.
pub(crate) fn split_operation(text: &str) -> (&str, &str) {
    text.split_once(char::is_whitespace).unwrap_or((text, ""))
}
