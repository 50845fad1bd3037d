//! One direction of one layer over some rows of the batch and some of its units: what a thread does at a time.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ndarray::{ArrayView1, ArrayView3, ArrayViewMut1, ArrayViewMut2, ArrayViewMut3, Axis};

use super::cell::Step;
use super::pack::{Direction, PANEL};
use super::product::{self, multiply};
use super::reset;
use super::simd::Instructions;
use super::team::Team;
use super::workspace::{Sizes, Workspace, Workspaces};
use crate::{Cell, Error};

/// What a task reads and what it writes; tasks share nothing that is written but what a [`Team`] exchanges.
pub(super) struct Task<'a> {
    pub(super) cell: Cell,
    pub(super) instructions: Instructions,
    pub(super) weights: &'a Direction,
    pub(super) workspaces: &'a Workspaces,
    pub(super) reverse: bool,
    /// `[rows, T, in]`.
    pub(super) input: ArrayView3<'a, f32>,
    /// Valid steps of each row.
    pub(super) lengths: &'a [usize],
    /// Steps whose input product is made at once.
    pub(super) chunk: usize,
    /// Blocks of units that the task computes: all, unless others of its team have the rest.
    pub(super) blocks: Range<usize>,
    /// The team and the task's place in it.
    pub(super) team: Option<(Arc<Team>, usize)>,
    /// `[rows, T, units]`, zero; like the state, only the task's units.
    pub(super) output: ArrayViewMut3<'a, f32>,
    /// `[rows, units]`: the state before and after.
    pub(super) h: ArrayViewMut2<'a, f32>,
    /// `[rows, units]`, or `[rows, 0]` where the cell has no cell state.
    pub(super) c: ArrayViewMut2<'a, f32>,
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
            runs.iter_mut().for_each(|run| run.step(start, step));
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
    (weights.input.terms() + weights.input.columns().div_ceil(members)) * size_of::<f32>()
}

impl<'a> Run<'a> {
    fn new(task: Task<'a>) -> Result<Self, Error> {
        let units = task.blocks.len() * PANEL;
        let mut workspace = task.workspaces.take(&Sizes {
            chunk: task.chunk,
            rows: task.lengths.len(),
            terms: task.weights.input.terms(),
            columns: units * task.cell.gates(),
            h: task.weights.hidden.terms(),
            next: units,
            c: if task.cell.has_cell_state() { units } else { 0 },
            kept: if task.weights.candidate.is_some() { units } else { 0 },
        })?;
        let mut rows = std::mem::take(&mut workspace.rows);
        rows.sort(task.lengths);
        let mut run = Run { task, rows, workspace };
        run.load_state();
        Ok(run)
    }

    /// The task's panels of a matrix with all gates.
    fn panels(&self) -> Range<usize> {
        let gates = self.task.cell.gates();
        self.task.blocks.start * gates..self.task.blocks.end * gates
    }

    /// The input's share of the gates for a range of steps.
    ///
    /// Rows that end inside the chunk leave stale values behind, which no step reads.
    fn project(&mut self, steps: Range<usize>) {
        let panels = self.panels();
        let (Task { weights, input, instructions, .. }, rows) = (&self.task, &self.rows);
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
        let of_input = &mut self.workspace.of_input[..count * panels.len() * PANEL];
        multiply(*instructions, &weights.input, panels, x, of_input);
    }

    /// One time step of the rows that have it; `start` is the chunk's first.
    fn step(&mut self, start: usize, step: usize) {
        self.read(step);
        let (live, before) = (self.rows.live(step), self.rows.live(start) * (step - start));
        let panels = self.panels();
        let columns = panels.len() * PANEL;
        let Task { weights, instructions, cell, .. } = &self.task;
        let Workspace { of_input, sums, next, h, c, z, reset, .. } = &mut self.workspace;
        let one = Step {
            instructions: *instructions,
            matrix: &weights.hidden,
            blocks: self.task.blocks.clone(),
            x: h.rows(),
            h: h.rows(),
            of_input: &of_input[before * columns..][..live * columns],
            sums,
            next: next.first(live),
            c: if weights.candidate.is_some() { z.first(live) } else { c.first(live) },
        };
        match (&weights.functions, &weights.candidate) {
            (Some(functions), Some(candidate)) => reset::run(one, candidate, reset.first(live), functions),
            (functions, _) => one.run(*cell, functions.as_ref()),
        }
        if let Some(projection) = &weights.projection {
            multiply(*instructions, projection, 0..projection.panels(), next.rows(), h.first(live));
        } else if self.task.team.is_some() {
            self.place(live);
            self.publish(step + 1, live);
        } else if live == self.rows.order.len() {
            std::mem::swap(next, h);
        } else {
            // The other rows keep their state.
            h.first(live).copy_from_slice(next.first(live));
        }
        self.store_output(step, live);
    }

