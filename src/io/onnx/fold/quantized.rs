//! Integers that stand for floating-point values.

use super::broadcast::{View, expanded};
use super::call::Call;
use crate::Error;
use crate::io::element::Element;
use crate::io::onnx::array::Array;

/// Returns `(x - zero_point) * scale`, as ONNX Runtime computes it: in f32, rounded to the scale's type.
pub(super) fn dequantize<'g>(call: &Call<'_, 'g>) -> Result<Array<'g>, Error> {
    let (values, scale) = (call.input(0)?, call.input(1)?);
    let scales = spread(call, values, scale)?;
    let zeros = call.given(2).map(|zeros| spread(call, values, zeros)).transpose()?;
    product(call, values, &scales, zeros.as_ref())
}

/// Multiplies integers of the same number as the scales and the zero points.
fn product<'g>(
    call: &Call<'_, 'g>,
    values: &Array<'g>,
    scales: &Array<'g>,
    zeros: Option<&Array<'g>>,
) -> Result<Array<'g>, Error> {
    let integers = |array: &Array<'_>| !array.is_float() && array.element != Element::Bool;
    if !integers(values) || !scales.is_float() || zeros.is_some_and(|zeros| zeros.element != values.element) {
        return Err(
            call.fault("integers, a scale of floats, and zero points of the integers' type", "other types")
        );
    }
    let element = scales.element;
    let mut bytes = call.buffer(&values.shape, element)?;
    let mut zeros = zeros.into_iter().flat_map(Array::i64s);
    for (value, scale) in values.i64s().zip(scales.f64s()) {
        let difference = value.wrapping_sub(zeros.next().unwrap_or(0));
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "rounding is ONNX Runtime's"
        )]
        let product = difference as f32 * scale as f32;
        element.push_f64(product.into(), &mut bytes);
    }
    call.array(values.shape.clone(), element, bytes)
}

/// Returns a scale or a zero point for each value: there is one, one for each index of an axis, or one for
/// each block along an axis.
fn spread<'g>(call: &Call<'_, 'g>, values: &Array<'g>, given: &Array<'g>) -> Result<Array<'g>, Error> {
    let rank = values.shape.len();
    if given.len() == 1 {
        let one = given.with_shape(vec![1; rank]).ok_or_else(|| call.misfit())?;
        return expanded(&one, &values.shape, call);
    }
    let axis = call.axis(call.int("axis", 1), rank)?;
    let block = usize::try_from(call.int("block_size", 0)).map_err(|_| call.misfit())?;
    match (given.shape.len(), block) {
        (1, 0) => {
            let mut shape = vec![1; rank];
            shape[axis] = given.len();
            let along = given.with_shape(shape).ok_or_else(|| call.misfit())?;
            expanded(&along, &values.shape, call)
        }
        (_, block) if block > 0 && given.shape.len() == rank => {
            // Each scale is repeated, and the last block may be cut off.
            let mut blocks = given.shape.clone();
            blocks.insert(axis + 1, block);
            let mut single = given.shape.clone();
            single.insert(axis + 1, 1);
            let single = given.with_shape(single).ok_or_else(|| call.misfit())?;
            let mut merged = given.shape.clone();
            merged[axis] = merged[axis].checked_mul(block).ok_or_else(|| call.misfit())?;
            let repeated =
                expanded(&single, &blocks, call)?.with_shape(merged).ok_or_else(|| call.misfit())?;
            let fits = repeated.shape.iter().zip(&values.shape).all(|(&have, &want)| have >= want);
            match fits && repeated.shape[axis] - values.shape[axis] < block {
                true => View { shape: values.shape.clone(), ..View::of(&repeated) }.values(&repeated, call),
                false => Err(call.misfit()),
            }
        }
        _ => {
            let expected = format!("one scale, or one for each index of axis {axis}");
            Err(call.fault(expected, format_args!("shape {:?}", given.shape)))
        }
    }
}

/// Returns the integers of floating-point values, for models that quantise their weights in the graph.
pub(super) fn quantize<'g>(call: &Call<'_, 'g>) -> Result<Array<'g>, Error> {
    let (values, scale) = (call.input(0)?, call.input(1)?);
    let scales = spread(call, values, scale)?;
    let zeros = call.given(2).map(|zeros| spread(call, values, zeros)).transpose()?;
    let element = match (&zeros, call.attribute("output_dtype").and_then(|attribute| attribute.int)) {
        (Some(zeros), _) => zeros.element,
        (None, Some(code)) => Element::of_onnx(code).ok_or_else(|| call.misfit())?,
        (None, None) => Element::U8,
    };
    let (least, most) = match element {
        Element::U8 => (0.0, 255.0),
        Element::I8 => (-128.0, 127.0),
        Element::U16 => (0.0, 65535.0),
        Element::I16 => (-32768.0, 32767.0),
        other => return Err(call.fault("integers of 8 or 16 bits", other.name())),
    };
    if !values.is_float() || !scales.is_float() {
        return Err(call.misfit());
    }
    let mut bytes = call.buffer(&values.shape, element)?;
    let mut zeros = zeros.iter().flat_map(Array::i64s);
    for (value, scale) in values.f64s().zip(scales.f64s()) {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "rounding is ONNX Runtime's"
        )]
        let quotient = (value as f32 / scale as f32).round_ties_even() + zeros.next().unwrap_or(0) as f32;
        element.push_f64(f64::from(quotient).clamp(least, most), &mut bytes);
    }
    call.array(values.shape.clone(), element, bytes)
}

/// Returns the floating-point values of W or R of a `DynamicQuantizeLSTM`, as `[D, 4*H, I]`. The inputs are
/// `[D, I, 4*H]`, and scales and zero points `[D]` or `[D, 4*H]`.
pub(super) fn lstm_weights<'g>(call: &Call<'_, 'g>) -> Result<Array<'g>, Error> {
    let [values, scale, zeros] = [call.input(0)?, call.input(1)?, call.input(2)?];
    let [d, i, rows] = values.shape[..] else { return Err(call.misfit()) };
    let each = |array: &Array<'g>| {
        let shape = match array.shape[..] {
            [count] if count == d => vec![d, 1, 1],
            [count, size] if count == d && size == rows => vec![d, 1, rows],
            _ => return Err(call.misfit()),
        };
        expanded(&array.with_shape(shape).ok_or_else(|| call.misfit())?, &[d, i, rows], call)
    };
    let (scales, zeros) = (each(scale)?, each(zeros)?);
    let product = product(call, values, &scales, Some(&zeros))?;
    let View { shape, steps, start } = View::of(&product);
    let (shape, steps) = (vec![shape[0], shape[2], shape[1]], vec![steps[0], steps[2], steps[1]]);
    View { shape, steps, start }.values(&product, call)
}
