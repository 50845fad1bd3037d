//! Constants that are concatenated from parts of the file's tensors. Exporters without constant folding
//! write weights in this way.

use std::ops::Range;

use super::proto::Tensor;
use super::tensor::Values;
use crate::Error;

/// Concatenated parts of tensors in row-major order. Nothing is copied.
#[derive(Clone, Debug)]
pub(super) struct Pieces<'g> {
    shape: Vec<usize>,
    parts: Vec<(&'g Tensor<'g>, Range<usize>)>,
}

impl<'g> Pieces<'g> {
    /// A limit above the number of parts that any exporter makes of a layer's biases: two for each gate and
    /// direction.
    const MOST: usize = 32;

    /// Creates one piece from a whole tensor.
    pub(super) fn whole(tensor: &'g Tensor<'g>) -> Option<Self> {
        let shape: Vec<usize> =
            tensor.dims.iter().map(|&dim| usize::try_from(dim).ok()).collect::<Option<_>>()?;
        let count = shape.iter().try_fold(1usize, |count, &dim| count.checked_mul(dim))?;
        Some(Pieces { shape, parts: vec![(tensor, 0..count)] })
    }

    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Returns whether all tensors that contribute a part are zero.
    pub(super) fn is_zero(&self) -> bool {
        self.parts.iter().all(|(tensor, _)| tensor.is_zero())
    }

    /// Returns the values; `what` names them in errors.
    ///
    /// # Errors
    ///
    /// The same as [`Tensor::values`].
    pub(super) fn values(&self, what: &str) -> Result<Values<'g>, Error> {
        let parts = self.parts.iter().map(|(tensor, range)| Ok(tensor.values(what)?.part(range)));
        Values::joined(self.shape.clone(), parts.collect::<Result<_, Error>>()?, what)
    }

    /// Returns the same values with axes of size 1 inserted or removed.
    pub(super) fn with_shape(&self, shape: Vec<usize>) -> Self {
        Pieces { shape, parts: self.parts.clone() }
    }

    /// Returns a slice of an axis. All axes before it must have size 1.
    pub(super) fn sliced(&self, axis: usize, range: Range<usize>) -> Option<Self> {
        let inner = self.inner(axis)?;
        if range.end > self.shape[axis] || range.start > range.end {
            return None;
        }
        let mut shape = self.shape.clone();
        shape[axis] = range.len();
        let (mut skip, mut left) = (range.start * inner, range.len() * inner);
        let mut parts = Vec::new();
        for (tensor, part) in &self.parts {
            let from = skip.min(part.len());
            let taken = left.min(part.len() - from);
            if taken > 0 {
                parts.push((*tensor, part.start + from..part.start + from + taken));
            }
            skip -= from;
            left -= taken;
        }
        Some(Pieces { shape, parts })
    }

    /// Concatenates along an axis. All axes before it must have size 1.
    pub(super) fn joined(&self, other: &Self, axis: usize) -> Option<Self> {
        let same_rank = self.shape.len() == other.shape.len();
        if !same_rank
            || self.inner(axis)? != other.inner(axis)?
            || self.shape[axis + 1..] != other.shape[axis + 1..]
        {
            return None;
        }
        let mut shape = self.shape.clone();
        shape[axis] = shape[axis].checked_add(other.shape[axis])?;
        let parts = [&self.parts[..], &other.parts].concat();
        (parts.len() <= Self::MOST).then_some(Pieces { shape, parts })
    }

    /// Returns the number of values for one index of an axis, if no axis before it is larger than 1.
    fn inner(&self, axis: usize) -> Option<usize> {
        let (before, rest) = self.shape.split_at_checked(axis)?;
        let inner = rest.get(1..)?;
        before.iter().all(|&size| size == 1).then(|| inner.iter().product())
    }
}
