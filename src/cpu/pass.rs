//! All directions of one layer over the whole batch, cut in tasks for threads.

#[cfg_attr(target_arch = "wasm32", path = "pass/one_thread.rs")]
mod threads;

use std::ops::Range;
use std::sync::Arc;

use ndarray::{ArrayView3, ArrayViewMut, ArrayViewMut2, ArrayViewMut3, Axis, Dimension};

use super::pack::Direction;
use super::simd::{PANEL, Set};
use super::task::{self, Share, Task, step_bytes};
use super::team::Team;
use super::workspace::Workspaces;
use crate::{Config, Error};
use threads::run_teams;

/// Rows for each thread below which it would be bound by reading all weights: threads then share the units of all rows,
/// not the rows.
const FEW_ROWS: usize = 4;

/// How many steps' work, of the least that is shared, a team must have: less is done before another thread has come.
const STEPS: usize = 256;

/// How a forward pass is cut; the result does not depend on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    /// Bytes that a task may take for a chunk of the input and of the gates.
    pub(super) budget: usize,
    /// Tasks that can run at once.
    pub(super) threads: usize,
    /// Multiply-adds of a step for which a thread is worth having: with fewer the exchange after each step costs more.
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
    /// `output [N, T, D*H_out]` is zero; `h [D, N, H_out]` and `c [D, N, H]` are the state before and after.
    pub(super) fn run(
        &self,
        mut output: ArrayViewMut3<'_, f32>,
        mut h: ArrayViewMut3<'_, f32>,
        mut c: ArrayViewMut3<'_, f32>,
        cut: Cut,
    ) -> Result<(), Error> {
        let members = self.members(cut);
        let rows = self.rows_of_a_task(cut, members);
        // Views whose lifetimes are this function's: a view's lifetime does not shrink by itself.
        let (input, mut output) = (self.input.view(), output.view_mut());
        let part = |weights, reverse, input, lengths| Part {
            pass: self,
            weights,
            reverse,
            input,
            lengths,
            budget: cut.budget,
        };
        if let ([weights], true) = (self.weights, members == 1 && rows >= self.lengths.len()) {
            let (h, c) = (h.index_axis_mut(Axis(0), 0), c.index_axis_mut(Axis(0), 0));
            return task::run_alone(
                part(weights, self.config.is_reverse(0), input, self.lengths).only_task(output, h, c),
            );
        }
        let mut teams = Vec::new();
        let states = h.outer_iter_mut().zip(c.outer_iter_mut());
        for (direction, (weights, (mut h, mut c))) in self.weights.iter().zip(states).enumerate() {
            let mut own_output;
            (own_output, output) = take(output, Axis(2), self.config.hidden_output_size());
            let inputs = input.axis_chunks_iter(Axis(0), rows).zip(self.lengths.chunks(rows));
            for (input, lengths) in inputs {
                let (part_output, part_h, part_c);
                (part_output, own_output) = take(own_output, Axis(0), rows);
                (part_h, h) = take(h, Axis(0), rows);
                (part_c, c) = take(c, Axis(0), rows);
                let part = part(weights, self.config.is_reverse(direction), input, lengths);
                teams.push(part.tasks(members, part_output, part_h, part_c)?);
            }
        }
        run_teams(teams, cut.threads)
    }

    /// Tasks that share the units of each direction: one, where there are rows enough for all threads.
    fn members(&self, cut: Cut) -> usize {
        let [rows, directions] = [self.lengths.len(), self.weights.len()].map(|count| count.max(1));
        let threads = cut.threads / directions;
        let Some(weights) = self.weights.first() else { return 1 };
        if rows >= FEW_ROWS * threads {
            return 1;
        }
        // Each product is followed by an exchange.
        let step = rows * weights.step_work() / weights.products();
        let steps = self.lengths.iter().copied().max().unwrap_or(0);
        if steps.saturating_mul(step) < STEPS.saturating_mul(cut.shared) {
            return 1;
        }
        threads.min(step / cut.shared.max(1)).min(weights.output_blocks()).max(1)
    }

    /// As many as keep every thread busy, and no more than one step of fits into the budget.
    fn rows_of_a_task(&self, cut: Cut, members: usize) -> usize {
        let rows = self.lengths.len().max(1);
        let Some(weights) = self.weights.first() else { return rows };
        let blocks = if members > 1 { 1 } else { cut.threads.div_ceil(self.weights.len()) };
        rows.div_ceil(blocks.max(1)).min(cut.budget / step_bytes(weights, members).max(1)).max(1)
    }
}

