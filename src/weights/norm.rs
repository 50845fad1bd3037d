//! The parameters that PyTorch computes from others: weight norm and spectral norm.

use ndarray::{Array1, ArrayD, Ix1, Ix2};

use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::array::filled;
use crate::error::Fault;

/// Returns what `torch.nn.utils.weight_norm` computes: `v` with the norms `g`, one for each row, one for each
/// column or one for all elements.
///
/// # Errors
///
/// [`ErrorKind::Tensor`] names the tensor `name` whose shape is that of no norms; [`ErrorKind::OutOfMemory`].
pub(super) fn weight_norm(name: &str, g: &ArrayD<f32>, v: ArrayD<f32>) -> Result<ArrayD<f32>, Error> {
    let wrong = |expected: Vec<usize>, found: &[usize]| {
        Error::from(Fault::Shape { name: name.to_owned(), expected, found: found.to_vec() })
    };
    let found = v.shape().to_vec();
    let mut v = v.into_dimensionality::<Ix2>().map_err(|_| wrong(vec![0, 0], &found))?;
    let (rows, columns) = v.dim();
    // The norm of an element, from its row and its column.
    let (count, place): (usize, fn(usize, usize) -> usize) = match *g.shape() {
        [found, 1] if found == rows => (rows, |row, _| row),
        [1, found] if found == columns => (columns, |_, column| column),
        [] | [1] => (1, |_, _| 0),
        _ => return Err(wrong(vec![rows, 1], g.shape())),
    };
    let mut scales = filled("norms", count, 0.0f64)?;
    for ((row, column), &value) in v.indexed_iter() {
        scales[place(row, column)] += f64::from(value).powi(2);
    }
    for (scale, &length) in scales.iter_mut().zip(g) {
        *scale = f64::from(length) / scale.sqrt();
    }
    for ((row, column), value) in v.indexed_iter_mut() {
        *value = to_f32(f64::from(*value) * scales[place(row, column)]);
    }
    Ok(v.into_dyn())
}

/// Returns what `torch.nn.utils.spectral_norm` computes outside of training: the matrix divided by `u·W·v`.
///
/// # Errors
///
/// [`ErrorKind::Tensor`] names the vector whose length is not that of the matrix.
pub(super) fn spectral_norm(
    original: ArrayD<f32>,
    (u_name, u): (&str, ArrayD<f32>),
    (v_name, v): (&str, ArrayD<f32>),
) -> Result<ArrayD<f32>, Error> {
    let error = |name: &str, expected: Vec<usize>, found: &[usize]| {
        Error::from(Fault::Shape { name: name.to_owned(), expected, found: found.to_vec() })
    };
    let shape = original.shape().to_vec();
    let mut matrix = original.into_dimensionality::<Ix2>().map_err(|_| error(u_name, vec![0, 0], &shape))?;
    let vector = |name: &str, values: ArrayD<f32>, length: usize| -> Result<Array1<f32>, Error> {
        let found = values.shape().to_vec();
        let values = values.into_dimensionality::<Ix1>();
        values.ok().filter(|values| values.len() == length).ok_or_else(|| error(name, vec![length], &found))
    };
    let (u, v) = (vector(u_name, u, matrix.nrows())?, vector(v_name, v, matrix.ncols())?);
    let dot = |row: ndarray::ArrayView1<'_, f32>| -> f64 {
        row.iter().zip(&v).map(|(weight, v)| f64::from(*weight) * f64::from(*v)).sum()
    };
    let sigma: f64 = matrix.outer_iter().zip(&u).map(|(row, u)| f64::from(*u) * dot(row)).sum();
    matrix.mapv_inplace(|weight| to_f32(f64::from(weight) / sigma));
    Ok(matrix.into_dyn())
}

#[allow(clippy::cast_possible_truncation, reason = "rounding to f32 is the point")]
fn to_f32(value: f64) -> f32 {
    value as f32
}
