//! The expected times of the CPU backend and of a GPU, in microseconds.
//!
//! The CPU's constants were measured on one thread of an AMD EPYC (Zen 3, AVX2, 512 KiB of L2, 32 MiB of
//! L3). Over 21 layers and batches (RNN, LSTM and GRU of N 1 to 128, T 1 to 4096, H 8 to 512), the estimate
//! is 0.84 to 1.14 times the measured time (the median of a quiet run). To measure again on a quiet machine:
//! `cargo test --release --lib auto::rule::tests::cpu -- --ignored --nocapture`. Nothing was measured on a
//! hardware GPU.

use crate::cpu::{INLINE, PANEL, SHARED};
use crate::{Config, CpuInstructions, Error, LayerOptions, gpu::Capabilities, inspect::PlanReport};

/// The speedup over the CPU that must be expected of a GPU for the rule to choose it. The estimates are no
/// more accurate than that. If both are equally fast, the CPU is better: it has no kernels to compile, no
/// device that can be lost and PyTorch's handling of NaN.
pub(super) const MARGIN: f64 = 2.0;

/// The time from a submission to its answer on the host, whatever is computed. Assumed; lavapipe takes 79
/// to 135.
pub(super) const SUBMISSION_US: f64 = 200.0;

/// The multiply-adds per microsecond of one thread, measured.
const MULTIPLY_ADDS_PER_US: f64 = 50_000.0;
/// The time of one gate of one unit for one row and step without its products, measured. It is mostly the
/// activation.
const GATE_US: f64 = 1.6e-3;
/// The time of one row for one step without its gates, measured.
const ROW_US: f64 = 0.014;
/// The time of a layer without its steps, measured.
const LAYER_US: f64 = 9.0;
/// Returns the factor on these times for an instruction set other than AVX2.
fn slower(instructions: CpuInstructions) -> f64 {
    match instructions {
        CpuInstructions::Avx2 => 1.0,
        // Measured on Zen 3, one thread: 2.8 to 3.1 for products of 4 to 2048 rows.
        CpuInstructions::Sse2 => 3.0,
        // Measured on Zen 4, which has one unit of 512 bits: 0.9. By llvm-mca 19 it is 0.5 on skylake-avx512,
        // which has two, as every Xeon on which this set is chosen: the largest tile does 32 multiply-adds
        // per cycle there, and 16 with AVX2.
        CpuInstructions::Avx512 => 0.75,
        // llvm-mca 19, likewise: neoverse-n1 has two units of 128 bits, and the tile keeps them four fifths
        // busy.
        CpuInstructions::Neon => 2.5,
        // Measured: 2.0 to 3.1 times the time with AVX2, for layers from RNN(64, 128) with N = 1 to
        // LSTM(512, 512) with N = 32 (Node 20 on Zen 3).
        CpuInstructions::Simd128 => 3.0,
        // Assumed: an instruction computes one lane, a quarter of a vector of 128 bits.
        CpuInstructions::Scalar => 12.0,
    }
}
/// The bytes of recurrent weights that a thread reads per microsecond, once per step. The rate from the
/// caches was measured. The rate from memory, for more than `CACHE_BYTES`, was measured with an earlier
/// version of the backend.
const CACHED_BYTES_PER_US: f64 = 160e3;
const CACHE_BYTES: f64 = 8e6;
const MEMORY_BYTES_PER_US: f64 = 35e3;
/// n threads are as fast as n^SCALING ideal threads. Two threads were measured to lose nothing; for more it
/// is assumed.
const SCALING: f64 = 0.85;

/// The forward pass to estimate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work<'a> {
    pub(super) config: &'a Config,
    /// N.
    pub(super) batch: usize,
    /// T.
    pub(super) steps: usize,
    pub(super) options: &'a LayerOptions,
}

/// The bytes transferred to or from a GPU per microsecond, including the copy on the host. Assumed: half of the
/// rate of PCIe 3.0 x16 for a discrete GPU. An integrated GPU shares its memory with the CPU, so that bytes are
/// copied within that memory.
const DISCRETE_BYTES_PER_US: f64 = 6e3;
const INTEGRATED_BYTES_PER_US: f64 = 1e4;

impl Work<'_> {
    fn rows(&self) -> f64 {
        self.batch as f64
    }

    fn row_steps(&self) -> f64 {
        self.batch as f64 * self.steps as f64
    }
}

/// Returns the expected time of the CPU backend in a pool of `threads` threads, with `instructions` unless
/// the options name others.
pub(super) fn cpu_us(work: &Work<'_>, threads: usize, instructions: CpuInstructions) -> f64 {
    let threads = work.options.threads_of(threads);
    let instructions = work.options.instructions.unwrap_or(instructions);
    // The layers above the first are alike, so their cost is multiplied. A loop would take time in
    // proportion to the number of layers.
    let above = work.config.num_layers.saturating_sub(1);
    slower(instructions) * (layer_us(work, threads, 0) + above as f64 * layer_us(work, threads, 1))
}

fn layer_us(work: &Work<'_>, threads: usize, layer: usize) -> f64 {
    let config = work.config;
    let (directions, hidden) = (config.directions() as f64, config.hidden_size as f64);
    let gates = config.cell.gates() as f64 * hidden;
    let h_out = config.hidden_output_size() as f64;
    let recurrent = gates * h_out + config.proj_size as f64 * hidden;
    let one = gates * config.layer_input_size(layer) as f64 + recurrent;
    let each = one / MULTIPLY_ADDS_PER_US + gates * GATE_US + ROW_US;
    // A task computes some rows in one direction, or some units of a few rows.
    let shares = (work.rows() * recurrent / SHARED as f64).min(hidden / PANEL as f64);
    let tasks =
        if work.row_steps() * one < INLINE as f64 { 1.0 } else { work.rows().max(shares) * directions };
    let speedup = tasks.min(threads as f64).max(1.0).powf(SCALING);
    let bytes = 4.0 * recurrent;
    let rate = if bytes > CACHE_BYTES { MEMORY_BYTES_PER_US } else { CACHED_BYTES_PER_US };
    let reading = work.steps as f64 * bytes / rate * directions / directions.min(speedup);
    work.row_steps() * directions * each / speedup + reading + LAYER_US
}

/// Returns the expected time of a GPU, from the host's input to the host's output.
///
/// # Errors
///
/// The errors of [`PlanReport::new`] if the layer does not fit.
pub(super) fn gpu_us(work: &Work<'_>, capabilities: &Capabilities) -> Result<f64, Error> {
    let plan = PlanReport::of_device(work.config, work.batch, work.steps, capabilities, work.options)?;
    let bytes_per_us = if capabilities.discrete { DISCRETE_BYTES_PER_US } else { INTEGRATED_BYTES_PER_US };
    let pieces = work.batch.div_ceil(plan.rows.max(1)) as f64;
    Ok(SUBMISSION_US + pieces * plan.expected_us + transfer_bytes(work) / bytes_per_us)
}

/// Returns the bytes of input and initial state, which go to the GPU, and of output and final state, which
/// come back.
fn transfer_bytes(work: &Work<'_>) -> f64 {
    let config = work.config;
    let cell = config.cell_state_size();
    let state =
        config.num_layers as f64 * config.directions() as f64 * (config.hidden_output_size() + cell) as f64;
    let of_a_step = (config.input_size + config.output_size()) as f64;
    4.0 * (work.row_steps() * of_a_step + 2.0 * work.rows() * state)
}
