//! Operators that make values from attributes and shapes.

use super::call::Call;
use crate::Error;
use crate::array::listed;
use crate::io::element::Element;
use crate::io::onnx::array::{Array, Bytes};

pub(super) fn constant<'g>(call: &Call<'_, 'g>) -> Result<Array<'g>, Error> {
    let Some(attribute) = call.proto.attributes.first() else {
        return Err(call.fault("a value", "none"));
    };
    let int = attribute.int.unwrap_or(0);
    let floats =
        |shape, values: Bytes<'g>| Array::new(shape, Element::F32, values).ok_or_else(|| call.misfit());
    match (attribute.name, attribute.tensor.as_deref()) {
        ("value", Some(tensor)) => tensor.array(call.what, call.files, call.budget),
        ("value_int", _) => Array::of_i64(&[int])?.with_shape(Vec::new()).ok_or_else(|| call.misfit()),
        ("value_ints", _) => {
            call.budget.take(8 * attribute.ints.len(), call.what)?;
            Array::of_i64(&attribute.ints)
        }
        ("value_float", _) => {
            floats(Vec::new(), attribute.float.unwrap_or(0.0).to_le_bytes().to_vec().into())
        }
        ("value_floats", _) => floats(vec![attribute.floats.len() / 4], (&*attribute.floats).into()),
        (name, _) => Err(call.fault("a tensor, integers or floats", format_args!("{name:?}"))),
    }
}

pub(super) fn constant_of_shape<'g>(call: &Call<'_, 'g>) -> Result<Array<'g>, Error> {
    let shape = sizes(call, 0)?;
    let zero = 0.0f32.to_le_bytes();
    let value = match call.attribute("value").and_then(|attribute| attribute.tensor.as_deref()) {
        Some(tensor) => tensor.array(call.what, call.files, call.budget)?,
        None => call.array(vec![1], Element::F32, zero.to_vec())?,
    };
    if value.len() != 1 {
        return Err(call.fault("one value", value.len()));
    }
    let mut bytes = call.buffer(&shape, value.element)?;
    let count = if shape.contains(&0) { 0 } else { shape.iter().product() };
    for _ in 0..count {
        bytes.extend(value.bytes());
    }
    call.array(shape, value.element, bytes)
}

/// Returns the sizes at an input.
pub(super) fn sizes(call: &Call<'_, '_>, place: usize) -> Result<Vec<usize>, Error> {
    let size = |size: i64| usize::try_from(size).map_err(|_| call.fault("sizes of at least 0", size));
    let sizes = call.input(place)?;
    listed(call.what, sizes.len(), sizes.i64s().map(size))
}

pub(super) fn shape<'g>(call: &Call<'_, 'g>) -> Result<Array<'g>, Error> {
    let shape = &call.input(0)?.shape;
    let [start, end] =
        [("start", 0), ("end", i64::MAX)].map(|(name, default)| bound(call.int(name, default), shape.len()));
    let sizes = shape.get(start..end).unwrap_or_default().iter();
    Array::of_i64(&sizes.map(|&size| i64::try_from(size).unwrap_or(i64::MAX)).collect::<Vec<_>>())
}

/// Returns the position that an index means as a bound, clamped to 0 and `len`.
pub(in crate::io::onnx) fn bound(place: i64, len: usize) -> usize {
    let signed = i64::try_from(len).unwrap_or(i64::MAX);
    let place = if place < 0 { place.saturating_add(signed).max(0) } else { place };
    usize::try_from(place).unwrap_or(usize::MAX).min(len)
}

pub(super) fn size<'g>(call: &Call<'_, 'g>) -> Result<Array<'g>, Error> {
    let count = i64::try_from(call.input(0)?.len()).unwrap_or(i64::MAX);
    Array::of_i64(&[count])?.with_shape(Vec::new()).ok_or_else(|| call.misfit())
}

/// Returns numbers from the first input to the second, in steps of the third.
pub(super) fn range<'g>(call: &Call<'_, 'g>) -> Result<Array<'g>, Error> {
    let element = call.input(0)?.element;
    if element.is_float() {
        return Err(call.fault("integers", element.name()));
    }
    let number = |place| call.input(place)?.i64s().next().ok_or_else(|| call.misfit());
    let (start, limit, delta) = (number(0)?, number(1)?, number(2)?);
    let span = i128::from(limit) - i128::from(start);
    let count = match i128::from(delta) {
        0 => return Err(call.fault("a step other than 0", 0)),
        delta if (span > 0) == (delta > 0) => (span.abs() + delta.abs() - 1) / delta.abs(),
        _ => 0,
    };
    let shape = vec![usize::try_from(count).map_err(|_| call.misfit())?];
    let mut bytes = call.buffer(&shape, element)?;
    for place in 0..i64::try_from(count).map_err(|_| call.misfit())? {
        element.push_i64(start.wrapping_add(place.wrapping_mul(delta)), &mut bytes);
    }
    call.array(shape, element, bytes)
}
