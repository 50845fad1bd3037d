//! The host's arrays, with errors instead of aborts if memory runs out.

use ndarray::{Array, Array3, ArrayView, ArrayView3, ArrayViewMut3, Dimension, Ix3, ShapeError};

use crate::Error;
use crate::error::Fault;

/// Returns the number of elements of a shape.
fn count(what: &str, shape: [usize; 3]) -> Result<usize, Error> {
    let count = shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
    count.ok_or_else(|| out_of_memory(what, shape))
}

/// Returns the error for an array that there is no memory for.
pub(crate) fn out_of_memory(what: &str, shape: [usize; 3]) -> Error {
    Error::from(Fault::OutOfMemory { found: format!("{what} of shape {shape:?}") })
}

/// Resizes a vector to the number of elements of a shape. Its first elements are kept, and new ones have the
/// default value. It does not allocate if the vector had that length before.
pub(crate) fn resize<A: Clone + Default>(
    what: &str,
    values: &mut Vec<A>,
    shape: [usize; 3],
) -> Result<(), Error> {
    let count = count(what, shape)?;
    let more = count.saturating_sub(values.len());
    values.try_reserve_exact(more).map_err(|_| out_of_memory(what, shape))?;
    values.resize(count, A::default());
    Ok(())
}

/// Returns an array of zeros.
pub(crate) fn zeros<A: Clone + Default>(what: &str, shape: [usize; 3]) -> Result<Array3<A>, Error> {
    let mut values = Vec::new();
    resize(what, &mut values, shape)?;
    shaped(Ix3(shape[0], shape[1], shape[2]), values)
}

/// Returns an empty vector with room for `len` elements.
pub(crate) fn reserved<A>(what: &str, len: usize) -> Result<Vec<A>, Error> {
    let mut values = Vec::new();
    values
        .try_reserve_exact(len)
        .map_err(|_| Error::from(Fault::OutOfMemory { found: format!("{what}, {len} elements") }))?;
    Ok(values)
}

/// Checks that there is memory for code of others that would abort without it.
#[cfg(any(feature = "safetensors", feature = "keras"))]
pub(crate) fn probe(what: &str, bytes: usize) -> Result<(), Error> {
    reserved::<u8>(what, bytes).map(drop)
}

/// Appends an element. The memory grows by doubling.
pub(crate) fn push<A>(what: &str, values: &mut Vec<A>, value: A) -> Result<(), Error> {
    room(what, values, 1)?;
    values.push(value);
    Ok(())
}

/// Makes room for further elements. The memory grows at least by doubling.
pub(crate) fn room<A>(what: &str, values: &mut Vec<A>, more: usize) -> Result<(), Error> {
    let len = values.len();
    values.try_reserve(more).map_err(|_| {
        Error::from(Fault::OutOfMemory { found: format!("{what}, {} elements", len.saturating_add(more)) })
    })
}

/// Collects the results of an iterator of at most `len` elements.
#[cfg(any(
    feature = "gpu",
    feature = "safetensors",
    feature = "npz",
    feature = "onnx",
    feature = "pytorch",
    feature = "keras"
))]
pub(crate) fn listed<A>(
    what: &str,
    len: usize,
    values: impl IntoIterator<Item = Result<A, Error>>,
) -> Result<Vec<A>, Error> {
    let mut listed = reserved(what, len)?;
    for value in values {
        push(what, &mut listed, value?)?;
    }
    Ok(listed)
}

/// Returns a vector of `len` elements of the same value.
pub(crate) fn filled<A: Clone>(what: &str, len: usize, value: A) -> Result<Vec<A>, Error> {
    let mut values = reserved(what, len)?;
    values.resize(len, value);
    Ok(values)
}

/// Collects elements into an array; their number must match the shape.
pub(crate) fn collected<A, D: Dimension>(
    what: &str,
    shape: D,
    values: impl Iterator<Item = A>,
) -> Result<Array<A, D>, Error> {
    let mut collected = reserved(what, shape.size())?;
    collected.extend(values);
    shaped(shape, collected)
}

/// Returns an array of zeros of any rank.
#[cfg(any(
    feature = "safetensors",
    feature = "npz",
    feature = "onnx",
    feature = "pytorch",
    feature = "keras"
))]
pub(crate) fn zeroed(what: &str, shape: &[usize]) -> Result<ndarray::ArrayD<f32>, Error> {
    let count = shape.iter().fold(1usize, |count, &size| count.saturating_mul(size));
    collected(what, ndarray::IxDyn(shape), std::iter::repeat_n(0.0, count))
}

/// Copies an array, in row-major order.
pub(crate) fn copied<A: Copy, D: Dimension>(
    what: &str,
    values: &ArrayView<'_, A, D>,
) -> Result<Array<A, D>, Error> {
    collected(what, values.raw_dim(), values.iter().copied())
}

/// Converts values to an array; their number must match the shape.
pub(crate) fn shaped<A, D: Dimension>(shape: D, values: Vec<A>) -> Result<Array<A, D>, Error> {
    Array::from_shape_vec(shape, values).map_err(unfit)
}

/// Returns the error for values that do not match the shape, which does not occur.
#[allow(clippy::needless_pass_by_value, reason = "as map_err gives it")]
fn unfit(error: ShapeError) -> Error {
    Error::from(Fault::OutOfMemory { found: error.to_string() })
}

/// An array that keeps its memory while its shape changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reused {
    values: Vec<f32>,
    shape: [usize; 3],
}

impl Reused {
    /// Sets the shape. The contents are unspecified afterwards.
    pub(crate) fn reshape(&mut self, what: &str, shape: [usize; 3]) -> Result<(), Error> {
        resize(what, &mut self.values, shape)?;
        self.shape = shape;
        Ok(())
    }

    pub(crate) fn zero(&mut self) {
        self.values.fill(0.0);
    }

    pub(crate) fn view(&self) -> Result<ArrayView3<'_, f32>, Error> {
        ArrayView3::from_shape(self.shape, &self.values).map_err(unfit)
    }

    pub(crate) fn view_mut(&mut self) -> Result<ArrayViewMut3<'_, f32>, Error> {
        ArrayViewMut3::from_shape(self.shape, &mut self.values).map_err(unfit)
    }
}
