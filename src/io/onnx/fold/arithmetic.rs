//! Operators that compute each value from the values at the same position.
//!
//! Floating-point values are computed in f64 and rounded once. For `+`, `-`, `*`, `/` and square roots of
//! f32 and f16 that is the result of the type itself.

use super::broadcast::{expanded, shape};
use super::call::Call;
use crate::Error;
use crate::io::element::Element;
use crate::io::onnx::array::Array;

/// Returns the output of any of these operators.
pub(super) fn value<'g>(call: &Call<'_, 'g>) -> Result<Array<'g>, Error> {
    let op_type = call.proto.op_type;
    if let Some(function) = unary(op_type) {
        return each(call, call.input(0)?, function);
    }
    let Some(operation) = Operation::of(op_type) else { return Err(call.unknown()) };
    let mut value = call.input(0)?.clone();
    for place in 1..call.inputs.len().max(2) {
        if place >= call.inputs.len() && operation.takes_one() {
            break;
        }
        value = operation.apply(call, &value, call.input(place)?)?;
    }
    Ok(value)
}

/// A function of one value.
fn unary(op_type: &str) -> Option<fn(f64) -> f64> {
    Some(match op_type {
        "Abs" => f64::abs,
        "Ceil" => f64::ceil,
        "Exp" => f64::exp,
        "Floor" => f64::floor,
        "Log" => f64::ln,
        "Neg" => |value| -value,
        "Not" => |value| f64::from(value == 0.0),
        "Reciprocal" => f64::recip,
        "Relu" => |value| value.max(0.0),
        "Round" => f64::round_ties_even,
        "Sigmoid" => |value| 1.0 / (1.0 + (-value).exp()),
        "Sign" => |value| if value == 0.0 { value } else { value.signum() },
        "Sqrt" => f64::sqrt,
        "Tanh" => f64::tanh,
        _ => return None,
    })
}

/// Applies a function to each value.
pub(super) fn each<'g>(
    call: &Call<'_, 'g>,
    array: &Array<'g>,
    function: impl Fn(f64) -> f64,
) -> Result<Array<'g>, Error> {
    let element = array.element;
    let mut bytes = call.buffer(&array.shape, element)?;
    match element.is_float() {
        true => array.f64s().for_each(|value| element.push_f64(function(value), &mut bytes)),
        #[allow(clippy::cast_precision_loss, reason = "indices and sizes are below 2^53")]
        false => array.i64s().for_each(|value| element.push_f64(function(value as f64), &mut bytes)),
    }
    call.array(array.shape.clone(), element, bytes)
}

/// A function of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Min,
    Max,
    Mod,
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
    Xor,
}

impl Operation {
    fn of(op_type: &str) -> Option<Self> {
        Some(match op_type {
            "Add" | "Sum" => Operation::Add,
            "Sub" => Operation::Sub,
            "Mul" => Operation::Mul,
            "Div" => Operation::Div,
            "Pow" => Operation::Pow,
            "Min" => Operation::Min,
            "Max" => Operation::Max,
            "Mod" => Operation::Mod,
            "Equal" => Operation::Equal,
            "Less" => Operation::Less,
            "LessOrEqual" => Operation::LessOrEqual,
            "Greater" => Operation::Greater,
            "GreaterOrEqual" => Operation::GreaterOrEqual,
            "And" => Operation::And,
            "Or" => Operation::Or,
            "Xor" => Operation::Xor,
            _ => return None,
        })
    }

    /// Returns whether the operator may have a single input.
    fn takes_one(self) -> bool {
        matches!(self, Operation::Add | Operation::Min | Operation::Max)
    }

    /// Returns whether the result is a bool.
    fn compares(self) -> bool {
        !matches!(
            self,
            Operation::Add
                | Operation::Sub
                | Operation::Mul
                | Operation::Div
                | Operation::Pow
                | Operation::Min
                | Operation::Max
                | Operation::Mod
        )
    }

    fn apply<'g>(self, call: &Call<'_, 'g>, a: &Array<'g>, b: &Array<'g>) -> Result<Array<'g>, Error> {
        // The exponent may have a type of its own.
        let same = a.element == b.element || (self == Operation::Pow && a.is_float() == b.is_float());
        if !same {
            let found = format!("{} and {}", a.element.name(), b.element.name());
            return Err(call.fault("inputs of one type", found));
        }
        let shape = shape(call, &[&a.shape, &b.shape])?;
        let (a, b) = (expanded(a, &shape, call)?, expanded(b, &shape, call)?);
        let element = if self.compares() { Element::Bool } else { a.element };
        let mut bytes = call.buffer(&shape, element)?;
        if a.is_float() {
            for (a, b) in a.f64s().zip(b.f64s()) {
                element.push_f64(self.of_floats(a, b), &mut bytes);
            }
        } else {
            for (a, b) in a.i64s().zip(b.i64s()) {
                let value = self.of_integers(a, b).ok_or_else(|| call.fault("a divisor other than 0", b))?;
                element.push_i64(value, &mut bytes);
            }
        }
        call.array(shape, element, bytes)
    }

