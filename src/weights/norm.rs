//! The parameters that PyTorch computes from others: weight norm and spectral norm.

use ndarray::{ArrayD, Axis, Ix1, Ix2};

use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::error::Fault;

/// Returns what `torch.nn.utils.weight_norm` computes: `v` with the norms `g`, one for each row, one for each
/// column or one for all elements.
///
/// # Errors
///
/// [`ErrorKind::Tensor`] names the tensor `name` whose shape is that of no norms.
pub(super) fn weight_norm(name: &str, g: &ArrayD<f32>, v: &ArrayD<f32>) -> Result<ArrayD<f32>, Error> {
    let shape = |expected: Vec<usize>, found: &ArrayD<f32>| {
        Err(Error::from(Fault::Shape { name: name.to_owned(), expected, found: found.shape().to_vec() }))
    };
    let Ok(wide) = v.mapv(f64::from).into_dimensionality::<Ix2>() else { return shape(vec![0, 0], v) };
    let (rows, columns) = wide.dim();
    let squares = wide.mapv(|value| value * value);
    let norms = match *g.shape() {
        [found, 1] if found == rows => squares.sum_axis(Axis(1)).insert_axis(Axis(1)),
        [1, found] if found == columns => squares.sum_axis(Axis(0)).insert_axis(Axis(0)),
        [] | [1] => ndarray::Array2::from_elem((1, 1), squares.sum()),
        _ => return shape(vec![rows, 1], g),
    };
    let lengths = g.mapv(f64::from).into_shape_with_order(norms.dim());
    let Ok(lengths) = lengths else { return shape(vec![rows, 1], g) };
    Ok((wide * (lengths / norms.mapv(f64::sqrt))).mapv(to_f32).into_dyn())
}

/// Returns what `torch.nn.utils.spectral_norm` computes outside of training: the matrix divided by `u·W·v`.
///
/// # Errors
///
/// [`ErrorKind::Tensor`] names the vector whose length is not that of the matrix.
pub(super) fn spectral_norm(
    original: &ArrayD<f32>,
    (u_name, u): (&str, ArrayD<f32>),
    (v_name, v): (&str, ArrayD<f32>),
) -> Result<ArrayD<f32>, Error> {
    let error = |name: &str, expected: Vec<usize>, found: &[usize]| {
        Error::from(Fault::Shape { name: name.to_owned(), expected, found: found.to_vec() })
    };
    let shape = original.shape().to_vec();
    let (&[rows, columns], Ok(matrix)) = (&shape[..], original.mapv(f64::from).into_dimensionality::<Ix2>())
    else {
        return Err(error(u_name, vec![0, 0], &shape));
    };
    let vector = |name: &str, values: ArrayD<f32>, length: usize| {
        let found = values.shape().to_vec();
        let values = values.mapv(f64::from).into_dimensionality::<Ix1>();
        values.ok().filter(|values| values.len() == length).ok_or_else(|| error(name, vec![length], &found))
    };
    let sigma = vector(u_name, u, rows)?.dot(&matrix.dot(&vector(v_name, v, columns)?));
    Ok((matrix / sigma).mapv(to_f32).into_dyn())
}

#[allow(clippy::cast_possible_truncation, reason = "rounding to f32 is the point")]
fn to_f32(value: f64) -> f32 {
    value as f32
}
