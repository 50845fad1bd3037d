//! All directions of one layer over the whole batch, split into tasks for threads.

#[cfg_attr(target_arch = "wasm32", path = "pass/one_thread.rs")]
mod threads;

use std::ops::Range;

use ndarray::{ArrayView3, ArrayViewMut, ArrayViewMut2, ArrayViewMut3, Axis, Dimension, Slice};

use super::job::Job;
use super::pack::Direction;
use super::simd::{PANEL, Set, tile_panels};
use super::task::{Part, Share, Task, step_bytes};
use super::worker::run_alone;
use super::workspace::Workspaces;
use crate::{Config, Error};
use threads::run_jobs;

/// The number of rows per thread below which reading all weights would limit each thread. With fewer rows,
/// threads share the units of all rows, whatever the exchange costs.
const FEW_ROWS: usize = 4;

/// The multiply-adds per element of the state and per thread from which the exchange of the state costs a
/// few percent at most. Threads then also share units.
const EXCHANGE: usize = 512;

/// The minimum work of a team, in steps of the least shared work. Less work is complete before another
/// thread arrives.
const STEPS: usize = 256;

/// The minimum work of a part, in multiples of the least shared work, so that claiming a part costs little.
const PART: usize = 8;

/// The maximum number of parts per thread. If one of two threads runs at half the speed of the other, with two
/// parts per thread it computes one part and the other three. With more, threads take parts from each other more often, and the weights of such a
/// part are in the other core's cache: with eight, an LSTM of 256 units and 8 rows takes 1.2 times as long on
/// two threads (AMD EPYC, Zen 4).
const PARTS: usize = 2;

/// The way to split a forward pass. The result does not depend on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    /// The bytes that a task may use for a chunk of the input and of the gates.
    pub(super) budget: usize,
    /// The number of tasks that can run at once.
    pub(super) threads: usize,
    /// The multiply-adds of a step from which another thread pays. With fewer, the exchange after each step
    /// costs more than it gains.
    pub(super) shared: usize,
}

/// How a pass is divided into jobs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Division {
    /// Threads that share the units of each direction.
    members: usize,
    /// Parts of the units of each direction.
    parts: usize,
    /// Rows of a task.
    rows: usize,
    /// [`Cut::budget`].
    budget: usize,
}

pub(super) struct Pass<'a> {
    pub(super) config: Config,
    pub(super) set: Set,
    pub(super) workspaces: &'a Workspaces,
    pub(super) weights: &'a [Direction],
    /// `[N, T, in]`.
    pub(super) input: ArrayView3<'a, f32>,
    pub(super) lengths: &'a [usize],
}

