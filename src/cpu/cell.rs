//! One time step: the recurrent product, and the elementwise part behind it while the sums are in the nearest cache.

use std::ops::Range;

use super::activation::{relu, sigmoid, tanh};
use super::functions::{Block, Functions};
use super::pack::{Matrix, PANEL};
use super::product::{Product, Rows};
use super::simd::{Instructions, Kernel, Level};
use crate::{Cell, Nonlinearity};

/// Rows whose sums are made before the elementwise part takes them.
const ROWS: usize = 24;

/// Blocks of units whose sums are made at once where a block has one panel or three, so that one row's tiles of four panels
/// leave no rest; an LSTM's block has four.
const BLOCKS: usize = 4;

/// The most panels whose sums are made at once: a GRU's.
const PANELS: usize = 3 * BLOCKS;

/// Elements that [`Step::sums`] must have.
pub(super) const SUMS: usize = ROWS * PANELS * PANEL;

/// One step of all rows. Every array is padded to whole blocks of units.
pub(super) struct Step<'a> {
    pub(super) instructions: Instructions,
    /// `weight_hh`, or some of its gates, and what is not folded of its bias.
    pub(super) matrix: &'a Matrix,
    /// Blocks of units to be computed; all arrays but `x` and `h` have these only.
    pub(super) blocks: Range<usize>,
    /// What the matrix multiplies.
    pub(super) x: Rows<'a>,
    /// The hidden state before the step.
    pub(super) h: Rows<'a>,
    /// `[rows, blocks, X]` blocks: the input's share of the gates, biases included.
    pub(super) of_input: &'a [f32],
    /// Room for [`SUMS`] elements.
    pub(super) sums: &'a mut [f32],
    /// `[rows, blocks]` blocks: the hidden state after the step, before a projection; or what a second product takes.
    pub(super) next: &'a mut [f32],
    /// `[rows, blocks]` blocks: the cell state before and after, what a first product leaves for a second one, or nothing.
    pub(super) c: &'a mut [f32],
}

impl Step<'_> {
    /// A cell whose step has one product.
    pub(super) fn run(self, cell: Cell, functions: Option<&Functions>) {
        match (cell, functions) {
            (Cell::Rnn(Nonlinearity::Tanh), None) => self.walk(&Tanh),
            (Cell::Rnn(Nonlinearity::Relu), None) => self.walk(&Relu),
            (Cell::Lstm, None) => self.walk(&Lstm),
            (Cell::Gru, None) => self.walk(&Gru),
            (Cell::Rnn(_), Some(functions)) => self.walk(&AnyRnn(functions)),
            (Cell::Lstm, Some(functions)) => self.walk(&AnyLstm(functions)),
            (Cell::Gru, Some(functions)) => self.walk(&AnyGru(functions)),
        }
    }

    pub(super) fn walk<A: Advance<G, X>, const G: usize, const X: usize>(mut self, cell: &A) {
        let size = if G == 4 { 1 } else { BLOCKS };
        // A group's weights are used for all rows before the next ones are read.
        for group in pieces(self.blocks.clone(), size) {
            for rows in pieces(0..self.next.len() / (self.blocks.len() * PANEL), ROWS) {
                self.instructions.run(Product {
                    matrix: self.matrix,
                    x: self.x,
                    rows: rows.clone(),
                    panels: group.start * G..group.end * G,
                    out: self.sums,
                    stride: group.len() * G * PANEL,
                });
                let (instructions, step, group) = (self.instructions, &mut self, group.clone());
                instructions.run(Elementwise::<A, G, X> { step, rows, group, cell });
            }
        }
    }
}

/// The elementwise part of some rows and blocks, whose sums are there.
struct Elementwise<'a, 'b, A, const G: usize, const X: usize> {
    step: &'a mut Step<'b>,
    rows: Range<usize>,
    group: Range<usize>,
    cell: &'a A,
}

impl<A: Advance<G, X>, const G: usize, const X: usize> Kernel for Elementwise<'_, '_, A, G, X> {
    #[inline(always)]
    fn run<L: Level>(self) {
        let Elementwise { rows, group, cell, .. } = self;
        let Step { blocks, h, of_input, sums, next, c, .. } = self.step;
        let of_input = of_input.as_chunks::<PANEL>().0.as_chunks::<X>().0;
        let of_hidden = sums.as_chunks::<PANEL>().0.as_chunks::<G>().0.chunks_exact(group.len());
        let next = next.as_chunks_mut::<PANEL>().0;
        let c = c.as_chunks_mut::<PANEL>().0;
        for (row, of_hidden) in rows.zip(of_hidden) {
            for (block, of_hidden) in group.clone().zip(of_hidden) {
                let at = row * blocks.len() + block - blocks.start;
                if A::TAKES_STATE {
                    let before = &h.values[row * h.stride + block * PANEL..][..PANEL];
                    next[at].copy_from_slice(before);
                }
                let (x, c, state) = (&of_input[at], c.get_mut(at), &mut next[at]);
                cell.advance::<L>(At { block, x, h: of_hidden, c, state });
            }
        }
    }
}

