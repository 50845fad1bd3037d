//! Values that are part of a larger array, with any strides.

use crate::Error;
use crate::array::reserved;

/// Copies the elements of a view in row-major order. `bytes` begin with the view's first element and have all
/// of its elements; strides are in elements of `size` bytes.
///
/// # Errors
///
/// [`ErrorKind::OutOfMemory`](crate::ErrorKind::OutOfMemory) if there is not enough memory for the copy.
pub(super) fn gathered(
    bytes: &[u8],
    shape: &[usize],
    strides: &[usize],
    size: usize,
) -> Result<Vec<u8>, Error> {
    let count: usize = shape.iter().product();
    let mut gathered = reserved("a part of a tensor", count.saturating_mul(size))?;
    let mut index = vec![0; shape.len()];
    for _ in 0..count {
        let offset: usize = index.iter().zip(strides).map(|(place, stride)| place * stride).sum();
        gathered.extend_from_slice(bytes.get(offset * size..(offset + 1) * size).unwrap_or_default());
        for (place, &end) in index.iter_mut().zip(shape).rev() {
            *place += 1;
            if *place < end {
                break;
            }
            *place = 0;
        }
    }
    Ok(gathered)
}

/// Returns the number of elements of a shape and the index of a view's last element behind its first one, or
/// none if they overflow. A view without elements has none behind the first.
#[cfg(feature = "pytorch")]
pub(super) fn extent(shape: &[usize], strides: &[usize]) -> Option<(usize, usize)> {
    let count = shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size))?;
    if count == 0 {
        return Some((0, 0));
    }
    let last = shape
        .iter()
        .zip(strides)
        .try_fold(0usize, |last, (&size, &stride)| last.checked_add((size - 1).checked_mul(stride)?))?;
    Some((count, last))
}

/// Returns whether strides are those of row-major order without gaps.
#[cfg(feature = "pytorch")]
pub(super) fn is_contiguous(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1;
    shape.iter().zip(strides).rev().all(|(&size, &stride)| {
        let fits = size == 1 || stride == expected;
        expected *= size;
        fits
    })
}
