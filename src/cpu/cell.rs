//! One time step: the recurrent product, and the elementwise part right after it while the sums are in the
//! nearest cache.

use std::ops::Range;

use fearless_simd::prelude::*;

use super::activation::{Functions, Relu, Sigmoid, Tanh};
use super::pack::Matrix;
use super::product::{Product, Rows};
use super::simd::{Block, Kernel, Set, Vector};
use super::variant::VariantFunctions;
use crate::Cell;

/// The number of rows whose sums are computed before the elementwise part reads them.
const ROWS: usize = 24;

/// The number of panels whose sums are computed at once, if there are enough: a multiple of every cell's
/// number of gates and of the panels of the tiles for one row.
const PANELS: usize = 12;

/// The number of blocks that [`Step::sums`] must have.
pub(super) const SUMS: usize = ROWS * PANELS;

/// One product of a step and the elementwise part after it, for some units of all rows. Every array is
/// padded to whole blocks of units.
pub(super) struct Step<'a> {
    pub(super) set: Set,
    pub(super) rows: usize,
    /// `weight_hh`, or some of its gates, and the part of its bias that is not folded into the input
    /// product.
    pub(super) matrix: &'a Matrix,
    /// The blocks of units to compute.
    pub(super) blocks: Range<usize>,
    /// If true, the last units are computed first. Every other step does so. It then begins with the weights
    /// that the step before it used last, because the caches still hold them.
    pub(super) backward: bool,
    /// The vectors that the matrix multiplies.
    pub(super) x: Rows<'a>,
    /// `[rows, width]`: the hidden state before the step.
    pub(super) h: &'a [Block],
    /// `[rows, blocks, X]`: the input product, biases included.
    pub(super) of_input: &'a [Block],
    /// Room for [`SUMS`] blocks.
    pub(super) sums: &'a mut [Block],
    /// `[rows, width]`: the hidden state after the step, before a projection; or the vectors that the second
    /// product multiplies.
    pub(super) next: &'a mut [Block],
    /// The number of blocks of all units.
    pub(super) width: usize,
    /// `[rows, blocks]`: the cell state before and after the step, or a value that the first product stores
    /// for the second one, or empty.
    pub(super) c: &'a mut [Block],
}

impl Step<'_> {
    /// Runs the step of a cell with one product.
    pub(super) fn run(self, cell: Cell, functions: Option<&VariantFunctions>) {
        match (cell, functions) {
            (Cell::RnnTanh, None) => self.walk(&Rnn(&Tanh)),
            (Cell::RnnRelu, None) => self.walk(&Rnn(&Relu)),
            (Cell::Lstm, None) => self.walk(&Lstm(&Sigmoid)),
            (Cell::Gru, None) => self.walk(&Gru(&Sigmoid)),
            (Cell::RnnTanh | Cell::RnnRelu, Some(functions)) => self.walk(&Rnn(functions)),
            (Cell::Lstm, Some(functions)) => self.walk(&Lstm(functions)),
            (Cell::Gru, Some(functions)) => self.walk(&Gru(functions)),
        }
    }

    pub(super) fn walk<A: Advance<G, X>, const G: usize, const X: usize>(mut self, cell: &A) {
        // A group's weights are used for all rows before the next group's are read.
        let mut groups = pieces(self.blocks.clone(), PANELS / G);
        while let Some(group) = if self.backward { groups.next_back() } else { groups.next() } {
            for rows in pieces(0..self.rows, ROWS) {
                self.set.run(Product {
                    matrix: self.matrix,
                    x: self.x,
                    rows: rows.clone(),
                    panels: group.start * G..group.end * G,
                    out: self.sums,
                    stride: group.len() * G,
                });
                let (set, step, group) = (self.set, &mut self, group.clone());
                set.run(Elementwise::<A, G, X> { step, rows, group, cell });
            }
        }
    }
}

/// The elementwise part of some rows and blocks whose sums are complete.
struct Elementwise<'a, 'b, A, const G: usize, const X: usize> {
    step: &'a mut Step<'b>,
    rows: Range<usize>,
    group: Range<usize>,
    cell: &'a A,
}