/// A range in pieces of `size`.
#[inline(always)]
fn pieces(range: Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(size).map(move |start| start..end.min(start + size))
}

/// A block of one row at one step.
pub(super) struct At<'a, const G: usize, const X: usize = G> {
    pub(super) block: usize,
    /// The input's share of the gates, and the product's.
    pub(super) x: &'a [Block; X],
    pub(super) h: &'a [Block; G],
    /// As [`Step::c`], if there is one.
    pub(super) c: Option<&'a mut Block>,
    /// The hidden state: the old one, if it takes part, and the new one.
    pub(super) state: &'a mut Block,
}

/// The elementwise part of a cell with X gates behind the product of G of them.
pub(super) trait Advance<const G: usize, const X: usize = G> {
    /// Whether the old hidden state takes part.
    const TAKES_STATE: bool = false;

    /// One step of one block.
    fn advance<L: Level>(&self, at: At<'_, G, X>);
}

struct Tanh;
struct Relu;
struct Lstm;
struct Gru;

impl Advance<1> for Tanh {
    #[inline(always)]
    fn advance<L: Level>(&self, At { x, h, state, .. }: At<'_, 1>) {
        for unit in 0..PANEL {
            state[unit] = tanh::<L>(x[0][unit] + h[0][unit]);
        }
    }
}

impl Advance<1> for Relu {
    #[inline(always)]
    fn advance<L: Level>(&self, At { x, h, state, .. }: At<'_, 1>) {
        for unit in 0..PANEL {
            state[unit] = relu(x[0][unit] + h[0][unit]);
        }
    }
}

impl Advance<4> for Lstm {
    #[inline(always)]
    fn advance<L: Level>(&self, At { x, h, c, state, .. }: At<'_, 4>) {
        let Some(c) = c else { return };
        for unit in 0..PANEL {
            let i = sigmoid::<L>(x[0][unit] + h[0][unit]);
            let f = sigmoid::<L>(x[1][unit] + h[1][unit]);
            let g = tanh::<L>(x[2][unit] + h[2][unit]);
            let o = sigmoid::<L>(x[3][unit] + h[3][unit]);
            let next = f * c[unit] + i * g;
            c[unit] = next;
            state[unit] = o * tanh::<L>(next);
        }
    }
}

impl Advance<3> for Gru {
    const TAKES_STATE: bool = true;

    #[inline(always)]
    fn advance<L: Level>(&self, At { x, h, state, .. }: At<'_, 3>) {
        for unit in 0..PANEL {
            let r = sigmoid::<L>(x[0][unit] + h[0][unit]);
            let z = sigmoid::<L>(x[1][unit] + h[1][unit]);
            let n = tanh::<L>(x[2][unit] + r * h[2][unit]);
            state[unit] = (1.0 - z) * n + z * state[unit];
        }
    }
}

/// The cells with any functions.
struct AnyRnn<'a>(&'a Functions);
struct AnyLstm<'a>(&'a Functions);
struct AnyGru<'a>(&'a Functions);

#[inline(always)]
pub(super) fn sum(x: &Block, h: &Block) -> Block {
    std::array::from_fn(|unit| x[unit] + h[unit])
}

impl Advance<1> for AnyRnn<'_> {
    #[inline(always)]
    fn advance<L: Level>(&self, At { x, h, state, .. }: At<'_, 1>) {
        *state = sum(&x[0], &h[0]);
        self.0.f::<L>(state);
    }
}

impl Advance<4> for AnyLstm<'_> {
    #[inline(always)]
    fn advance<L: Level>(&self, At { block, x, h, c, state }: At<'_, 4>) {
        let (Some(c), functions) = (c, self.0) else { return };
        let [mut i, mut f, mut g, mut o] = std::array::from_fn(|gate| sum(&x[gate], &h[gate]));
        functions.peep(&mut i, block, 0, c);
        functions.f::<L>(&mut i);
        if functions.input_forget {
            f = i.map(|i| 1.0 - i);
        } else {
            functions.peep(&mut f, block, 1, c);
            functions.f::<L>(&mut f);
        }
        functions.g::<L>(&mut g);
        for unit in 0..PANEL {
            c[unit] = f[unit] * c[unit] + i[unit] * g[unit];
        }
        functions.peep(&mut o, block, 2, c);
        functions.f::<L>(&mut o);
        *state = *c;
        functions.h::<L>(state);
        for unit in 0..PANEL {
            state[unit] *= o[unit];
        }
    }
}

impl Advance<3> for AnyGru<'_> {
    const TAKES_STATE: bool = true;

    #[inline(always)]
    fn advance<L: Level>(&self, At { x, h, state, .. }: At<'_, 3>) {
        let [mut r, mut z] = std::array::from_fn(|gate| sum(&x[gate], &h[gate]));
        self.0.f::<L>(&mut r);
        self.0.f::<L>(&mut z);
        let mut n: Block = std::array::from_fn(|unit| x[2][unit] + r[unit] * h[2][unit]);
        self.0.g::<L>(&mut n);
        for unit in 0..PANEL {
            state[unit] = (1.0 - z[unit]) * n[unit] + z[unit] * state[unit];
        }
    }
}
