//! One direction of one layer over some rows of the batch and some of its units: what a thread does at a time.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;

use ndarray::{ArrayView1, ArrayView3, ArrayViewMut1, ArrayViewMut2, ArrayViewMut3, Axis};

use super::cell::Step;
use super::pack::Direction;
use super::product::{self, Product, multiply};
use super::reset;
use super::simd::{Block, Set};
use super::team::Team;
use super::workspace::{Sizes, Units, Workspace, Workspaces};
use crate::{Cell, Error};

/// What a task reads and what it writes; tasks share nothing that is written but what a [`Team`] exchanges.
pub(super) struct Task<'a> {
    pub(super) cell: Cell,
    pub(super) set: Set,
    pub(super) weights: &'a Direction,
    pub(super) workspaces: &'a Workspaces,
    pub(super) reverse: bool,
    /// `[rows, T, in]`.
    pub(super) input: ArrayView3<'a, f32>,
    /// Valid steps of each row.
    pub(super) lengths: &'a [usize],
    /// Steps whose input product is made at once.
    pub(super) chunk: usize,
    /// The units that the task computes.
    pub(super) share: Share,
    /// The team and the task's place in it.
    pub(super) team: Option<(Arc<Team>, usize)>,
    /// `[rows, T, outputs]`, zero; like the state, only the task's units.
    pub(super) output: ArrayViewMut3<'a, f32>,
    /// `[rows, outputs]`: the state before and after.
    pub(super) h: ArrayViewMut2<'a, f32>,
    /// `[rows, units]`, or `[rows, 0]` where the cell has no cell state.
    pub(super) c: ArrayViewMut2<'a, f32>,
}

/// Blocks of units: all, unless others of a team have the rest.
#[derive(Clone, Debug)]
pub(super) struct Share {
    /// Of the H units.
    pub(super) units: Range<usize>,
    /// Of the hidden state, which has fewer where it is projected.
    pub(super) outputs: Range<usize>,
}

impl Share {
    /// A member's of so many.
    pub(super) fn of(weights: &Direction, member: usize, members: usize) -> Self {
        let part = |blocks: usize| blocks * member / members..blocks * (member + 1) / members;
        Share { units: part(weights.blocks()), outputs: part(weights.output_blocks()) }
    }
}

/// Runs tasks of one team step by step.
pub(super) fn run(tasks: Vec<Task<'_>>) -> Result<(), Error> {
    let mut runs = tasks.into_iter().map(Run::new).collect::<Result<Vec<_>, _>>()?;
    walk(&mut runs);
    runs.into_iter().for_each(Run::finish);
    Ok(())
}

/// Runs a task that is no part of a team, without an allocation where its workspace was as large before.
pub(super) fn run_alone(task: Task<'_>) -> Result<(), Error> {
    let mut run = Run::new(task)?;
    walk(std::slice::from_mut(&mut run));
    run.finish();
    Ok(())
}

fn walk(runs: &mut [Run<'_>]) {
    let (longest, chunk) = runs.first().map_or((0, 1), |run| (run.rows.longest(), run.task.chunk));
    for start in (0..longest).step_by(chunk) {
        let end = longest.min(start + chunk);
        runs.iter_mut().for_each(|run| run.project(start..end));
        for step in start..end {
            runs.iter_mut().for_each(|run| run.first_product(start, step));
            runs.iter_mut().for_each(|run| run.second_product(start, step));
        }
    }
}

/// The rows of a task, longest first: those that still have steps left are always the first ones.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// Index of each row in the task's arrays.
    order: Vec<usize>,
    lengths: Vec<usize>,
}

impl Sorted {
    fn sort(&mut self, lengths: &[usize]) {
        self.order.clear();
        self.order.extend(0..lengths.len());
        self.order.sort_unstable_by_key(|&row| (Reverse(lengths[row]), row));
        self.lengths.clear();
        self.lengths.extend(self.order.iter().map(|&row| lengths[row]));
    }

    fn longest(&self) -> usize {
        self.lengths.first().copied().unwrap_or(0)
    }

    /// How many rows have a step `step`.
    fn live(&self, step: usize) -> usize {
        self.lengths.partition_point(|&length| length > step)
    }

    /// The time at which a row's step `step` is.
    fn time(&self, row: usize, step: usize, reverse: bool) -> usize {
        if reverse { self.lengths[row] - 1 - step } else { step }
    }
}

/// A task that is on its way.
struct Run<'a> {
    task: Task<'a>,
    rows: Sorted,
    workspace: Workspace,
}