impl<A: Advance<G, X>, const G: usize, const X: usize> Kernel for Elementwise<'_, '_, A, G, X> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Elementwise { rows, group, cell, .. } = self;
        let Step { blocks, h, of_input, sums, next, width, c, .. } = self.step;
        let of_input = of_input.as_chunks::<X>().0;
        let of_hidden = sums.as_chunks::<G>().0.chunks_exact(group.len());
        for (row, of_hidden) in rows.zip(of_hidden) {
            for (block, of_hidden) in group.clone().zip(of_hidden) {
                let (at, unit) = (row * blocks.len() + block - blocks.start, row * *width + block);
                let zero = Block::default();
                let now = At {
                    block,
                    x: load(simd, &of_input[at]),
                    h: load(simd, of_hidden),
                    c: if A::HAS_C { &c[at] } else { &zero }.load(simd),
                    state: if A::TAKES_STATE { &h[unit] } else { &zero }.load(simd),
                };
                let (state, new_c) = cell.advance(now);
                next[unit].store(state);
                if A::HAS_C {
                    c[at].store(new_c);
                }
            }
        }
    }
}

#[inline(always)]
fn load<S: Simd, const N: usize>(simd: S, blocks: &[Block; N]) -> [Vector<S>; N] {
    std::array::from_fn(
        #[inline(always)]
        |index| blocks[index].load(simd),
    )
}

/// Splits a range into pieces of `size`.
#[inline(always)]
fn pieces(
    range: Range<usize>,
    size: usize,
) -> impl ExactSizeIterator<Item = Range<usize>> + DoubleEndedIterator {
    let end = range.end;
    range.step_by(size).map(move |start| start..end.min(start + size))
}

/// A block of one row at one step.
pub(super) struct At<S: Simd, const G: usize, const X: usize = G> {
    pub(super) block: usize,
    /// The input product and the recurrent product of each gate.
    pub(super) x: [Vector<S>; X],
    pub(super) h: [Vector<S>; G],
    /// Like [`Step::c`], or zero.
    pub(super) c: Vector<S>,
    /// The old hidden state if [`Advance::TAKES_STATE`], else zero.
    pub(super) state: Vector<S>,
}

impl<S: Simd, const G: usize, const X: usize> At<S, G, X> {
    /// Returns the sum of both products of a gate.
    #[inline(always)]
    pub(super) fn sum(&self, gate: usize) -> Vector<S> {
        self.x[gate] + self.h[gate]
    }
}

/// The elementwise part of a cell with X gates, after the product for G of them.
pub(super) trait Advance<const G: usize, const X: usize = G> {
    /// Whether the elementwise part reads the old hidden state.
    const TAKES_STATE: bool = false;
    /// Whether the cell uses [`Step::c`].
    const HAS_C: bool = false;

    /// Computes one step of one block. Returns the new hidden state, and the new [`Step::c`] if the cell
    /// uses it.
    fn advance<S: Simd>(&self, at: At<S, G, X>) -> (Vector<S>, Vector<S>);
}

struct Rnn<'a, F>(&'a F);
struct Lstm<'a, F>(&'a F);
struct Gru<'a, F>(&'a F);

impl<F: Functions> Advance<1> for Rnn<'_, F> {
    #[inline(always)]
    fn advance<S: Simd>(&self, at: At<S, 1>) -> (Vector<S>, Vector<S>) {
        (self.0.f(at.sum(0)), at.c)
    }
}

impl<F: Functions> Advance<4> for Lstm<'_, F> {
    const HAS_C: bool = true;

    #[inline(always)]
    fn advance<S: Simd>(&self, at: At<S, 4>) -> (Vector<S>, Vector<S>) {
        let functions = self.0;
        let i = functions.f(functions.peep(at.sum(0), at.block, 0, at.c));
        let f = if functions.input_forget() {
            Vector::splat(i.simd, 1.0) - i
        } else {
            functions.f(functions.peep(at.sum(1), at.block, 1, at.c))
        };
        let c = f * at.c + i * functions.g(at.sum(2));
        let o = functions.f(functions.peep(at.sum(3), at.block, 2, c));
        (o * functions.h(c), c)
    }
}

impl<F: Functions> Advance<3> for Gru<'_, F> {
    const TAKES_STATE: bool = true;

    #[inline(always)]
    fn advance<S: Simd>(&self, at: At<S, 3>) -> (Vector<S>, Vector<S>) {
        let [r, z] = [self.0.f(at.sum(0)), self.0.f(at.sum(1))];
        let n = self.0.g(at.x[2] + r * at.h[2]);
        (mix(z, at.state, n), at.c)
    }
}

/// Returns a GRU's new state, `(1 - z) * n + z * h`.
#[inline(always)]
pub(super) fn mix<S: Simd>(z: Vector<S>, h: Vector<S>, n: Vector<S>) -> Vector<S> {
    (Vector::splat(z.simd, 1.0) - z) * n + z * h
}
