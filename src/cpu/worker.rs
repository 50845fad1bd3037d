//! A thread's work on a task: rounds of parts.

use ndarray::{ArrayView1, ArrayViewMut1, Axis};

use super::cell::Step;
use super::product::{self, Product, multiply};
use super::reset;
use super::task::{Part, Round, Task};
use super::team::Team;
use super::workspace::{Sizes, Units, Workspace};
use crate::Error;

/// A thread's own arrays for a task. Rows are in the order of [`super::rows::Sorted`].
pub(super) struct Worker<'t, 'a> {
    task: &'t Task<'a>,
    /// The team, or `None` if the only part has all units.
    team: Option<&'t Team>,
    workspace: Workspace,
    /// The last round for which the arrays were filled.
    ready: Option<usize>,
    /// The step for which the hidden state was last read from the team.
    state: Option<usize>,
}

/// Computes a task on the calling thread. It does not allocate if its workspaces are already large enough.
pub(super) fn run_alone(task: &Task<'_>, mut part: Part<'_>) -> Result<(), Error> {
    let mut worker = Worker::new(task, None)?;
    for round in 0..task.rounds() {
        worker.run(&mut part, round);
    }
    worker.finish();
    task.workspaces.parts.give_back(part.space);
    Ok(())
}

impl<'t, 'a> Worker<'t, 'a> {
    pub(super) fn new(task: &'t Task<'a>, team: Option<&'t Team>) -> Result<Self, Error> {
        let weights = task.weights;
        let mut workspace = task.workspaces.threads.take(|workspace: &mut Workspace| {
            workspace.resize(&Sizes {
                chunk: task.chunk,
                rows: task.lengths.len(),
                terms: weights.input.terms(),
                h: weights.output_blocks(),
                inner: if weights.products() == 2 { weights.blocks() } else { 0 },
            })
        })?;
        workspace.rows.sort(task.lengths);
        Ok(Worker { task, team, workspace, ready: None, state: None })
    }

    /// Keeps the arrays for the next task.
    pub(super) fn finish(self) {
        self.task.workspaces.threads.give_back(self.workspace);
    }

    /// Computes a round of one part. All parts of the rounds before must be complete.
    pub(super) fn run(&mut self, part: &mut Part<'_>, index: usize) {
        let round = self.task.round(index);
        if self.ready.replace(index) != Some(index) {
            self.fill(&round);
        }
        match round {
            Round::Input(steps) => {
                if index == 0 {
                    self.load_state(part);
                }
                self.input_product(part, steps.start, steps.len());
            }
            Round::First { start, step } => self.first_product(part, start, step),
            Round::Second { start, step } => self.second_product(part, start, step),
        }
    }

    /// Fills the arrays that a round reads and that are the same for all parts.
    fn fill(&mut self, round: &Round) {
        match (round, self.team) {
            (Round::Input(steps), _) => self.copy_input(steps.start, steps.len()),
            (Round::First { step, .. }, Some(team)) => self.read_state(team, *step),
            (Round::Second { step, .. }, Some(team)) => {
                // A thread that computed no part in the first round of the step has not read the state yet.
                if self.task.weights.candidate.is_some() {
                    self.read_state(team, *step);
                }
                let Workspace { rows, inner, .. } = &mut self.workspace;
                team.inner().read(inner, rows.live(*step));
            }
            (_, None) => {}
        }
    }

    /// Reads the hidden state before a step, unless the thread has already read it.
    fn read_state(&mut self, team: &Team, step: usize) {
        if self.state.replace(step) != Some(step) {
            let Workspace { rows, h, .. } = &mut self.workspace;
            team.h(step).read(h, rows.live(step));
        }
    }

    /// Copies the input of a chunk of steps. Rows that end inside the chunk leave stale values, which no
    /// step reads.
    fn copy_input(&mut self, start: usize, steps: usize) {
        let Workspace { rows, x, .. } = &mut self.workspace;
        let (terms, live) = (self.task.weights.input.terms(), rows.live(start));
        let x = &mut x[..steps * live * terms];
        for (step, x) in (start..).zip(x.chunks_exact_mut(live * terms)) {
            for (row, x) in x.chunks_exact_mut(terms).enumerate().take(rows.live(step)) {
                let time = rows.time(row, step, self.task.reverse);
                copy(&self.task.input.index_axis(Axis(0), rows.order[row]).row(time), x);
            }
        }
    }

    /// Loads the initial state of the part's units.
    fn load_state(&mut self, part: &mut Part<'_>) {
        let Workspace { rows, next, .. } = &mut self.workspace;
        let all = 0..part.space.c.width;
        for (&row, to) in rows.order.iter().zip(part.space.c.columns_mut(&all, rows.len())) {
            copy(&part.c.row(row), to);
        }
        for (&row, to) in rows.order.iter().zip(next.columns_mut(&part.share.outputs, rows.len())) {
            copy(&part.h.row(row), to);
        }
        self.publish_state(part, 0);
    }

