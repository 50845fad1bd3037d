//! The CPU backend: f32, packed weights, the machine's cores.
//!
//! A layer is cut in tasks, one for each direction and block of rows; a task computes the input's share of the gates
//! for a chunk of time steps as one product, then walks the steps. Every sum has an order that follows from the
//! sizes I, H and T alone, so that a row's bits depend neither on its neighbours in the batch, nor on the chunks, nor on
//! the number of threads.

mod activation;
mod cell;
mod pack;
mod product;
mod task;
#[cfg(test)]
mod tests;

use ndarray::{Array3, ArrayView3, ArrayViewMut3, Axis, s};
use rayon::prelude::*;

use crate::batch::{Batch, zeros};
use crate::{Config, Error, Output, Weights};
use pack::Direction;
use task::{Task, step_bytes};

/// Bytes that a task may take for a chunk of the input and of the gates.
const BUDGET: usize = 4 << 20;

/// Multiply-adds below which another thread costs more than it brings: some ten microseconds of work.
const INLINE: usize = 200_000;

/// A layer with its weights packed for the CPU.
#[derive(Debug)]
pub(crate) struct CpuLayer {
    config: Config,
    /// One for each layer and direction, at `layer * D + direction`.
    directions: Vec<Direction>,
}

/// How a forward pass is cut; the result does not depend on it.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// Bytes that a task may take for a chunk of the input and of the gates.
    budget: usize,
    /// Tasks that can run at once.
    threads: usize,
}

impl CpuLayer {
    pub(crate) fn new(weights: &Weights) -> Self {
        let config = *weights.config();
        let pack = |weights| Direction::new(&config, weights);
        CpuLayer { config, directions: weights.directions().iter().map(pack).collect() }
    }

    pub(crate) fn run(&self, batch: &Batch<'_>) -> Result<Output, Error> {
        let threads = if self.work(batch) < INLINE { 1 } else { rayon::current_num_threads() };
        self.run_cut(batch, Cut { budget: BUDGET, threads })
    }

    /// Multiply-adds of one layer of the batch, about.
    fn work(&self, batch: &Batch<'_>) -> usize {
        let weights = |weights: &Direction| {
            (weights.input.terms() + weights.hidden.terms()).saturating_mul(weights.hidden.columns())
        };
        let steps = batch.rows().saturating_mul(batch.steps());
        self.directions.iter().map(weights).max().unwrap_or(0).saturating_mul(steps)
    }

    fn run_cut(&self, batch: &Batch<'_>, cut: Cut) -> Result<Output, Error> {
        let Config { cell, num_layers, hidden_size, .. } = self.config;
        let (n, t, d) = (batch.rows(), batch.steps(), self.config.directions());
        let h_out = self.config.hidden_output_size();
        let lengths: Vec<usize> = (0..n).map(|row| batch.length(row)).collect();
        let mut h_n = initial("h_n", batch.h_0.as_ref(), [num_layers * d, n, h_out])?;
        let cell_size = if cell.has_cell_state() { hidden_size } else { 0 };
        let mut c_n = initial("c_n", batch.c_0.as_ref(), [num_layers * d, n, cell_size])?;
        let mut sequence: Option<Array3<f32>> = None;
        for (layer, weights) in self.directions.chunks(d).enumerate() {
            let mut output = zeros("output", [n, t, d * h_out])?;
            let pass = Pass {
                config: self.config,
                weights,
                input: sequence.as_ref().map_or(batch.input.view(), |sequence| sequence.view()),
                lengths: &lengths,
            };
            let states = s![layer * d..(layer + 1) * d, .., ..];
            pass.run(output.view_mut(), h_n.slice_mut(states), c_n.slice_mut(states), cut)?;
            sequence = Some(output);
        }
        let output = sequence.map_or_else(|| zeros("output", [n, t, d * h_out]), Ok)?;
        Ok(Output { output, h_n, c_n: cell.has_cell_state().then_some(c_n) })
    }
}

/// All directions of one layer over the whole batch.
struct Pass<'a> {
    config: Config,
    weights: &'a [Direction],
    /// `[N, T, in]`.
    input: ArrayView3<'a, f32>,
    lengths: &'a [usize],
}

impl Pass<'_> {
    /// `output [N, T, D*H_out]` is zero; `h [D, N, H_out]` and `c [D, N, H]` are the state before and after.
    fn run(
        &self,
        mut output: ArrayViewMut3<'_, f32>,
        mut h: ArrayViewMut3<'_, f32>,
        mut c: ArrayViewMut3<'_, f32>,
        cut: Cut,
    ) -> Result<(), Error> {
        let rows = self.rows_of_a_task(cut);
        let mut tasks = Vec::new();
        let h_out = self.config.hidden_output_size();
        let outputs = output.axis_chunks_iter_mut(Axis(2), h_out);
        let states = h.outer_iter_mut().zip(c.outer_iter_mut());
        let mut directions: Vec<_> = self.weights.iter().zip(outputs.zip(states)).collect();
        for (direction, (weights, (output, (h, c)))) in directions.iter_mut().enumerate() {
            let inputs = self.input.axis_chunks_iter(Axis(0), rows).zip(self.lengths.chunks(rows));
            let states = h.axis_chunks_iter_mut(Axis(0), rows).zip(c.axis_chunks_iter_mut(Axis(0), rows));
            let outputs = output.axis_chunks_iter_mut(Axis(0), rows).zip(states);
            tasks.extend(inputs.zip(outputs).map(|((input, lengths), (output, (h, c)))| Task {
                config: self.config,
                weights,
                reverse: direction == 1,
                input,
                lengths,
                output,
                h,
                c,
            }));
        }
        if cut.threads > 1 && tasks.len() > 1 {
            tasks.into_par_iter().try_for_each(|task| task.run(cut.budget))
        } else {
            tasks.into_iter().try_for_each(|task| task.run(cut.budget))
        }
    }

    /// As many as keep every thread busy, and no more than one step of fits into the budget.
    fn rows_of_a_task(&self, cut: Cut) -> usize {
        let blocks = cut.threads.div_ceil(self.weights.len().max(1));
        let fitting = self.weights.first().map_or(1, |weights| cut.budget / step_bytes(weights).max(1));
        self.lengths.len().div_ceil(blocks.max(1)).min(fitting).max(1)
    }
}

/// The state given, or zeros.
fn initial(name: &str, given: Option<&ArrayView3<'_, f32>>, shape: [usize; 3]) -> Result<Array3<f32>, Error> {
    let mut state = zeros(name, shape)?;
    if let Some(given) = given {
        state.assign(given);
    }
    Ok(state)
}

/// A flat array of zeros, or an error where memory for it cannot be had.
fn buffer(what: &str, shape: [usize; 3]) -> Result<Vec<f32>, Error> {
    Ok(zeros(what, shape)?.into_raw_vec_and_offset().0)
}
