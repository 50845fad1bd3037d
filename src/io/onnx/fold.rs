//! Constants that the graph computes from other constants, or from shapes.
//!
//! A value is an expression until something needs it. Its evaluation has a budget of bytes, and it does not
//! recurse. So neither a large constant that no recurrent node reads nor a file that was made to be slow
//! costs anything.

mod arithmetic;
mod broadcast;
mod call;
mod creation;
mod movement;
mod operators;
mod quantized;
mod reduction;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::array::Array;
use super::budget::Budget;
use super::data::Files;
use super::proto::{NodeProto, Tensor};
use crate::array::{push, room};
use crate::io::format_error;
use crate::{Error, ErrorKind};
use call::Call;
pub(super) use call::place;
pub(super) use creation::bound;
pub(super) use operators::moves;

/// The bytes of the values that are kept once they are computed: those of shapes and indices.
const SMALL: usize = 512;
/// The number of sizes that a shape of unknown rank is taken to have.
const RANK: usize = 8;
/// The cost of a node beside the bytes of its values.
const NODE: usize = 64;

/// An input of an expression.
#[derive(Clone, Debug)]
pub(super) enum Operand<'g> {
    /// The node omits the input.
    Absent,
    /// The input depends on more than constants and shapes.
    Computed,
    Tensor(&'g Tensor<'g>),
    /// The value of an expression.
    Expression(usize),
    /// The shape of a value, with the sizes that are known.
    Shape(Arc<[Option<usize>]>),
}

/// A node over constants.
#[derive(Debug)]
struct Expression<'g> {
    proto: &'g NodeProto<'g>,
    output: usize,
    inputs: Arc<[Operand<'g>]>,
    /// Whether the value depends on a shape that is not known.
    shaped: bool,
    /// The value, if it is known, small and the same whatever the shapes.
    small: OnceLock<Array<'g>>,
}

/// The constants of a model.
#[derive(Debug)]
pub(super) struct Constants<'g> {
    expressions: Vec<Expression<'g>>,
    files: &'g dyn Files,
    budget: Budget,
}

impl<'g> Constants<'g> {
    pub(super) fn new(files: &'g dyn Files, budget: Budget) -> Self {
        Constants { expressions: Vec::new(), files, budget }
    }

