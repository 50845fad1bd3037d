//! `X·Wᵀ + b` with a summation order that depends on nothing but the number of terms.

use super::pack::{Matrix, PANEL};

/// Rows of X that share a pass over a panel.
const ROWS: usize = 2;

/// Terms that are summed before they join the total: rounding then grows with the square root of two short sums
/// instead of one long one.
const BLOCK: usize = 32;

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