    #[allow(clippy::float_cmp, reason = "ONNX's Equal compares exactly")]
    fn of_floats(self, a: f64, b: f64) -> f64 {
        match self {
            Operation::Add => a + b,
            Operation::Sub => a - b,
            Operation::Mul => a * b,
            Operation::Div => a / b,
            Operation::Pow => a.powf(b),
            Operation::Min => a.min(b),
            Operation::Max => a.max(b),
            Operation::Mod => a % b,
            Operation::Equal => f64::from(a == b),
            Operation::Less => f64::from(a < b),
            Operation::LessOrEqual => f64::from(a <= b),
            Operation::Greater => f64::from(a > b),
            Operation::GreaterOrEqual => f64::from(a >= b),
            Operation::And => f64::from(a != 0.0 && b != 0.0),
            Operation::Or => f64::from(a != 0.0 || b != 0.0),
            Operation::Xor => f64::from((a != 0.0) != (b != 0.0)),
        }
    }

    /// Returns none for a division by 0.
    fn of_integers(self, a: i64, b: i64) -> Option<i64> {
        Some(match self {
            Operation::Add => a.wrapping_add(b),
            Operation::Sub => a.wrapping_sub(b),
            Operation::Mul => a.wrapping_mul(b),
            Operation::Div => a.checked_div(b)?,
            Operation::Pow => a.wrapping_pow(u32::try_from(b).ok()?),
            Operation::Min => a.min(b),
            Operation::Max => a.max(b),
            // The sign is that of the divisor.
            Operation::Mod => a.checked_rem(b)?.wrapping_add(b).checked_rem(b)?,
            Operation::Equal => i64::from(a == b),
            Operation::Less => i64::from(a < b),
            Operation::LessOrEqual => i64::from(a <= b),
            Operation::Greater => i64::from(a > b),
            Operation::GreaterOrEqual => i64::from(a >= b),
            Operation::And => i64::from(a != 0 && b != 0),
            Operation::Or => i64::from(a != 0 || b != 0),
            Operation::Xor => i64::from((a != 0) != (b != 0)),
        })
    }
}

/// Converts the values to another type.
pub(super) fn cast<'g>(call: &Call<'_, 'g>) -> Result<Array<'g>, Error> {
    let array = call.input(0)?;
    let to = match call.attribute("to") {
        Some(to) => {
            let code = to.int.unwrap_or(0);
            Element::of_onnx(code)
                .ok_or_else(|| call.fault("a type of numbers", format_args!("type {code}")))?
        }
        None => call.input(1)?.element,
    };
    converted(call, array, to)
}

/// Returns the values in a type.
pub(super) fn converted<'g>(call: &Call<'_, 'g>, array: &Array<'g>, to: Element) -> Result<Array<'g>, Error> {
    if array.element == to {
        return Ok(array.clone());
    }
    let mut bytes = call.buffer(&array.shape, to)?;
    match array.is_float() {
        true => array.f64s().for_each(|value| to.push_f64(value, &mut bytes)),
        false => array.i64s().for_each(|value| to.push_i64(value, &mut bytes)),
    }
    call.array(array.shape.clone(), to, bytes)
}

/// Returns the values of the second input where the first is true, else those of the third.
pub(super) fn choice<'g>(call: &Call<'_, 'g>) -> Result<Array<'g>, Error> {
    let inputs = [call.input(0)?, call.input(1)?, call.input(2)?];
    let shape = shape(call, &inputs.map(|input| &input.shape[..]))?;
    let [condition, yes, no] = inputs;
    if yes.element != no.element || condition.is_float() {
        return Err(call.misfit());
    }
    let (yes, no) = (expanded(yes, &shape, call)?, expanded(no, &shape, call)?);
    let size = yes.element.bytes();
    let mut bytes = call.buffer(&shape, yes.element)?;
    let pairs = yes.bytes().chunks(size).zip(no.bytes().chunks(size));
    for (condition, (yes, no)) in expanded(condition, &shape, call)?.i64s().zip(pairs) {
        bytes.extend_from_slice(if condition == 0 { no } else { yes });
    }
    call.array(shape, yes.element, bytes)
}
