//! Operators that add up values, in f64. Weight normalisation needs them.

use super::call::Call;
use crate::Error;
use crate::array::{filled, listed};
use crate::io::element::Element;
use crate::io::onnx::array::Array;

/// Returns the output of any of these operators, and none for another operator.
pub(super) fn value<'g>(call: &Call<'_, 'g>) -> Option<Result<Array<'g>, Error>> {
    type Function = fn(f64, f64) -> f64;
    let sum: Function = |sum, value| sum + value;
    let squares: Function = |sum, value| sum + value * value;
    let same: Function = |value, _| value;
    let (first, add, last): (f64, Function, Function) = match call.proto.op_type {
        "ReduceL1" => (0.0, |sum, value| sum + value.abs(), same),
        "ReduceL2" => (0.0, squares, |sum, _| sum.sqrt()),
        "ReduceMax" => (f64::NEG_INFINITY, f64::max, same),
        "ReduceMean" => (0.0, sum, |sum, count| sum / count),
        "ReduceMin" => (f64::INFINITY, f64::min, same),
        "ReduceProd" => (1.0, |product, value| product * value, same),
        "ReduceSum" => (0.0, sum, same),
        "ReduceSumSquare" => (0.0, squares, same),
        _ => return None,
    };
    Some(reduce(call, first, add, last))
}

/// Combines all values along some axes.
#[allow(clippy::cast_precision_loss, reason = "counts and integers are below 2^53")]
fn reduce<'g>(
    call: &Call<'_, 'g>,
    first: f64,
    add: fn(f64, f64) -> f64,
    last: fn(f64, f64) -> f64,
) -> Result<Array<'g>, Error> {
    let array = call.input(0)?;
    let rank = array.shape.len();
    let axes = match call.ints(1, "axes")?.filter(|axes| !axes.is_empty()) {
        Some(axes) => call.axes(&axes, rank)?,
        None if call.int("noop_with_empty_axes", 0) != 0 => return Ok(array.clone()),
        None => (0..rank).collect(),
    };
    let kept: Vec<usize> =
        (0..rank).map(|axis| if axes.contains(&axis) { 1 } else { array.shape[axis] }).collect();
    call.buffer(&kept, Element::F64)?;
    let mut sums = filled(call.what, kept.iter().product(), first)?;
    if array.len() > 0 {
        let count = (array.len() / sums.len()) as f64;
        let mut index = vec![0; rank];
        let mut put = |value: f64| {
            let place = (0..rank).fold(0, |place, axis| place * kept[axis] + index[axis] % kept[axis]);
            sums[place] = add(sums[place], value);
            for axis in (0..rank).rev() {
                index[axis] += 1;
                if index[axis] < array.shape[axis] {
                    break;
                }
                index[axis] = 0;
            }
        };
        match array.is_float() {
            true => array.f64s().for_each(&mut put),
            false => array.i64s().for_each(|value| put(value as f64)),
        }
        sums.iter_mut().for_each(|sum| *sum = last(*sum, count));
    }
    let mut bytes = call.buffer(&kept, array.element)?;
    sums.iter().for_each(|&sum| array.element.push_f64(sum, &mut bytes));
    let shape = match call.int("keepdims", 1) {
        0 => (0..rank).filter(|axis| !axes.contains(axis)).map(|axis| array.shape[axis]).collect(),
        _ => kept,
    };
    call.array(shape, array.element, bytes)
}

/// Multiplies two matrices of floats; either may be a vector.
pub(super) fn mat_mul<'g>(call: &Call<'_, 'g>) -> Result<Array<'g>, Error> {
    let (a, b) = (call.input(0)?, call.input(1)?);
    let (rows, inner) = match a.shape[..] {
        [inner] => (1, inner),
        [rows, inner] => (rows, inner),
        _ => return Err(call.misfit()),
    };
    let (height, columns) = match b.shape[..] {
        [height] => (height, 1),
        [height, columns] => (height, columns),
        _ => return Err(call.misfit()),
    };
    if inner != height || a.element != b.element || !a.is_float() {
        return Err(call.misfit());
    }
    let shape: Vec<usize> = [(&a.shape, rows), (&b.shape, columns)]
        .into_iter()
        .filter(|(shape, _)| shape.len() == 2)
        .map(|(_, size)| size)
        .collect();
    // Each step of an inner product counts as a byte.
    call.budget.take(rows.saturating_mul(inner).saturating_mul(columns), call.what)?;
    call.budget.take(8 * (a.len() + b.len()), call.what)?;
    let values = |array: &Array<'g>| listed(call.what, array.len(), array.f64s().map(Ok));
    let (a_values, b_values) = (values(a)?, values(b)?);
    let mut bytes = call.buffer(&[rows, columns], a.element)?;
    for row in 0..rows {
        for column in 0..columns {
            let products = (0..inner).map(|at| a_values[row * inner + at] * b_values[at * columns + column]);
            a.element.push_f64(products.sum(), &mut bytes);
        }
    }
    call.array(shape, a.element, bytes)
}
