//! Checks of the arrays that a caller passes.

use ndarray::{ArrayView, ArrayView3, ArrayViewD, Axis, Dimension};

use crate::Error;
use crate::error::Fault;

pub(super) fn check_lengths(lengths: Option<&[usize]>, n: usize, t: usize) -> Result<(), Error> {
    let Some(lengths) = lengths else { return Ok(()) };
    if lengths.len() != n {
        return Err(Error::from(Fault::LengthsCount { expected: n, found: lengths.len() }));
    }
    match lengths.iter().position(|&length| length > t) {
        Some(row) => Err(Error::from(Fault::Length {
            row,
            steps: t,
            found: i64::try_from(lengths[row]).unwrap_or(i64::MAX),
        })),
        None => Ok(()),
    }
}

pub(super) fn check_state<'a, D: Dimension>(
    name: &'static str,
    values: ArrayView<'a, f32, D>,
    input_rank: usize,
    expected: [usize; 3],
) -> Result<ArrayView3<'a, f32>, Error> {
    let found = values.shape().to_vec();
    if found.len() != input_rank {
        return Err(Error::from(Fault::StateRank { name, input_rank, found: found.len() }));
    }
    match with_batch_axis(values, Axis(1)) {
        Some(values) if values.shape() == expected => Ok(values),
        _ => {
            let [rows, n, size] = expected;
            let expected = if input_rank == 2 { vec![rows, size] } else { vec![rows, n, size] };
            Err(Error::from(Fault::StateShape { name, expected, found }))
        }
    }
}

/// Returns the view with three dimensions; if it has two, a batch axis is inserted.
pub(super) fn with_batch_axis<A, D: Dimension>(
    values: ArrayView<'_, A, D>,
    axis: Axis,
) -> Option<ArrayView3<'_, A>> {
    let values = values.into_dyn();
    let values = if values.ndim() == 2 { values.insert_axis(axis) } else { values };
    values.into_dimensionality().ok()
}

/// Checks that no element is NaN or infinite.
pub(crate) fn check_finite(name: &str, values: &ArrayViewD<'_, f32>) -> Result<(), Error> {
    // The sum of the products with zero is NaN if any value is not finite. Only then does the slow search
    // run.
    if values.fold(0.0, |sum, value| sum + value * 0.0) == 0.0 {
        return Ok(());
    }
    match values.indexed_iter().find(|(_, value)| !value.is_finite()) {
        Some((index, &value)) => {
            let index = ndarray::Dimension::slice(&index).to_vec();
            Err(Error::from(Fault::NonFinite { name: name.to_owned(), index, found: f64::from(value) }))
        }
        None => Ok(()),
    }
}