/// Bytes of workspace that one row takes for each step of a chunk, where the units are shared by so many tasks.
pub(super) fn step_bytes(weights: &Direction, members: usize) -> usize {
    weights.input.terms() * size_of::<f32>() + weights.input.panels().div_ceil(members) * size_of::<Block>()
}

impl<'a> Run<'a> {
    fn new(task: Task<'a>) -> Result<Self, Error> {
        let (weights, units) = (task.weights, task.share.units.len());
        let mut workspace = task.workspaces.take(&Sizes {
            chunk: task.chunk,
            rows: task.lengths.len(),
            terms: weights.input.terms(),
            gates: units * task.cell.gates(),
            h: weights.output_blocks(),
            c: if task.cell.has_cell_state() { units } else { 0 },
            inner: if weights.products() == 2 { weights.blocks() } else { 0 },
            z: if weights.candidate.is_some() { units } else { 0 },
        })?;
        let mut rows = std::mem::take(&mut workspace.rows);
        rows.sort(task.lengths);
        let mut run = Run { task, rows, workspace };
        run.load_state();
        Ok(run)
    }

    /// The task's panels of a matrix with all gates.
    fn panels(&self) -> Range<usize> {
        let (gates, units) = (self.task.cell.gates(), &self.task.share.units);
        units.start * gates..units.end * gates
    }

    /// The input's share of the gates for a range of steps.
    ///
    /// Rows that end inside the chunk leave stale values behind, which no step reads.
    fn project(&mut self, steps: Range<usize>) {
        let panels = self.panels();
        let (Task { weights, input, set, .. }, rows) = (&self.task, &self.rows);
        let (terms, live) = (weights.input.terms(), rows.live(steps.start));
        let count = steps.len() * live;
        let x = &mut self.workspace.x[..count * terms];
        for (step, x) in steps.zip(x.chunks_exact_mut(live * terms)) {
            for (row, x) in x.chunks_exact_mut(terms).enumerate().take(rows.live(step)) {
                let time = rows.time(row, step, self.task.reverse);
                copy(&input.index_axis(Axis(0), rows.order[row]).row(time), x);
            }
        }
        let x = product::Rows { values: x, stride: terms };
        let of_input = &mut self.workspace.of_input[..count * panels.len()];
        multiply(*set, &weights.input, panels, x, of_input);
    }

    /// The product with the hidden state in a step of the rows that have it, and what follows; `start` is the chunk's first.
    fn first_product(&mut self, start: usize, step: usize) {
        self.read_state(step);
        let (live, gates) = (self.rows.live(step), self.gates(start, step));
        let Task { cell, weights, set, share, .. } = &self.task;
        let Workspace { of_input, sums, next, h, c, inner, z, .. } = &mut self.workspace;
        let next = if weights.products() == 2 { inner } else { next };
        let one = Step {
            set: *set,
            rows: live,
            matrix: &weights.hidden,
            blocks: share.units.clone(),
            x: h.rows(),
            h: &h.values,
            of_input: &of_input[gates],
            sums,
            next: &mut next.values,
            width: next.width,
            c: if weights.candidate.is_some() { &mut z.values } else { &mut c.values },
        };
        match (&weights.functions, &weights.candidate) {
            (Some(functions), Some(_)) => reset::gates(one, functions),
            (functions, _) => one.run(*cell, functions.as_ref()),
        }
        match weights.products() {
            2 => self.publish_inner(step, live),
            _ => self.end_step(step, live),
        }
    }

    /// The second product of a step, where it has two, and what follows.
    fn second_product(&mut self, start: usize, step: usize) {
        if self.task.weights.products() < 2 {
            return;
        }
        let (live, gates) = (self.rows.live(step), self.gates(start, step));
        self.read_inner(step, live);
        let Task { weights, set, share, .. } = &self.task;
        let Workspace { of_input, sums, next, h, inner, z, .. } = &mut self.workspace;
        if let Some(matrix) = &weights.projection {
            let (panels, stride) = (share.outputs.clone(), next.width);
            let out = &mut next.values[panels.start..];
            set.run(Product { matrix, x: inner.rows(), rows: 0..live, panels, out, stride });
        } else if let (Some(functions), Some(matrix)) = (&weights.functions, &weights.candidate) {
            let two = Step {
                set: *set,
                rows: live,
                matrix,
                blocks: share.units.clone(),
                x: inner.rows(),
                h: &h.values,
                of_input: &of_input[gates],
                sums,
                next: &mut next.values,
                width: next.width,
                c: &mut z.values,
            };
            reset::candidate(two, functions);
        }
        self.end_step(step, live);
    }

    /// Where a step's gates are.
    fn gates(&self, start: usize, step: usize) -> Range<usize> {
        let columns = self.panels().len();
        let before = self.rows.live(start) * (step - start);
        before * columns..(before + self.rows.live(step)) * columns
    }

