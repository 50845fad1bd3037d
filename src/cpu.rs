//! The CPU backend: f32, packed weights, the machine's cores.
//!
//! A layer is cut in tasks, one for each direction and block of rows; a task computes the input's share of the gates
//! for a chunk of time steps as one product, then walks the steps. Every sum has an order that follows from the
//! sizes I and H alone, so that a row's bits depend neither on its neighbours in the batch, nor on the chunks, nor on
//! the number of threads. They do depend on the instructions of the machine: where it has a fused multiply-add, products
//! are not rounded.

mod activation;
mod cell;
mod pack;
mod pass;
mod product;
mod simd;
mod task;
mod team;
#[cfg(test)]
mod tests;
mod workspace;

use ndarray::{Array3, ArrayView3, s};

use crate::batch::{Batch, zeros};
use crate::{Config, Error, Output, Weights};
use pack::Direction;
pub(crate) use pack::PANEL;
use pass::{Cut, Pass};
use simd::Instructions;
use workspace::{Workspaces, reserved};

/// Bytes that a task may take for a chunk of the input and of the gates.
const BUDGET: usize = 1 << 20;

/// Multiply-adds below which another thread costs more than it brings: some ten microseconds of work.
pub(crate) const INLINE: usize = 200_000;

/// Multiply-adds of a step for which a thread is worth having where threads share units: some hundred nanoseconds.
pub(crate) const SHARED: usize = 8_192;

/// A layer with its weights packed for the CPU.
#[derive(Debug)]
pub(crate) struct CpuLayer {
    config: Config,
    /// One for each layer and direction, at `layer * D + direction`.
    directions: Vec<Direction>,
    instructions: Instructions,
    workspaces: Workspaces,
    /// As many as rayon's pool has where this is 0.
    threads: usize,
}

impl CpuLayer {
    /// `threads`: as [`crate::LayerOptions::threads`].
    pub(crate) fn new(weights: &Weights, threads: usize) -> Self {
        let config = *weights.config();
        let pack = |weights| Direction::new(&config, weights);
        let instructions = Instructions::best();
        log::debug!("{config} on the CPU with {instructions:?}");
        CpuLayer {
            config,
            directions: weights.directions().iter().map(pack).collect(),
            instructions,
            workspaces: Workspaces::default(),
            threads,
        }
    }

    pub(crate) fn run(&self, batch: &Batch<'_>) -> Result<Output, Error> {
        let threads = match self.threads {
            _ if self.work(batch) < INLINE => 1,
            0 => rayon::current_num_threads(),
            threads => threads,
        };
        self.run_on(batch, threads)
    }

    /// On so many threads at most, the calling one among them.
    pub(crate) fn run_on(&self, batch: &Batch<'_>, threads: usize) -> Result<Output, Error> {
        self.run_cut(batch, Cut { budget: BUDGET, threads, shared: SHARED })
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
        let mut lengths = reserved("lengths", n)?;
        lengths.extend((0..n).map(|row| batch.length(row)));
        let mut h_n = initial("h_n", batch.h_0.as_ref(), [num_layers * d, n, h_out])?;
        let cell_size = if cell.has_cell_state() { hidden_size } else { 0 };
        let mut c_n = initial("c_n", batch.c_0.as_ref(), [num_layers * d, n, cell_size])?;
        let mut sequence: Option<Array3<f32>> = None;
        for (layer, weights) in self.directions.chunks(d).enumerate() {
            let mut output = zeros("output", [n, t, d * h_out])?;
            let pass = Pass {
                config: self.config,
                instructions: self.instructions,
                workspaces: &self.workspaces,
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

/// The state given, or zeros.
fn initial(name: &str, given: Option<&ArrayView3<'_, f32>>, shape: [usize; 3]) -> Result<Array3<f32>, Error> {
    let mut state = zeros(name, shape)?;
    if let Some(given) = given {
        state.assign(given);
    }
    Ok(state)
}
