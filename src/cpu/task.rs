//! One direction of one layer over some rows of the batch: the unit of work of a thread.

use ndarray::{ArrayView3, ArrayViewMut2, ArrayViewMut3, s};

use super::pack::Direction;
use super::product::{multiply, multiply_many};
use super::{buffer, cell};
use crate::{Config, Error};

/// T from which on the input's share is computed by the matrix product, which for fewer rows is no faster.
pub(super) const MANY_STEPS: usize = 8;

/// What a thread reads and what it writes; tasks share nothing that is written.
pub(super) struct Task<'a> {
    pub(super) config: Config,
    pub(super) weights: &'a Direction,
    pub(super) reverse: bool,
    /// `[rows, T, in]`.
    pub(super) input: ArrayView3<'a, f32>,
    /// Valid steps of each row.
    pub(super) lengths: &'a [usize],
    /// `[rows, T, H_out]`, zero.
    pub(super) output: ArrayViewMut3<'a, f32>,
    /// `[rows, H_out]`: the state before and after.
    pub(super) h: ArrayViewMut2<'a, f32>,
    /// `[rows, H]`, or `[rows, 0]` where the cell has no cell state.
    pub(super) c: ArrayViewMut2<'a, f32>,
}

/// The rows of a task, longest first: those that still have steps left are always the first ones.
struct Rows {
    /// Index of each row in the task's arrays.
    order: Vec<usize>,
    lengths: Vec<usize>,
}

