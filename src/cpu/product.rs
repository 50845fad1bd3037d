//! `X·Wᵀ + b` with packed weights. The summation order depends only on the number of terms.
//!
//! The same product serves the input of many steps and the recurrent step of a few rows. `gemm` and
//! `matrixmultiply` pack both matrices at each call, which is too slow for a step. `rten-gemm` packs weights
//! ahead of time, but its summation order for one row differs from that for several rows, so that a row's
//! bits would depend on its batch. The table has GFLOP/s of one thread on an AMD EPYC (Zen 3, AVX2): the
//! best of three processes, each of which reports the fastest of nine runs.
//!
//! | rows, terms, columns | these loops | `gemm` 0.19 | `matrixmultiply` 0.3 |
//! |---|---:|---:|---:|
//! | 512, 512, 2048 (input) | 84 | 89 | 78 |
//! | 32, 512, 1024 (step) | 90 | 60 | 60 |
//! | 16, 512, 2048 (step) | 90 | 43 | 47 |
//! | 8, 256, 512 (step) | 85 | 29 | 32 |
//! | 4, 256, 1024 (step) | 82 | 19 | 16 |

use std::ops::Range;

use fearless_simd::prelude::*;

use super::pack::Matrix;
use super::simd::{self, BLOCK_TERMS, Block, Kernel, Set, Tiles, Vector, tile_rows, tile_terms};

/// The number of rows for which a panel is used before the next one is read. Their terms and the panel stay
/// in the second-level cache.
const ROWS: usize = 96;

/// Rows of `X`, one after the other in memory.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) values: &'a [f32],
    /// The number of elements from one row to the next, at least the number of terms of the matrix.
    pub(super) stride: usize,
}

/// Computes `out [rows, columns] = x · Wᵀ + b` for the columns of some panels.
///
/// A row's bits do not depend on the other rows: each sum runs over the terms in order, in blocks of
/// [`BLOCK_TERMS`], however many rows and panels are computed at once.
pub(super) fn multiply(set: Set, matrix: &Matrix, panels: Range<usize>, x: Rows<'_>, out: &mut [Block]) {
    let stride = panels.len();
    for (first, out) in (0..).step_by(ROWS).zip(out.chunks_mut(ROWS * stride)) {
        let rows = first..first + out.len() / stride;
        set.run(Product { matrix, x, rows, panels: panels.clone(), out, stride });
    }
}

/// A product: the sums of some panels for some rows.
pub(super) struct Product<'a> {
    pub(super) matrix: &'a Matrix,
    pub(super) x: Rows<'a>,
    pub(super) rows: Range<usize>,
    pub(super) panels: Range<usize>,
    /// The sums; the first block has the first row's first sums.
    pub(super) out: &'a mut [Block],
    /// The number of blocks of `out` from one row to the next.
    pub(super) stride: usize,
}

impl Kernel for Product<'_> {
    /// Computes all rows in tiles whose heights differ by at most one, so that no tile has too few rows to
    /// keep the arithmetic units busy.
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let rows = self.rows.clone();
        let tiles = rows.len().div_ceil(tile_rows::<S>()).max(1);
        let (height, higher) = (rows.len() / tiles, rows.len() % tiles);
        let middle = rows.start + higher * (height + 1);
        if higher > 0 {
            simd::tiles(simd, height + 1, Part { product: &mut self, rows: rows.start..middle });
        }
        simd::tiles(simd, height, Part { product: &mut self, rows: middle..rows.end });
    }
}

/// The rows of a product that form a whole number of tiles.
struct Part<'a, 'b> {
    product: &'a mut Product<'b>,
    rows: Range<usize>,
}

impl Tiles for Part<'_, '_> {
    #[inline(always)]
    fn tile<S: Simd, const ROWS: usize, const PANELS: usize, const FEWER: usize>(mut self, simd: S) {
        let mut panels = self.product.panels.clone();
        while panels.len() >= PANELS {
            self.tiles::<S, ROWS, PANELS>(simd, panels.start);
            panels.start += PANELS;
        }
        while panels.len() >= FEWER {
            self.tiles::<S, ROWS, FEWER>(simd, panels.start);
            panels.start += FEWER;
        }
        for panel in panels {
            self.tiles::<S, ROWS, 1>(simd, panel);
        }
    }
}

