//! One direction of one layer over some rows of the batch, and the parts of its units.

use std::ops::Range;

use ndarray::{ArrayView3, ArrayViewMut2, ArrayViewMut3};

use super::pack::Direction;
use super::rows::Sorted;
use super::simd::{Block, Set};
use super::workspace::{PartSizes, PartSpace, Workspaces};
use crate::{Cell, Error};

/// The data that all parts of a task read.
pub(super) struct Task<'a> {
    pub(super) cell: Cell,
    pub(super) set: Set,
    pub(super) weights: &'a Direction,
    pub(super) workspaces: &'a Workspaces,
    pub(super) reverse: bool,
    /// `[rows, T, in]`.
    pub(super) input: ArrayView3<'a, f32>,
    /// The number of valid steps of each row.
    pub(super) lengths: &'a [usize],
    /// The largest number of steps of a row.
    pub(super) steps: usize,
    /// The number of steps whose input product is computed at once, at least 1.
    pub(super) chunk: usize,
}

/// The work that is complete for all parts before the next round begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Round {
    /// The input product of a chunk of steps.
    Input(Range<usize>),
    /// The first product of a step and the elementwise part after it. `start` is the first step of the
    /// chunk.
    First { start: usize, step: usize },
    /// The second product of a step, if it has two, and the elementwise part after it.
    Second { start: usize, step: usize },
}

impl Task<'_> {
    /// Returns the number of rounds of the task.
    pub(super) fn rounds(&self) -> usize {
        self.steps.div_ceil(self.chunk) + self.steps * self.weights.products()
    }

    /// Returns a round. Each chunk starts with its input product and continues with the products of each
    /// step.
    pub(super) fn round(&self, index: usize) -> Round {
        let products = self.weights.products();
        let chunk = 1 + self.chunk.min(self.steps) * products;
        let start = index / chunk * self.chunk;
        match (index % chunk).checked_sub(1) {
            None => Round::Input(start..self.steps.min(start + self.chunk)),
            Some(product) if product % products == 0 => {
                Round::First { start, step: start + product / products }
            }
            Some(product) => Round::Second { start, step: start + product / products },
        }
    }
}

/// Returns the bytes that one row takes for each step of a chunk if `members` threads share the units.
pub(super) fn step_bytes(weights: &Direction, members: usize) -> usize {
    weights.input.terms() * size_of::<f32>() + weights.input.panels().div_ceil(members) * size_of::<Block>()
}

/// The blocks of units of a part.
#[derive(Clone, Debug)]
pub(super) struct Share {
    /// The blocks of the H units.
    pub(super) units: Range<usize>,
    /// The blocks of the hidden state, which has fewer units if it is projected.
    pub(super) outputs: Range<usize>,
}

impl Share {
    /// Returns the share of part `part` of `parts`.
    pub(super) fn of(weights: &Direction, part: usize, parts: usize) -> Self {
        let share = |blocks: usize| blocks * part / parts..blocks * (part + 1) / parts;
        Share { units: share(weights.blocks()), outputs: share(weights.output_blocks()) }
    }
}

/// Some units of a task, with the arrays that belong only to them.
pub(super) struct Part<'a> {
    pub(super) share: Share,
    pub(super) space: PartSpace,
    /// `[rows, T, outputs]`; zero before the task.
    pub(super) output: ArrayViewMut3<'a, f32>,
    /// `[rows, outputs]`: the state before and after.
    pub(super) h: ArrayViewMut2<'a, f32>,
    /// `[rows, units]`, or `[rows, 0]` if the cell has no cell state.
    pub(super) c: ArrayViewMut2<'a, f32>,
}

impl<'a> Part<'a> {
    pub(super) fn new(
        task: &Task<'_>,
        share: Share,
        output: ArrayViewMut3<'a, f32>,
        h: ArrayViewMut2<'a, f32>,
        c: ArrayViewMut2<'a, f32>,
    ) -> Result<Self, Error> {
        let units = share.units.len();
        let space = task.workspaces.parts.take(|space: &mut PartSpace| {
            space.resize(&PartSizes {
                chunk: task.chunk,
                rows: task.lengths.len(),
                gates: units * task.cell.gates(),
                c: if task.cell.has_cell_state() { units } else { 0 },
                z: if task.weights.candidate.is_some() { units } else { 0 },
            })
        })?;
        Ok(Part { share, space, output, h, c })
    }

    /// Returns the part's panels of a matrix with all gates.
    pub(super) fn panels(&self, cell: Cell) -> Range<usize> {
        self.share.units.start * cell.gates()..self.share.units.end * cell.gates()
    }

    /// Returns the range of a step's gates in [`PartSpace::of_input`].
    pub(super) fn gates(&self, cell: Cell, rows: &Sorted, start: usize, step: usize) -> Range<usize> {
        let columns = self.panels(cell).len();
        let before = rows.live(start) * (step - start);
        before * columns..(before + rows.live(step)) * columns
    }
}