impl Rows {
    fn new(lengths: &[usize]) -> Self {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        order.sort_by_key(|&row| std::cmp::Reverse(lengths[row]));
        let lengths = order.iter().map(|&row| lengths[row]).collect();
        Rows { order, lengths }
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

/// The arrays of a task, rows in the order of [`Rows`].
struct Workspace {
    /// `[chunk, rows, in]`.
    x: Vec<f32>,
    /// `[chunk, rows, G*H]`: the input's share of the gates.
    of_input: Vec<f32>,
    /// `[rows, G*H]`: the hidden state's share.
    of_hidden: Vec<f32>,
    /// `[rows, H]`, only for a projection: the hidden state before it.
    unprojected: Vec<f32>,
    /// `[rows, H_out]`.
    h: Vec<f32>,
    /// `[rows, H]`, or nothing.
    c: Vec<f32>,
}

/// Bytes of workspace that one row takes for each step of a chunk.
pub(super) fn step_bytes(weights: &Direction) -> usize {
    (weights.input.terms() + weights.input.columns()) * size_of::<f32>()
}

impl Task<'_> {
    /// Walks the rows' steps, in chunks that keep the workspace for the input's share within `budget` bytes.
    pub(super) fn run(mut self, budget: usize) -> Result<(), Error> {
        let rows = Rows::new(self.lengths);
        let count = rows.order.len();
        let one_step = step_bytes(self.weights).saturating_mul(count);
        let chunk = (budget / one_step.max(1)).clamp(1, rows.longest().max(1));
        let mut workspace = self.workspace(count, chunk)?;
        self.load_state(&rows, &mut workspace);
        for start in (0..rows.longest()).step_by(chunk) {
            let end = rows.longest().min(start + chunk);
            // Rows that end inside the chunk leave stale values behind, which no step reads.
            let live = rows.live(start);
            self.project(&rows, start..end, live, &mut workspace);
            for step in start..end {
                self.step(rows.live(step), (step - start) * live, &mut workspace);
                self.store_output(&rows, step, &workspace);
            }
        }
        self.store_state(&rows, &workspace);
        Ok(())
    }

    fn workspace(&self, rows: usize, chunk: usize) -> Result<Workspace, Error> {
        let (terms, columns) = (self.weights.input.terms(), self.weights.input.columns());
        let unprojected = if self.weights.projection.is_some() { self.config.hidden_size } else { 0 };
        Ok(Workspace {
            x: buffer("a chunk of the input", [chunk, rows, terms])?,
            of_input: buffer("a chunk of the gates", [chunk, rows, columns])?,
            of_hidden: buffer("the gates of a step", [1, rows, columns])?,
            unprojected: buffer("the hidden state before the projection", [1, rows, unprojected])?,
            h: buffer("the hidden state", [1, rows, self.h.ncols()])?,
            c: buffer("the cell state", [1, rows, self.c.ncols()])?,
        })
    }

    /// The input's share of the gates for the first `live` rows and a range of steps.
    fn project(&self, rows: &Rows, steps: std::ops::Range<usize>, live: usize, workspace: &mut Workspace) {
        let (terms, columns) = (self.weights.input.terms(), self.weights.input.columns());
        let count = steps.len() * live;
        let x = &mut workspace.x[..count * terms];
        for (step, x) in steps.zip(x.chunks_exact_mut(live * terms)) {
            for (row, x) in x.chunks_exact_mut(terms).enumerate().take(rows.live(step)) {
                let time = rows.time(row, step, self.reverse);
                copy(&self.input.slice(s![rows.order[row], time, ..]), x);
            }
        }
        let of_input = &mut workspace.of_input[..count * columns];
        // T alone decides: neither the batch nor the chunks may change a row's bits.
        if self.input.dim().1 < MANY_STEPS {
            multiply(&self.weights.input, x, of_input);
        } else {
            multiply_many(&self.weights.weight_ih, &self.weights.input, x, of_input);
        }
    }

    /// One time step of the first `live` rows, whose input shares begin at row `first` of the chunk.
    fn step(&self, live: usize, first: usize, workspace: &mut Workspace) {
        let Direction { hidden, projection, .. } = self.weights;
        let (units, columns) = (self.config.hidden_size, hidden.columns());
        let Workspace { of_input, of_hidden, unprojected, h, c, .. } = workspace;
        let (h, of_hidden) = (&mut h[..live * hidden.terms()], &mut of_hidden[..live * columns]);
        multiply(hidden, h, of_hidden);
        let new = if projection.is_some() { &mut unprojected[..live * units] } else { &mut *h };
        let mut c = c.chunks_exact_mut(units);
        let shares = of_input[first * columns..].chunks_exact(columns).zip(of_hidden.chunks_exact(columns));
        for (new, (of_input, of_hidden)) in new.chunks_exact_mut(units).zip(shares) {
            cell::advance(self.config.cell, of_input, of_hidden, new, c.next().unwrap_or(&mut []));
        }
        if let Some(projection) = projection {
            multiply(projection, &unprojected[..live * units], h);
        }
    }

    fn load_state(&self, rows: &Rows, workspace: &mut Workspace) {
        for (views, buffer) in [(&self.h, &mut workspace.h), (&self.c, &mut workspace.c)] {
            let width = views.ncols().max(1);
            for (&row, buffer) in rows.order.iter().zip(buffer.chunks_exact_mut(width)) {
                copy(&views.row(row), buffer);
            }
        }
    }

    fn store_output(&mut self, rows: &Rows, step: usize, workspace: &Workspace) {
        for (row, h) in workspace.h.chunks_exact(self.h.ncols()).enumerate().take(rows.live(step)) {
            let time = rows.time(row, step, self.reverse);
            self.output.slice_mut(s![rows.order[row], time, ..]).assign(&ndarray::aview1(h));
        }
    }

    fn store_state(&mut self, rows: &Rows, workspace: &Workspace) {
        for (views, buffer) in [(&mut self.h, &workspace.h), (&mut self.c, &workspace.c)] {
            let width = views.ncols().max(1);
            for (&row, buffer) in rows.order.iter().zip(buffer.chunks_exact(width)) {
                views.row_mut(row).assign(&ndarray::aview1(buffer));
            }
        }
    }
}

fn copy(from: &ndarray::ArrayView1<'_, f32>, to: &mut [f32]) {
    match from.as_slice() {
        Some(from) => to.copy_from_slice(from),
        None => to.iter_mut().zip(from).for_each(|(to, &from)| *to = from),
    }
}