    /// Adds the outputs of a node.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::OutOfMemory`].
    pub(super) fn add(
        &mut self,
        proto: &'g NodeProto<'g>,
        inputs: Vec<Operand<'g>>,
    ) -> Result<Vec<Operand<'g>>, Error> {
        let shaped = inputs.iter().any(|operand| match operand {
            Operand::Shape(_) => true,
            Operand::Expression(place) => self.expressions[*place].shaped,
            Operand::Absent | Operand::Computed | Operand::Tensor(_) => false,
        });
        let inputs: Arc<[_]> = inputs.into();
        let outputs = 0..proto.outputs.len().max(1);
        room("constants", &mut self.expressions, outputs.len())?;
        let added = outputs.map(|output| {
            let inputs = Arc::clone(&inputs);
            let small = OnceLock::new();
            self.expressions.push(Expression { proto, output, inputs, shaped, small });
            Operand::Expression(self.expressions.len() - 1)
        });
        Ok(added.collect())
    }

    /// Returns a value. `unknown` stands for each size that is not known. `what` names the value in errors.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] and [`ErrorKind::Tensor`] for an operator that is not folded or has wrong inputs,
    /// for a tensor that cannot be read, and if the budget is used up.
    pub(super) fn value(
        &self,
        operand: &Operand<'g>,
        unknown: usize,
        what: &str,
    ) -> Result<Array<'g>, Error> {
        let Operand::Expression(wanted) = operand else { return self.leaf(operand, unknown, what) };
        let (order, mut uses) = self.needed(*wanted, what)?;
        let mut values: BTreeMap<usize, Array<'g>> = BTreeMap::new();
        for place in order {
            let one = &self.expressions[place];
            let inputs = if one.is_kept() { &[][..] } else { &one.inputs };
            let value = self.expression(one, &values, unknown, what)?;
            for input in inputs.iter().filter_map(Operand::expression) {
                // The last use of a value ends its life.
                if let Some(count) = uses.get_mut(&input) {
                    *count -= 1;
                    if *count == 0 {
                        values.remove(&input);
                    }
                }
            }
            values.insert(place, value);
        }
        values.remove(wanted).ok_or_else(|| format_error(what, "a value", "none"))
    }

    /// Returns the expressions that a value needs, in the order of their evaluation, and the number of uses
    /// of each.
    fn needed(&self, wanted: usize, what: &str) -> Result<(Vec<usize>, BTreeMap<usize, usize>), Error> {
        let mut uses = BTreeMap::new();
        let mut open = vec![wanted];
        let mut order = Vec::new();
        while let Some(place) = open.pop() {
            push(what, &mut order, place)?;
            let one = &self.expressions[place];
            self.budget.take(NODE + 16 * one.inputs.len(), what)?;
            if one.is_kept() {
                continue;
            }
            for input in one.inputs.iter().filter_map(Operand::expression) {
                let count = uses.entry(input).or_insert(0);
                *count += 1;
                if *count == 1 {
                    push(what, &mut open, input)?;
                }
            }
        }
        // A node comes after the nodes whose values it reads.
        order.sort_unstable();
        Ok((order, uses))
    }

    fn expression(
        &self,
        one: &Expression<'g>,
        values: &BTreeMap<usize, Array<'g>>,
        unknown: usize,
        what: &str,
    ) -> Result<Array<'g>, Error> {
        if let Some(value) = one.small.get() {
            return Ok(value.clone());
        }
        let missing = || format_error(what, "a value", "none");
        let input = |operand: &Operand<'g>| match operand {
            Operand::Absent => Ok(None),
            Operand::Expression(place) => values.get(place).cloned().map(Some).ok_or_else(missing),
            leaf => self.leaf(leaf, unknown, what).map(Some),
        };
        let inputs: Vec<Option<Array<'g>>> = one.inputs.iter().map(input).collect::<Result<_, Error>>()?;
        let read: usize = inputs.iter().flatten().map(|input| input.bytes().len()).sum();
        self.budget.take(read.saturating_add(NODE), what)?;
        let Expression { proto, output, .. } = *one;
        let call = Call { proto, output, inputs, files: self.files, budget: &self.budget, what };
        let value = operators::value(&call)?;
        if value.bytes().len() <= SMALL && !one.shaped {
            let _ = one.small.set(value.clone());
        }
        Ok(value)
    }

    /// Returns the value of an operand that is no expression.
    fn leaf(&self, operand: &Operand<'g>, unknown: usize, what: &str) -> Result<Array<'g>, Error> {
        match operand {
            Operand::Tensor(tensor) => tensor.array(what, self.files, &self.budget),
            Operand::Shape(sizes) => {
                let sizes: Vec<i64> = sizes
                    .iter()
                    .map(|size| i64::try_from(size.unwrap_or(unknown)).unwrap_or(i64::MAX))
                    .collect();
                Array::of_i64(&sizes)
            }
            Operand::Absent | Operand::Computed | Operand::Expression(_) => {
                Err(format_error(what, "a constant", "a value that depends on the model's inputs"))
            }
        }
    }

    /// Returns the floating-point values of W or R of a `DynamicQuantizeLSTM`, as `[D, 4*H, I]`, from the
    /// integers, their scales and their zero points.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] for types or shapes that do not fit, and if the budget is used up.
    pub(super) fn lstm_weights(
        &self,
        proto: &'g NodeProto<'g>,
        parts: [Array<'g>; 3],
        what: &str,
    ) -> Result<Array<'g>, Error> {
        let inputs = parts.map(Some).to_vec();
        let (files, budget) = (self.files, &self.budget);
        quantized::lstm_weights(&Call { proto, output: 0, inputs, files, budget, what })
    }

    /// Returns whether a value is known to be zeros, whatever its shape.
    pub(super) fn is_zero(&self, operand: &Operand<'g>) -> bool {
        let mut open = vec![operand];
        while let Some(operand) = open.pop() {
            let one = match operand {
                Operand::Tensor(tensor) if tensor.is_zero(self.files, &self.budget) => continue,
                Operand::Expression(place) => self.expressions.get(*place),
                _ => None,
            };
            let Some(one) = one else { return false };
            if self.budget.take(NODE + 16 * one.inputs.len(), "zeros").is_err() {
                return false;
            }
            match one.proto.op_type {
                "Concat" => open.extend(one.inputs.iter()),
                op_type if moves(op_type) => open.extend(one.inputs.first()),
                _ if operators::makes_zeros(one.proto, self.files, &self.budget) => {}
                _ => return false,
            }
        }
        true
    }
}

/// Returns a value, or none if it is not known, unless there is not enough memory for it.
///
/// # Errors
///
/// [`ErrorKind::OutOfMemory`], [`ErrorKind::TooLarge`].
pub(super) fn unless_too_much<T>(value: Result<T, Error>) -> Result<Option<T>, Error> {
    match value {
        Err(error) if matches!(error.kind(), ErrorKind::OutOfMemory | ErrorKind::TooLarge) => Err(error),
        value => Ok(value.ok()),
    }
}

impl Operand<'_> {
    /// Returns the shape of a value of unknown rank.
    pub(super) fn any_shape() -> Self {
        Operand::Shape(Arc::new([None; RANK]))
    }

    fn expression(&self) -> Option<usize> {
        if let Operand::Expression(place) = self { Some(*place) } else { None }
    }
}

impl Expression<'_> {
    /// Returns whether the value is known without its inputs.
    fn is_kept(&self) -> bool {
        self.small.get().is_some()
    }
}