    /// Copies the task's units of the next hidden state to their place among all units.
    fn place(&mut self, live: usize) {
        let first = self.first_unit();
        let Workspace { next, h, .. } = &mut self.workspace;
        for (h, next) in
            h.values.chunks_exact_mut(h.width).zip(next.values.chunks_exact(next.width)).take(live)
        {
            h[first..first + next.len()].copy_from_slice(next);
        }
    }

    /// Shows the team the task's units of a state, which `next` holds.
    fn publish(&mut self, state: usize, live: usize) {
        if let Some((team, member)) = &self.task.team {
            team.publish(*member, state, self.workspace.next.first(live));
        }
    }

    /// Takes the units of the others from the state before a step: those of the rows that the step before had.
    fn read(&mut self, step: usize) {
        let Some((team, own)) = &self.task.team else { return };
        let live = step.checked_sub(1).map_or(self.rows.order.len(), |before| self.rows.live(before));
        let h = &mut self.workspace.h;
        let mut first = 0;
        for member in 0..team.len() {
            let width = team.part(member) / self.rows.order.len();
            if member != *own {
                let part = team.wait(member, step);
                for (h, part) in h.values.chunks_exact_mut(h.width).zip(part.chunks_exact(width)).take(live) {
                    for (h, part) in h[first..].iter_mut().zip(part) {
                        *h = f32::from_bits(part.load(Ordering::Relaxed));
                    }
                }
            }
            first += width;
        }
    }

    /// Where the task's units begin among all; only a task of a team has not all.
    fn first_unit(&self) -> usize {
        self.task.blocks.start * PANEL
    }

    fn load_state(&mut self) {
        let first = self.first_unit();
        let Workspace { next, h, c, .. } = &mut self.workspace;
        let rows = self.rows.order.len();
        load(&self.rows.order, &self.task.h, h.values.chunks_exact_mut(h.width).map(|h| &mut h[first..]));
        if !c.values.is_empty() {
            load(&self.rows.order, &self.task.c, c.values.chunks_exact_mut(c.width));
        }
        if self.task.team.is_some() {
            load(&self.rows.order, &self.task.h, next.values.chunks_exact_mut(next.width));
            self.publish(0, rows);
        }
    }

    fn store_output(&mut self, step: usize, live: usize) {
        let first = self.first_unit();
        let units = self.task.h.ncols();
        for (row, h) in self.workspace.h.values.chunks_exact(self.workspace.h.width).enumerate().take(live) {
            let time = self.rows.time(row, step, self.task.reverse);
            let mut output = self.task.output.index_axis_mut(Axis(0), self.rows.order[row]);
            store(&h[first..first + units], output.row_mut(time));
        }
    }

    /// Stores the final state.
    fn finish(mut self) {
        let first = self.first_unit();
        let Workspace { h, c, .. } = &self.workspace;
        for (&row, h) in self.rows.order.iter().zip(h.values.chunks_exact(h.width)) {
            let units = self.task.h.ncols();
            store(&h[first..first + units], self.task.h.row_mut(row));
        }
        if !c.values.is_empty() {
            for (&row, c) in self.rows.order.iter().zip(c.values.chunks_exact(c.width)) {
                let units = self.task.c.ncols();
                store(&c[..units], self.task.c.row_mut(row));
            }
        }
        self.workspace.rows = self.rows;
        self.task.workspaces.give_back(self.workspace);
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

/// Rows of a state into the order of a task.
fn load<'a>(order: &[usize], from: &ArrayViewMut2<'_, f32>, to: impl Iterator<Item = &'a mut [f32]>) {
    for (&row, to) in order.iter().zip(to) {
        copy(&from.row(row), &mut to[..from.ncols()]);
    }
}

fn copy(from: &ArrayView1<'_, f32>, to: &mut [f32]) {
    match from.as_slice() {
        Some(from) => to.copy_from_slice(from),
        None => to.iter_mut().zip(from).for_each(|(to, &from)| *to = from),
    }
}

fn store(from: &[f32], mut to: ArrayViewMut1<'_, f32>) {
    match to.as_slice_mut() {
        Some(to) => to.copy_from_slice(from),
        None => to.iter_mut().zip(from).for_each(|(to, &from)| *to = from),
    }
}