impl Part<'_, '_> {
    /// Computes the sums of `PANELS` panels for `ROWS` rows at once.
    ///
    /// Each tile has its own function, so that the compiler can use all registers for it, and its machine
    /// code can be found by its name (`tools/cpu-code`).
    #[inline(never)]
    fn tiles<S: Simd, const ROWS: usize, const PANELS: usize>(&mut self, simd: S, panel: usize) {
        simd.vectorize(
            #[inline(always)]
            || {
                let Product { matrix, x, rows, panels, out, stride } = &mut *self.product;
                let terms = matrix.terms();
                let weights: [_; PANELS] = std::array::from_fn(
                    #[inline(always)]
                    |index| matrix.panel(panel + index),
                );
                for depth in (0..terms).step_by(tile_terms::<S>()) {
                    let end = terms.min(depth + tile_terms::<S>());
                    for row in self.rows.clone().step_by(ROWS) {
                        let x: [_; ROWS] = std::array::from_fn(
                            #[inline(always)]
                            |index| &x.values[(row + index) * x.stride..][..terms],
                        );
                        let out = &mut out[(row - rows.start) * *stride + panel - panels.start..];
                        for first in (depth..end).step_by(BLOCK_TERMS) {
                            let block = first..end.min(first + BLOCK_TERMS);
                            add_block::<S, ROWS, PANELS>(simd, &x, &weights, block, out, *stride);
                        }
                    }
                }
            },
        );
    }
}

/// Adds the sums of one block of terms to those of the blocks before it, or to the bias.
#[inline(always)]
fn add_block<S: Simd, const ROWS: usize, const PANELS: usize>(
    simd: S,
    x: &[&[f32]; ROWS],
    weights: &[(&Block, &[Block]); PANELS],
    block: Range<usize>,
    out: &mut [Block],
    stride: usize,
) {
    let is_first = block.start == 0;
    let sums = block_sums(simd, x, weights, block);
    for row in 0..ROWS {
        let out = &mut out[row * stride..][..PANELS];
        for panel in 0..PANELS {
            let before = if is_first { weights[panel].0 } else { &out[panel] };
            out[panel].store(before.load(simd) + sums[row][panel]);
        }
    }
}

#[inline(always)]
fn block_sums<S: Simd, const ROWS: usize, const PANELS: usize>(
    simd: S,
    x: &[&[f32]; ROWS],
    weights: &[(&Block, &[Block]); PANELS],
    block: Range<usize>,
) -> [[Vector<S>; PANELS]; ROWS] {
    // The slices have the same length, so that the loop has no bounds checks.
    let terms = block.len();
    let mut x_block: [&[f32]; ROWS] = [&[]; ROWS];
    for row in 0..ROWS {
        x_block[row] = &x[row][block.start..][..terms];
    }
    let mut weights_block: [&[Block]; PANELS] = [&[]; PANELS];
    for panel in 0..PANELS {
        weights_block[panel] = &weights[panel].1[block.start..][..terms];
    }
    let mut sums = [[Vector::splat(simd, 0.0); PANELS]; ROWS];
    for k in 0..terms {
        add_term(simd, &x_block, &weights_block, k, &mut sums);
    }
    sums
}

/// Adds the products of one term. It first loads and holds the weights or the inputs, whichever are fewer.
#[inline(always)]
fn add_term<S: Simd, const ROWS: usize, const PANELS: usize>(
    simd: S,
    x: &[&[f32]; ROWS],
    weights: &[&[Block]; PANELS],
    k: usize,
    sums: &mut [[Vector<S>; PANELS]; ROWS],
) {
    if ROWS < 4 {
        let x: [_; ROWS] = std::array::from_fn(
            #[inline(always)]
            |row| Vector::splat(simd, x[row][k]),
        );
        for panel in 0..PANELS {
            let weights = weights[panel][k].load(simd);
            for row in 0..ROWS {
                sums[row][panel] = x[row].mul_add(weights, sums[row][panel]);
            }
        }
    } else {
        let weights: [_; PANELS] = std::array::from_fn(
            #[inline(always)]
            |panel| weights[panel][k].load(simd),
        );
        for row in 0..ROWS {
            let x = Vector::splat(simd, x[row][k]);
            for panel in 0..PANELS {
                sums[row][panel] = x.mul_add(weights[panel], sums[row][panel]);
            }
        }
    }
}
