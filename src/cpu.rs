//! The CPU backend: f32 arithmetic, packed weights, several threads.
//!
//! A layer is split into tasks, one for each direction and block of rows. A task computes the input product
//! of a chunk of time steps at once, then computes the steps one by one. The order of every sum depends only
//! on the sizes I and H, so that a row's bits do not depend on the other rows of the batch, the chunks or
//! the number of threads. They do depend on the instruction set: with a fused multiply-add, products are not
//! rounded.

mod activation;
mod atomic;
mod cell;
mod detect;
mod job;
mod pack;
mod pass;
mod product;
mod reset;
mod rounds;
mod rows;
mod simd;
mod task;
mod team;
#[cfg(test)]
mod tests;
mod variant;
mod worker;
mod workspace;

use ndarray::{Array3, ArrayView3, ArrayViewMut3, s};

#[cfg(doc)]
use crate::ErrorKind;
use crate::array::reserved;
use crate::batch::Batch;
#[cfg(not(target_arch = "wasm32"))]
use crate::pool;
use crate::{Config, CpuInstructions, Error, LayerOptions, Output, Weights};
use pack::Direction;
use pass::{Cut, Pass};
#[cfg(feature = "gpu")]
pub(crate) use simd::PANEL;
use simd::Set;
pub(crate) use workspace::Between;
use workspace::Workspaces;

/// The bytes that a task may use for a chunk of the input and of the gates.
const BUDGET: usize = 1 << 20;

/// The multiply-adds below which another thread costs more than it gains: about ten microseconds of work.
pub(crate) const INLINE: usize = 200_000;

/// The multiply-adds of a step from which another thread pays if threads share units: some hundred
/// nanoseconds of work.
pub(crate) const SHARED: usize = 8_192;

/// Returns the largest number of threads of a call, including the calling thread.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn threads() -> usize {
    if pool::exists() { rayon::current_num_threads() } else { 1 }
}

/// Returns 1, since a browser has one thread.
#[cfg(target_arch = "wasm32")]
pub(crate) fn threads() -> usize {
    1
}

/// A layer with its weights packed for the CPU.
#[derive(Debug)]
pub(crate) struct CpuLayer {
    config: Config,
    /// The weights of each layer and direction, at `layer * D + direction`.
    directions: Vec<Direction>,
    set: Set,
    pub(crate) instructions: CpuInstructions,
    workspaces: Workspaces,
    /// The number of threads; 0 means that of rayon's pool.
    threads: usize,
}

impl CpuLayer {
    /// Packs the weights of a layer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the machine lacks the requested instruction set; [`ErrorKind::OutOfMemory`].
    pub(crate) fn new(weights: &Weights, options: &LayerOptions) -> Result<Self, Error> {
        let instructions = options.instructions.map_or_else(CpuInstructions::best, Ok)?;
        let config = *weights.config();
        let pack = |(index, weights)| Direction::new(&config, index % config.directions(), weights);
        log::debug!("{config} on the CPU with {instructions}");
        Ok(CpuLayer {
            config,
            directions: weights.directions().iter().enumerate().map(pack).collect::<Result<_, _>>()?,
            set: Set::of(instructions).ok_or_else(|| instructions.missing())?,
            instructions,
            workspaces: Workspaces::default(),
            threads: options.threads,
        })
    }

    pub(crate) fn run(&self, batch: &Batch<'_>) -> Result<Output, Error> {
        self.run_cut(batch, self.cut(batch.rows(), batch.steps()))
    }

    /// Like [`CpuLayer::run`], on the caller's arrays. `alone` means without the help of the thread pool.
    pub(crate) fn run_work(&self, work: Work<'_>, between: &mut Between, alone: bool) -> Result<(), Error> {
        let (rows, steps, _) = work.input.dim();
        let cut = self.cut(rows, steps);
        self.walk(work, between, if alone { Cut { threads: 1, ..cut } } else { cut })
    }

    /// Like [`CpuLayer::run`], on the calling thread only.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn run_alone(&self, batch: &Batch<'_>) -> Result<Output, Error> {
        self.run_cut(batch, Cut { threads: 1, ..self.cut(batch.rows(), batch.steps()) })
    }

    /// Returns how to split a batch of that size.
    fn cut(&self, rows: usize, steps: usize) -> Cut {
        let threads = match self.threads {
            _ if cfg!(target_arch = "wasm32") || self.work(rows, steps) < INLINE => 1,
            0 => threads(),
            threads => threads,
        };
        Cut { budget: BUDGET, threads, shared: SHARED }
    }

    /// Returns the approximate number of multiply-adds of one layer for a batch.
    fn work(&self, rows: usize, steps: usize) -> usize {
        let weights = |weights: &Direction| {
            (weights.input.terms() + weights.hidden.terms()).saturating_mul(weights.input.columns())
        };
        let vectors = rows.saturating_mul(steps);
        self.directions.iter().map(weights).max().unwrap_or(0).saturating_mul(vectors)
    }

    fn run_cut(&self, batch: &Batch<'_>, cut: Cut) -> Result<Output, Error> {
        let mut output = Output::zeros(&self.config, batch)?;
        for (state, given) in [(Some(&mut output.h_n), &batch.h_0), (output.c_n.as_mut(), &batch.c_0)] {
            if let (Some(state), Some(given)) = (state, given) {
                state.assign(given);
            }
        }
        let mut lengths = reserved("lengths", batch.rows())?;
        lengths.extend(batch.lengths());
        let mut no_cell_state = Array3::zeros([output.h_n.dim().0, batch.rows(), 0]);
        let work = Work {
            input: batch.input.view(),
            lengths: &lengths,
            output: output.output.view_mut(),
            h: output.h_n.view_mut(),
            c: output.c_n.as_mut().unwrap_or(&mut no_cell_state).view_mut(),
        };
        self.walk(work, &mut Between::default(), cut)?;
        Ok(output)
    }

    /// Runs the layers one after the other.
    fn walk(&self, work: Work<'_>, between: &mut Between, cut: Cut) -> Result<(), Error> {
        let Work { input, lengths, mut output, mut h, mut c } = work;
        let d = self.config.directions();
        let (n, t, _) = input.dim();
        let shape = [n, t, d * self.config.hidden_output_size()];
        for (layer, weights) in self.directions.chunks(d).enumerate() {
            let is_last = layer + 1 == self.config.num_layers;
            let (below, above) = between.around(if is_last { [0; 3] } else { shape })?;
            let pass = Pass {
                config: self.config,
                set: self.set,
                workspaces: &self.workspaces,
                weights,
                input: if layer == 0 { input.view() } else { below },
                lengths,
            };
            let states = s![layer * d..(layer + 1) * d, .., ..];
            let output = if is_last { output.view_mut() } else { above };
            pass.run(output, h.slice_mut(states), c.slice_mut(states), cut)?;
            between.swap();
        }
        Ok(())
    }
}

/// The arrays that a call of a layer reads and writes.
pub(crate) struct Work<'a> {
    /// `[N, T, I]`.
    pub(crate) input: ArrayView3<'a, f32>,
    /// The number of valid steps of each row.
    pub(crate) lengths: &'a [usize],
    /// `[N, T, D*H_out]`; zero before the call.
    pub(crate) output: ArrayViewMut3<'a, f32>,
    /// `[L*D, N, H_out]`: the state before the call and after it.
    pub(crate) h: ArrayViewMut3<'a, f32>,
    /// `[L*D, N, H]`, or `[L*D, N, 0]` if the cell has no cell state.
    pub(crate) c: ArrayViewMut3<'a, f32>,
}
