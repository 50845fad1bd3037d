//! `X·Wᵀ + b` with packed weights, in a summation order that depends on nothing but the number of terms.
//!
//! One product for the input of many steps and for the recurrent step of a few rows. `gemm` and `matrixmultiply` pack both
//! matrices at each call, which a step cannot afford. `rten-gemm` packs weights ahead, but sums in another order for one row
//! than for several, and a row's bits would then depend on its batch. For the input none is faster by much (GFLOP/s of one
//! thread, CPU time, the best of two or three runs on a busy Zen 3):
//!
//! | rows, terms, columns | these loops | `gemm` 0.19 | `matrixmultiply` 0.3 | `rten-gemm` 0.27 |
//! |---|---:|---:|---:|---:|
//! | 2048, 512, 2048 (input) | 76 | 79 | 71 | 76 |
//! | 1600, 80, 1024 (input) | 73 | 76 | 69 | 72 |
//! | 6400, 20, 256 (input) | 64 | 68 | 58 | 59 |
//! | 32, 512, 2048 (step) | 82 | 53 | 55 | 76 |
//! | 8, 256, 1024 (step) | 78 | 26 | 29 | 65 |
//! | 1, 256, 1024 (step) | 33 | 29 | 4 | 20 |

use std::ops::Range;

use super::pack::{Matrix, PANEL};
use super::simd::{Instructions, Kernel, Level, Tiles};

/// Terms that are summed in registers before they join the total: rounding then grows with the square root of two short
/// sums instead of one long one.
const BLOCK: usize = 64;

/// Terms of a panel that are used for all rows before the next ones are read, a multiple of [`BLOCK`]: what the nearest caches
/// hold. Without a bound 64 rows of 1024 terms take 1.07 to 1.16 times as long.
const DEPTH: usize = 512;

/// Rows for which a panel is used before the next one is read: their terms stay in the second-level cache, and so does
/// the panel.
const ROWS: usize = 96;

/// Rows of `X`, one behind the other in memory.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) values: &'a [f32],
    /// Elements from one row to the next, at least as many as the matrix has terms.
    pub(super) stride: usize,
}

/// `out [rows, columns] = x · Wᵀ + b`, for the columns of some panels.
///
/// A row's bits do not depend on the other rows: each sum runs over the terms in order, in blocks of [`BLOCK`],
/// however many rows and panels are computed at once.
pub(super) fn multiply(
    instructions: Instructions,
    matrix: &Matrix,
    panels: Range<usize>,
    x: Rows<'_>,
    out: &mut [f32],
) {
    let stride = panels.len() * PANEL;
    for (first, out) in (0..).step_by(ROWS).zip(out.chunks_mut(ROWS * stride)) {
        let rows = first..first + out.len() / stride;
        instructions.run(Product { matrix, x, rows, panels: panels.clone(), out, stride });
    }
}

/// The sums of some panels for some rows.
pub(super) struct Product<'a> {
    pub(super) matrix: &'a Matrix,
    pub(super) x: Rows<'a>,
    pub(super) rows: Range<usize>,
    pub(super) panels: Range<usize>,
    /// The first row's first sum is the first element.
    pub(super) out: &'a mut [f32],
    /// Elements of `out` from one row to the next.
    pub(super) stride: usize,
}

impl Kernel for Product<'_> {
    /// All rows, in tiles whose heights differ by one at most, so that none is left with too few rows to keep the
    /// arithmetic units busy.
    #[inline(always)]
    fn run<L: Level>(mut self) {
        let rows = self.rows.clone();
        let tiles = rows.len().div_ceil(L::ROWS).max(1);
        let (height, higher) = (rows.len() / tiles, rows.len() % tiles);
        let middle = rows.start + higher * (height + 1);
        if higher > 0 {
            L::tiles(height + 1, Part { product: &mut self, rows: rows.start..middle });
        }
        L::tiles(height, Part { product: &mut self, rows: middle..rows.end });
    }
}