    /// Computes the input product of the part's gates for a chunk of steps.
    fn input_product(&self, part: &mut Part<'_>, start: usize, steps: usize) {
        let Task { weights, set, cell, .. } = *self.task;
        let (terms, panels) = (weights.input.terms(), part.panels(cell));
        let rows = steps * self.workspace.rows.live(start);
        let x = product::Rows { values: &self.workspace.x[..rows * terms], stride: terms };
        multiply(set, &weights.input, panels.clone(), x, &mut part.space.of_input[..rows * panels.len()]);
    }

    /// Returns a recurrent product of a step and its elementwise part: the first one, or the second one of a
    /// GRU that resets before it.
    fn step<'s>(&'s mut self, part: &'s mut Part<'_>, start: usize, step: usize, second: bool) -> Step<'s> {
        let Task { cell, weights, set, .. } = *self.task;
        let Workspace { rows, sums, next, h, inner, .. } = &mut self.workspace;
        let gates = part.gates(cell, rows, start, step);
        let (matrix, x, next) = match &weights.candidate {
            Some(candidate) if second => (candidate, inner.rows(), next),
            _ if weights.products() == 2 => (&weights.hidden, h.rows(), inner),
            _ => (&weights.hidden, h.rows(), next),
        };
        let c = if weights.candidate.is_some() { &mut part.space.z } else { &mut part.space.c };
        Step {
            set,
            rows: rows.live(step),
            matrix,
            blocks: part.share.units.clone(),
            backward: step % 2 == 1,
            x,
            h: &h.values,
            of_input: &part.space.of_input[gates],
            sums,
            next: &mut next.values,
            width: next.width,
            c: &mut c.values,
        }
    }

    fn first_product(&mut self, part: &mut Part<'_>, start: usize, step: usize) {
        let Task { cell, weights, .. } = *self.task;
        let one = self.step(part, start, step, false);
        match (&weights.functions, &weights.candidate) {
            (Some(functions), Some(_)) => reset::gates(one, functions),
            (functions, _) => one.run(cell, functions.as_ref()),
        }
        match (weights.products(), self.team) {
            (2, Some(team)) => {
                let Workspace { rows, inner, .. } = &self.workspace;
                team.inner().publish(inner, &part.share.units, rows.live(step));
            }
            (2, None) => {}
            _ => self.end_step(part, step),
        }
    }

    fn second_product(&mut self, part: &mut Part<'_>, start: usize, step: usize) {
        let Task { weights, set, .. } = *self.task;
        if let Some(matrix) = &weights.projection {
            let Workspace { rows, next, inner, .. } = &mut self.workspace;
            let (panels, stride) = (part.share.outputs.clone(), next.width);
            let out = &mut next.values[panels.start..];
            set.run(Product { matrix, x: inner.rows(), rows: 0..rows.live(step), panels, out, stride });
        } else if let (Some(functions), Some(_)) = (&weights.functions, &weights.candidate) {
            let two = self.step(part, start, step, true);
            reset::candidate(two, functions);
        }
        self.end_step(part, step);
    }

    /// Stores the part's units of the new hidden state, and of the final state of the rows that end with
    /// this step.
    fn end_step(&mut self, part: &mut Part<'_>, step: usize) {
        let Workspace { rows, next, .. } = &self.workspace;
        let (live, still) = (rows.live(step), rows.live(step + 1));
        for (row, h) in next.columns(&part.share.outputs, live).enumerate() {
            let index = rows.order[row];
            let output = part.output.index_axis_mut(Axis(0), index);
            store(h, output.index_axis_move(Axis(0), rows.time(row, step, self.task.reverse)));
            if row >= still {
                store(h, part.h.row_mut(index));
            }
        }
        if still < live {
            let all = 0..part.space.c.width;
            for (row, c) in part.space.c.columns(&all, live).enumerate().skip(still) {
                store(c, part.c.row_mut(rows.order[row]));
            }
        }
        self.publish_state(part, step + 1);
    }

    /// Publishes the part's units of the next hidden state as the state before a step.
    fn publish_state(&mut self, part: &Part<'_>, step: usize) {
        let Workspace { rows, next, h, .. } = &mut self.workspace;
        match self.team {
            Some(team) => team.h(step).publish(next, &part.share.outputs, rows.live(step)),
            None => std::mem::swap::<Units>(next, h),
        }
    }
}

fn copy(from: &ArrayView1<'_, f32>, to: &mut [f32]) {
    match from.as_slice() {
        Some(from) => to[..from.len()].copy_from_slice(from),
        None => to.iter_mut().zip(from).for_each(|(to, &from)| *to = from),
    }
}

/// Stores the values without the padding.
fn store(from: &[f32], mut to: ArrayViewMut1<'_, f32>) {
    match to.as_slice_mut() {
        Some(to) => to.copy_from_slice(&from[..to.len()]),
        None => to.iter_mut().zip(from).for_each(|(to, &from)| *to = from),
    }
}