    /// The next hidden state becomes the state.
    fn end_step(&mut self, step: usize, live: usize) {
        let Workspace { next, h, .. } = &mut self.workspace;
        if live == self.rows.order.len() {
            std::mem::swap(next, h);
        } else {
            // The other rows keep their state.
            h.first(live).copy_from_slice(next.first(live));
        }
        self.publish_state(step + 1, live);
        for (row, h) in self.workspace.h.columns(&self.task.share.outputs, live).enumerate() {
            let time = self.rows.time(row, step, self.task.reverse);
            let output = self.task.output.index_axis_mut(Axis(0), self.rows.order[row]);
            store(h, output.index_axis_move(Axis(0), time));
        }
    }

    /// Shows the team the task's units of the state before a step.
    fn publish_state(&self, step: usize, live: usize) {
        if let Some((team, member)) = &self.task.team {
            let message = step * self.task.weights.products();
            team.publish(*member, message, self.workspace.h.columns(&self.task.share.outputs, live));
        }
    }

    /// Shows the team the task's units of what the second product of a step multiplies.
    fn publish_inner(&self, step: usize, live: usize) {
        if let Some((team, member)) = &self.task.team {
            team.publish(*member, 2 * step + 1, self.workspace.inner.columns(&self.task.share.units, live));
        }
    }

    /// Takes the units of the others from the state before a step: those of the rows that the step before had.
    fn read_state(&mut self, step: usize) {
        let live = step.checked_sub(1).map_or(self.rows.order.len(), |before| self.rows.live(before));
        let message = step * self.task.weights.products();
        self.task.read_others(message, &mut self.workspace.h, live, |share| share.outputs);
    }

    /// Takes the units of the others from what the second product of a step multiplies.
    fn read_inner(&mut self, step: usize, live: usize) {
        self.task.read_others(2 * step + 1, &mut self.workspace.inner, live, |share| share.units);
    }

    fn load_state(&mut self) {
        let Task { share, h: given_h, c: given_c, .. } = &self.task;
        let Workspace { h, c, .. } = &mut self.workspace;
        let rows = self.rows.order.len();
        load(&self.rows.order, given_h, h.columns_mut(&share.outputs, rows));
        load(&self.rows.order, given_c, c.columns_mut(&(0..c.width), rows));
        self.publish_state(0, rows);
    }

    /// Stores the final state.
    fn finish(mut self) {
        let rows = self.rows.order.len();
        let Workspace { h, c, .. } = &self.workspace;
        for (&row, h) in self.rows.order.iter().zip(h.columns(&self.task.share.outputs, rows)) {
            store(h, self.task.h.row_mut(row));
        }
        for (&row, c) in self.rows.order.iter().zip(c.columns(&(0..c.width), rows)) {
            store(c, self.task.c.row_mut(row));
        }
        self.workspace.rows = self.rows;
        self.task.workspaces.give_back(self.workspace);
    }
}

impl Task<'_> {
    /// Copies the units of the others from a message.
    fn read_others(
        &self,
        message: usize,
        to: &mut Units,
        live: usize,
        units: impl Fn(Share) -> Range<usize>,
    ) {
        let Some((team, own)) = &self.team else { return };
        for member in (0..team.len()).filter(|member| member != own) {
            let units = units(Share::of(self.weights, member, team.len()));
            team.read(member, message, to.columns_mut(&units, live));
        }
    }
}

/// Whatever ends a task, a panic too, nobody may wait for it.
impl Drop for Task<'_> {
    fn drop(&mut self) {
        if let Some((team, member)) = &self.team {
            team.leave(*member);
        }
    }
}

/// Rows of a state into the order of a task; their padding stays as it was.
fn load<'a>(order: &[usize], from: &ArrayViewMut2<'_, f32>, to: impl Iterator<Item = &'a mut [f32]>) {
    for (&row, to) in order.iter().zip(to) {
        copy(&from.row(row), to);
    }
}

fn copy(from: &ArrayView1<'_, f32>, to: &mut [f32]) {
    match from.as_slice() {
        Some(from) => to[..from.len()].copy_from_slice(from),
        None => to.iter_mut().zip(from).for_each(|(to, &from)| *to = from),
    }
}

/// Without the padding.
fn store(from: &[f32], mut to: ArrayViewMut1<'_, f32>) {
    match to.as_slice_mut() {
        Some(to) => to.copy_from_slice(&from[..to.len()]),
        None => to.iter_mut().zip(from).for_each(|(to, &from)| *to = from),
    }
}
