//! `X·Wᵀ + b` in two ways, each with a summation order that depends on nothing but the number of terms.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis};

use super::pack::{Matrix, PANEL};

/// Rows of X that share a pass over a panel: with two, the sums take half of the sixteen 128-bit registers that every
/// x86-64 has; with three or a wider panel they spill.
const ROWS: usize = 2;

/// Terms that are summed before they join the total: rounding then grows with the square root of two short sums
/// instead of one long one.
const BLOCK: usize = 8;

/// As [`BLOCK`], for the matrix product of many rows, where each block costs a pass over the result.
const MANY_BLOCK: usize = 64;

/// `out [rows, columns] = x [rows, terms] · Wᵀ + b`.
///
/// A row's bits do not depend on the other rows: each sum runs over the terms in order, in blocks of [`BLOCK`],
/// however many rows share the pass.
pub(super) fn multiply(matrix: &Matrix, x: &[f32], out: &mut [f32]) {
    let (terms, columns) = (matrix.terms(), matrix.columns());
    for (index, (bias, panel)) in matrix.panels().enumerate() {
        let first = index * PANEL;
        let width = PANEL.min(columns - first);
        let mut x = x.chunks(ROWS * terms);
        for out in out.chunks_mut(ROWS * columns) {
            let Some(x) = x.next() else { break };
            let sums = pass(x, terms, panel, bias);
            for (out, sums) in out.chunks_exact_mut(columns).zip(&sums) {
                out[first..first + width].copy_from_slice(&sums[..width]);
            }
        }
    }
}

/// As [`multiply`], for many rows, of a `weight` `[columns, terms]` that is not packed.
///
/// The matrix product packs the weights itself, which pays from some rows on, and then runs with the widest
/// instructions that the machine has. It gives other bits than [`multiply`], so the choice between the two must not
/// depend on the number of rows. Its own bits do not: a test holds it to that.
pub(super) fn multiply_many(weight: &Array2<f32>, matrix: &Matrix, x: &[f32], out: &mut [f32]) {
    let rows = out.len() / matrix.columns();
    let x_view = ArrayView2::from_shape((rows, matrix.terms()), x);
    let out_view = ArrayViewMut2::from_shape((rows, matrix.columns()), &mut *out);
    let (Ok(x_view), Ok(mut out_view)) = (x_view, out_view) else { return multiply(matrix, x, out) };
    for mut row in out_view.outer_iter_mut() {
        row.iter_mut().zip(matrix.bias()).for_each(|(out, bias)| *out = *bias);
    }
    let blocks = x_view.axis_chunks_iter(Axis(1), MANY_BLOCK);
    for (x, weight) in blocks.zip(weight.axis_chunks_iter(Axis(1), MANY_BLOCK)) {
        general_mat_mul(1.0, &x, &weight.t(), 1.0, &mut out_view);
    }
}

/// One panel's sums for up to [`ROWS`] rows.
#[inline(always)]
fn pass(x: &[f32], terms: usize, panel: &[[f32; PANEL]], bias: &[f32; PANEL]) -> [[f32; PANEL]; ROWS] {
    let mut sums = [[0.0; PANEL]; ROWS];
    if x.len() == ROWS * terms {
        sums = rows(std::array::from_fn(|row| &x[row * terms..(row + 1) * terms]), panel, bias);
    } else {
        for (sums, x) in sums.iter_mut().zip(x.chunks_exact(terms)) {
            [*sums] = rows([x], panel, bias);
        }
    }
    sums
}

fn rows<const R: usize>(x: [&[f32]; R], panel: &[[f32; PANEL]], bias: &[f32; PANEL]) -> [[f32; PANEL]; R] {
    let mut total = [*bias; R];
    for (index, weights) in panel.chunks(BLOCK).enumerate() {
        let first = index * BLOCK;
        let x = x.map(|x| &x[first..first + weights.len()]);
        let mut sum = [[0.0; PANEL]; R];
        for (k, weights) in weights.iter().enumerate() {
            for (sum, x) in sum.iter_mut().zip(x) {
                let x = x[k];
                for (sum, weight) in sum.iter_mut().zip(weights) {
                    *sum += x * weight;
                }
            }
        }
        for (total, sum) in total.as_flattened_mut().iter_mut().zip(sum.as_flattened()) {
            *total += sum;
        }
    }
    total
}