impl Pass<'_> {
    /// Runs the layer. `output [N, T, D*H_out]` must be zero; `h [D, N, H_out]` and `c [D, N, H]` are the
    /// state before and after.
    pub(super) fn run(
        &self,
        output: ArrayViewMut3<'_, f32>,
        mut h: ArrayViewMut3<'_, f32>,
        mut c: ArrayViewMut3<'_, f32>,
        cut: Cut,
    ) -> Result<(), Error> {
        let (rows, division) = (self.lengths.len(), self.divide(cut));
        if let ([weights], 1, true) = (self.weights, division.members, division.rows >= rows) {
            let task = self.task(0, weights, 0..rows, division);
            let (h, c) = (h.index_axis_mut(Axis(0), 0), c.index_axis_mut(Axis(0), 0));
            let part = Part::new(&task, Share::of(weights, 0, 1), output, h, c)?;
            return run_alone(&task, part);
        }
        let jobs = self.jobs(output, &mut h, &mut c, division)?;
        let result = run_jobs(&jobs, cut.threads);
        jobs.into_iter().for_each(Job::finish);
        result
    }

    /// Returns a job for each direction and block of rows.
    pub(super) fn jobs<'a>(
        &'a self,
        mut output: ArrayViewMut3<'a, f32>,
        h: &'a mut ArrayViewMut3<'_, f32>,
        c: &'a mut ArrayViewMut3<'_, f32>,
        division: Division,
    ) -> Result<Vec<Job<'a>>, Error> {
        let Division { members, parts: count, rows, .. } = division;
        let mut jobs = Vec::new();
        let states = h.outer_iter_mut().zip(c.outer_iter_mut());
        for (direction, (weights, (mut h, mut c))) in self.weights.iter().zip(states).enumerate() {
            let mut own_output;
            (own_output, output) = take(output, Axis(2), self.config.hidden_output_size());
            for start in (0..self.lengths.len()).step_by(rows) {
                let (part_output, part_h, part_c);
                (part_output, own_output) = take(own_output, Axis(0), rows);
                (part_h, h) = take(h, Axis(0), rows);
                (part_c, c) = take(c, Axis(0), rows);
                let task =
                    self.task(direction, weights, start..self.lengths.len().min(start + rows), division);
                let parts = parts(&task, count, part_output, part_h, part_c)?;
                jobs.push(Job::new(task, parts, members)?);
            }
        }
        Ok(jobs)
    }

    fn task<'a>(
        &'a self,
        direction: usize,
        weights: &'a Direction,
        rows: Range<usize>,
        division: Division,
    ) -> Task<'a> {
        let lengths = &self.lengths[rows.clone()];
        let steps = lengths.iter().copied().max().unwrap_or(0);
        let step = step_bytes(weights, division.members).saturating_mul(lengths.len());
        Task {
            cell: self.config.cell,
            set: self.set,
            weights,
            workspaces: self.workspaces,
            reverse: self.config.is_reverse(direction),
            input: self.input.slice_axis(Axis(0), Slice::from(rows)),
            lengths,
            steps,
            chunk: (division.budget / step.max(1)).clamp(1, steps.max(1)),
        }
    }

    /// Returns how the pass is divided.
    pub(super) fn divide(&self, cut: Cut) -> Division {
        let rows = self.lengths.len().max(1);
        let Some(weights) = self.weights.first() else {
            return Division { members: 1, parts: 1, rows, budget: cut.budget };
        };
        let members = self.members(weights, cut);
        let parts = if members > 1 { self.parts(weights, cut, members) } else { 1 };
        // There are enough tasks to keep every thread busy, and one step of a task's rows fits into the budget.
        let blocks = if members > 1 { 1 } else { cut.threads.div_ceil(self.weights.len()) };
        let fitting = cut.budget / step_bytes(weights, members).max(1);
        Division {
            members,
            parts,
            rows: rows.div_ceil(blocks.max(1)).min(fitting).max(1),
            budget: cut.budget,
        }
    }

    /// Returns the number of threads that share the units of each direction: one if sharing the rows costs
    /// less.
    fn members(&self, weights: &Direction, cut: Cut) -> usize {
        let threads = cut.threads / self.weights.len().max(1);
        let elements = weights.output_blocks().max(1) * PANEL * threads.max(1);
        let has_rows_for_all = self.lengths.len().max(1) >= FEW_ROWS * threads;
        if has_rows_for_all && weights.step_work() / elements < EXCHANGE {
            return 1;
        }
        let product = self.product_work(weights);
        let steps = self.lengths.iter().copied().max().unwrap_or(0);
        if steps.saturating_mul(product) < STEPS.saturating_mul(cut.shared) {
            return 1;
        }
        threads.min(product / cut.shared.max(1)).min(weights.output_blocks()).max(1)
    }

    /// Returns the number of parts of the units of each direction: several for each of the threads that share
    /// them if there is enough work, and parts of whole tiles if there are enough units.
    fn parts(&self, weights: &Direction, cut: Cut, members: usize) -> usize {
        let parts = self.product_work(weights) / cut.shared.saturating_mul(PART).max(1);
        let tile = tile_panels(self.set, self.lengths.len());
        let whole =
            (1..tile).find(|blocks| (blocks * self.config.cell.gates()).is_multiple_of(tile)).unwrap_or(tile);
        let most = (weights.output_blocks() / whole).max(members);
        parts.clamp(members, members * PARTS).min(most).min(weights.output_blocks())
    }

    /// Returns the multiply-adds of a step of all rows, for each product. An exchange follows each product.
    fn product_work(&self, weights: &Direction) -> usize {
        self.lengths.len().max(1) * weights.step_work() / weights.products()
    }
}

/// Splits the units of a task into parts, each with its own units of the arrays.
fn parts<'a>(
    task: &Task<'_>,
    count: usize,
    mut output: ArrayViewMut3<'a, f32>,
    mut h: ArrayViewMut2<'a, f32>,
    mut c: ArrayViewMut2<'a, f32>,
) -> Result<Vec<Part<'a>>, Error> {
    let mut parts = Vec::with_capacity(count);
    for part in 0..count {
        let share = Share::of(task.weights, part, count);
        let (own_output, own_h, own_c);
        (own_output, output) = take(output, Axis(2), share.outputs.len() * PANEL);
        (own_h, h) = take(h, Axis(1), share.outputs.len() * PANEL);
        (own_c, c) = take(c, Axis(1), share.units.len() * PANEL);
        parts.push(Part::new(task, share, own_output, own_h, own_c)?);
    }
    Ok(parts)
}

/// Splits an array along an axis into the first `count` elements, or all if there are fewer, and the rest.
fn take<'a, D: Dimension>(
    array: ArrayViewMut<'a, f32, D>,
    axis: Axis,
    count: usize,
) -> (ArrayViewMut<'a, f32, D>, ArrayViewMut<'a, f32, D>) {
    let count = count.min(array.len_of(axis));
    array.split_at(axis, count)
}
