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

/// The maximum number of parts per thread. With that many, a thread of half the speed of the others can get
/// half of their work.
const PARTS: usize = 8;

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
        let rows = self.lengths.len();
        if let ([weights], 1, true) = (self.weights, self.members(cut), self.rows_of_a_task(cut) >= rows) {
            let task = self.task(0, weights, 0..rows, cut);
            let (h, c) = (h.index_axis_mut(Axis(0), 0), c.index_axis_mut(Axis(0), 0));
            let part = Part::new(&task, Share::of(weights, 0, 1), output, h, c)?;
            return run_alone(&task, part);
        }
        let jobs = self.jobs(output, &mut h, &mut c, cut)?;
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
        cut: Cut,
    ) -> Result<Vec<Job<'a>>, Error> {
        let (members, rows) = (self.members(cut), self.rows_of_a_task(cut));
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
                let task = self.task(direction, weights, start..self.lengths.len().min(start + rows), cut);
                let parts = parts(&task, self.parts(cut, members), part_output, part_h, part_c)?;
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
        cut: Cut,
    ) -> Task<'a> {
        let lengths = &self.lengths[rows.clone()];
        Task {
            cell: self.config.cell,
            set: self.set,
            weights,
            workspaces: self.workspaces,
            reverse: self.config.is_reverse(direction),
            input: self.input.slice_axis(Axis(0), Slice::from(rows)),
            lengths,
            chunk: self.chunk(weights, lengths, cut),
        }
    }

    /// Returns the number of threads that share the units of each direction: one if sharing the rows costs
    /// less.
    fn members(&self, cut: Cut) -> usize {
        let [rows, directions] = [self.lengths.len(), self.weights.len()].map(|count| count.max(1));
        let threads = cut.threads / directions;
        let Some(weights) = self.weights.first() else { return 1 };
        let elements = weights.output_blocks().max(1) * PANEL * threads.max(1);
        if rows >= FEW_ROWS * threads && weights.step_work() / elements < EXCHANGE {
            return 1;
        }
        // An exchange follows each product.
        let product = rows * weights.step_work() / weights.products();
        let steps = self.lengths.iter().copied().max().unwrap_or(0);
        if steps.saturating_mul(product) < STEPS.saturating_mul(cut.shared) {
            return 1;
        }
        threads.min(product / cut.shared.max(1)).min(weights.output_blocks()).max(1)
    }

    /// Returns the number of parts of the units of each direction: several for each thread that shares them
    /// if there is enough work, and parts of whole tiles if there are enough units.
    fn parts(&self, cut: Cut, members: usize) -> usize {
        let Some(weights) = self.weights.first().filter(|_| members > 1) else { return 1 };
        let product = self.lengths.len() * weights.step_work() / weights.products();
        let parts = product / cut.shared.saturating_mul(PART).max(1);
        let tile = tile_panels(self.set, self.lengths.len());
        let whole =
            (1..tile).find(|blocks| (blocks * self.config.cell.gates()).is_multiple_of(tile)).unwrap_or(tile);
        let most = (weights.output_blocks() / whole).max(members);
        parts.clamp(members, members * PARTS).min(most).min(weights.output_blocks())
    }

    /// Returns the number of rows of a task. There are enough tasks to keep every thread busy, and one step
    /// of a task's rows fits into the budget.
    fn rows_of_a_task(&self, cut: Cut) -> usize {
        let members = self.members(cut);
        let rows = self.lengths.len().max(1);
        let Some(weights) = self.weights.first() else { return rows };
        let blocks = if members > 1 { 1 } else { cut.threads.div_ceil(self.weights.len()) };
        rows.div_ceil(blocks.max(1)).min(cut.budget / step_bytes(weights, members).max(1)).max(1)
    }

    /// Returns the number of steps of a chunk of some rows.
    fn chunk(&self, weights: &Direction, lengths: &[usize], cut: Cut) -> usize {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let step = step_bytes(weights, self.members(cut)).saturating_mul(lengths.len());
        (cut.budget / step.max(1)).clamp(1, longest.max(1))
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