/// One direction over some rows.
struct Part<'a, 'p> {
    pass: &'a Pass<'p>,
    weights: &'a Direction,
    reverse: bool,
    input: ArrayView3<'a, f32>,
    lengths: &'a [usize],
    budget: usize,
}

impl<'a> Part<'a, '_> {
    /// A task for each member of a team, each with its own units of the arrays.
    fn tasks(
        &self,
        members: usize,
        mut output: ArrayViewMut3<'a, f32>,
        mut h: ArrayViewMut2<'a, f32>,
        mut c: ArrayViewMut2<'a, f32>,
    ) -> Result<Vec<Task<'a>>, Error> {
        if members < 2 {
            return Ok(vec![self.only_task(output, h, c)]);
        }
        let chunk = self.chunk(members);
        let shares: Vec<_> = (0..members).map(|member| Share::of(self.weights, member, members)).collect();
        let elements = |blocks: &Range<usize>| self.lengths.len() * blocks.len() * PANEL;
        let parts = shares.iter().map(|Share { units, outputs }| match self.weights.products() {
            2 => [elements(outputs), elements(units)],
            _ => [elements(outputs); 2],
        });
        let team = Arc::new(Team::new(parts)?);
        let mut tasks = Vec::with_capacity(members);
        for (member, share) in shares.into_iter().enumerate() {
            let (own_output, own_h, own_c);
            (own_output, output) = take(output, Axis(2), share.outputs.len() * PANEL);
            (own_h, h) = take(h, Axis(1), share.outputs.len() * PANEL);
            (own_c, c) = take(c, Axis(1), share.units.len() * PANEL);
            let team = Some((Arc::clone(&team), member));
            tasks.push(self.task(chunk, share, team, own_output, own_h, own_c));
        }
        Ok(tasks)
    }

    /// A task for all units.
    fn only_task(
        &self,
        output: ArrayViewMut3<'a, f32>,
        h: ArrayViewMut2<'a, f32>,
        c: ArrayViewMut2<'a, f32>,
    ) -> Task<'a> {
        self.task(self.chunk(1), Share::of(self.weights, 0, 1), None, output, h, c)
    }

    fn task(
        &self,
        chunk: usize,
        share: Share,
        team: Option<(Arc<Team>, usize)>,
        output: ArrayViewMut3<'a, f32>,
        h: ArrayViewMut2<'a, f32>,
        c: ArrayViewMut2<'a, f32>,
    ) -> Task<'a> {
        let Pass { config, set, workspaces, .. } = *self.pass;
        Task {
            cell: config.cell,
            set,
            weights: self.weights,
            workspaces,
            reverse: self.reverse,
            input: self.input,
            lengths: self.lengths,
            chunk,
            share,
            team,
            output,
            h,
            c,
        }
    }

    /// Steps of a chunk where so many tasks share the units.
    fn chunk(&self, members: usize) -> usize {
        let longest = self.lengths.iter().copied().max().unwrap_or(0);
        let step = step_bytes(self.weights, members).saturating_mul(self.lengths.len());
        (self.budget / step.max(1)).clamp(1, longest.max(1))
    }
}

/// The first `count` along an axis, or all where there are fewer, and the rest.
fn take<'a, D: Dimension>(
    array: ArrayViewMut<'a, f32, D>,
    axis: Axis,
    count: usize,
) -> (ArrayViewMut<'a, f32, D>, ArrayViewMut<'a, f32, D>) {
    let count = count.min(array.len_of(axis));
    array.split_at(axis, count)
}