/// Rows of a product that are a whole number of tiles.
struct Part<'a, 'b> {
    product: &'a mut Product<'b>,
    rows: Range<usize>,
}

impl Tiles for Part<'_, '_> {
    #[inline(always)]
    fn tile<L: Level, const ROWS: usize, const PANELS: usize>(mut self) {
        let mut panels = self.product.panels.clone();
        while panels.len() >= PANELS {
            self.rows::<L, ROWS, PANELS>(panels.start);
            panels.start += PANELS;
        }
        for panel in panels {
            self.rows::<L, ROWS, 1>(panel);
        }
    }
}

impl Part<'_, '_> {
    /// The sums of `PANELS` panels, for `ROWS` rows at once.
    #[inline(always)]
    fn rows<L: Level, const ROWS: usize, const PANELS: usize>(&mut self, panel: usize) {
        let Product { matrix, x, rows, panels, out, stride } = &mut *self.product;
        let terms = matrix.terms();
        // Arrays are filled in loops here and below: `map` and `from_fn` are not always inlined, and what is behind a call
        // is not vectorised.
        let mut bias = [[0.0; PANEL]; PANELS];
        let mut weights: [&[[f32; PANEL]]; PANELS] = [&[]; PANELS];
        for index in 0..PANELS {
            let (values, terms) = matrix.panel(panel + index);
            (bias[index], weights[index]) = (*values, terms);
        }
        for depth in (0..terms).step_by(DEPTH) {
            let end = terms.min(depth + DEPTH);
            for row in self.rows.clone().step_by(ROWS) {
                let at = (row - rows.start) * *stride + (panel - panels.start) * PANEL;
                let mut x_rows: [&[f32]; ROWS] = [&[]; ROWS];
                let mut total = [bias; ROWS];
                for index in 0..ROWS {
                    x_rows[index] = &x.values[(row + index) * x.stride..][..terms];
                    if depth > 0 {
                        let out = &out[at + index * *stride..][..PANELS * PANEL];
                        total[index].as_flattened_mut().copy_from_slice(out);
                    }
                }
                for first in (depth..end).step_by(BLOCK) {
                    add_block::<L, ROWS, PANELS>(
                        &x_rows,
                        &weights,
                        first..end.min(first + BLOCK),
                        &mut total,
                    );
                }
                for (index, sums) in total.iter().enumerate() {
                    let out = &mut out[at + index * *stride..][..PANELS * PANEL];
                    out.copy_from_slice(sums.as_flattened());
                }
            }
        }
    }
}

/// A vector of columns for each row and panel.
type Sums<const ROWS: usize, const PANELS: usize> = [[[f32; PANEL]; PANELS]; ROWS];

/// Adds the sums of one block of terms.
#[inline(always)]
fn add_block<L: Level, const ROWS: usize, const PANELS: usize>(
    x: &[&[f32]; ROWS],
    weights: &[&[[f32; PANEL]]; PANELS],
    block: Range<usize>,
    total: &mut Sums<ROWS, PANELS>,
) {
    // Slices of one length, so that the loop has no bounds to check.
    let terms = block.len();
    let mut x_block: [&[f32]; ROWS] = [&[]; ROWS];
    for row in 0..ROWS {
        x_block[row] = &x[row][block.start..][..terms];
    }
    let mut weights_block: [&[[f32; PANEL]]; PANELS] = [&[]; PANELS];
    for panel in 0..PANELS {
        weights_block[panel] = &weights[panel][block.start..][..terms];
    }
    let mut sums = [[[0.0; PANEL]; PANELS]; ROWS];
    for k in 0..terms {
        for row in 0..ROWS {
            for panel in 0..PANELS {
                for lane in 0..PANEL {
                    let sum = &mut sums[row][panel][lane];
                    *sum = L::mul_add(x_block[row][k], weights_block[panel][k][lane], *sum);
                }
            }
        }
    }
    for row in 0..ROWS {
        for panel in 0..PANELS {
            for lane in 0..PANEL {
                total[row][panel][lane] += sums[row][panel][lane];
            }
        }
    }
}
