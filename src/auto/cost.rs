//! What the rule expects of the CPU backend and of a GPU, in microseconds.
//!
//! The CPU's constants were measured on one thread of an AMD EPYC (Zen 3, AVX2, 512 KiB of L2, 32 MiB of L3): over 21 layers
//! and batches (RNN, LSTM and GRU of N 1 to 128, T 1 to 4096, H 8 to 512), what they give is 0.84 to 1.14 times what was
//! measured (the median of a quiet run). To measure again, on a quiet machine:
//! `cargo test --release --lib auto::tests::cpu -- --ignored --nocapture`. Of the GPU nothing was measured on hardware.

use wgpu::DeviceType;

use super::Adapter;
use crate::cpu::{INLINE, PANEL, SHARED};
use crate::{Config, CpuInstructions, Error, LayerOptions, PlanReport};

/// How many times as fast as the CPU a GPU has to be expected. The estimates are no better than that, and between
/// equals the CPU has no kernels to compile, no device that can be lost and PyTorch's handling of NaN.
pub(super) const MARGIN: f64 = 2.0;

/// From a submission to its answer on the host's side, whatever is computed. Assumed; lavapipe takes 79 to 135.
pub(super) const SUBMISSION_US: f64 = 200.0;

/// Recording a dispatch: 1.1 to 1.4 were measured (`src/gpu/tests/recording.rs`).
const RECORDING_US: f64 = 1.4;

/// Multiply-adds of a thread, measured.
const MULTIPLY_ADDS_PER_US: f64 = 50_000.0;
/// What a gate of a unit takes for a row and a step beside its products, measured: mostly its activation.
const GATE_US: f64 = 1.6e-3;
/// What a row takes for a step beside its gates, measured.
const ROW_US: f64 = 0.014;
/// What a layer takes beside its steps, measured.
const LAYER_US: f64 = 9.0;
/// Times all of this with another instruction set than AVX2.
fn slower(instructions: CpuInstructions) -> f64 {
    match instructions {
        CpuInstructions::Avx2 => 1.0,
        // Measured on Zen 3, one thread: 2.8 to 3.1 for products of 4 to 2048 rows.
        CpuInstructions::Sse2 => 3.0,
        // llvm-mca 19, multiply-adds a cycle of the largest tile: 16 with AVX2 on znver3; with AVX-512 14 on znver4, which has one
        // unit of 512 bits, and 32 on skylake-avx512, which has two, as every Xeon has on which this set is taken.
        CpuInstructions::Avx512 => 0.75,
        // llvm-mca 19, likewise: two units of 128 bits on neoverse-n1, of which the tile keeps four fifths busy.
        CpuInstructions::Neon => 2.5,
        // Measured: 2.0 to 3.1 times the time with AVX2, for layers from RNN(64, 128) with N = 1 to LSTM(512, 512) with N = 32
        // (Node 20 on Zen 3).
        CpuInstructions::Simd128 => 3.0,
        // Assumed: a quarter of a vector's lanes, of which one instruction makes one.
        CpuInstructions::Scalar => 12.0,
    }
}
/// Bytes of recurrent weights that a thread reads in a microsecond, once a step: from the caches, measured; and from memory,
/// where there are more than this, measured with an earlier version of the backend.
const CACHED_BYTES_PER_US: f64 = 160e3;
const CACHE_BYTES: f64 = 8e6;
const MEMORY_BYTES_PER_US: f64 = 35e3;
/// Of n threads as many work as if all n^this did. Two were measured to lose nothing; of more it is assumed.
const SCALING: f64 = 0.85;

/// A forward pass.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work<'a> {
    pub(super) config: &'a Config,
    /// N.
    pub(super) batch: usize,
    /// T.
    pub(super) steps: usize,
    pub(super) options: &'a LayerOptions,
}

/// What kinds of GPU differ in.
struct Kind {
    /// Times what the planner expects, whose figures are those of a middling GPU.
    slower: f64,
    /// Bytes that go to the GPU or come back, with the copy on the host.
    bytes_per_us: f64,
}

/// Assumed: half of what PCIe 3.0 x16 has.
const DISCRETE: Kind = Kind { slower: 1.0, bytes_per_us: 6e3 };
/// Assumed: it shares its memory with the CPU, so that bytes are copied there, and has half of the arithmetic. What does
/// not say what it is is taken for this.
const INTEGRATED: Kind = Kind { slower: 2.0, bytes_per_us: 1e4 };

impl Kind {
    fn of(device_type: DeviceType) -> Kind {
        if device_type == DeviceType::DiscreteGpu { DISCRETE } else { INTEGRATED }
    }
}

impl Work<'_> {
    fn rows(&self) -> f64 {
        self.batch as f64
    }

    fn row_steps(&self) -> f64 {
        self.batch as f64 * self.steps as f64
    }
}

/// What the CPU backend is expected to take in a pool of so many threads, and with those instructions unless the options say
/// otherwise.
pub(super) fn cpu_us(work: &Work<'_>, threads: usize, instructions: CpuInstructions) -> f64 {
    let threads = work.options.threads_of(threads);
    let instructions = work.options.instructions.unwrap_or(instructions);
    // The layers above the first are alike; counting them one by one would take as long as there are layers.
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
    // A task is some rows in one direction, or some units of a few rows.
    let shares = (work.rows() * recurrent / SHARED as f64).min(hidden / PANEL as f64);
    let tasks =
        if work.row_steps() * one < INLINE as f64 { 1.0 } else { work.rows().max(shares) * directions };
    let speedup = tasks.min(threads as f64).max(1.0).powf(SCALING);
    let bytes = 4.0 * recurrent;
    let rate = if bytes > CACHE_BYTES { MEMORY_BYTES_PER_US } else { CACHED_BYTES_PER_US };
    let reading = work.steps as f64 * bytes / rate * directions / directions.min(speedup);
    work.row_steps() * directions * each / speedup + reading + LAYER_US
}

/// What a GPU is expected to take, from the host's input to the host's output.
///
/// # Errors
///
/// Those of [`PlanReport::new`]: the layer does not fit.
pub(super) fn gpu_us(work: &Work<'_>, adapter: &Adapter) -> Result<f64, Error> {
    let plan = PlanReport::new(work.config, work.batch, work.steps, &adapter.capabilities, work.options)?;
    let kind = Kind::of(adapter.device_type);
    let pieces = work.batch.div_ceil(plan.rows.max(1)) as f64;
    let recording = plan.dispatch_count() as f64 * RECORDING_US;
    let computing = plan.expected_us * kind.slower;
    Ok(SUBMISSION_US + pieces * (recording + computing) + transfer_bytes(work) / kind.bytes_per_us)
}

/// Input and initial state there, output and final state back.
fn transfer_bytes(work: &Work<'_>) -> f64 {
    let config = work.config;
    let cell = config.cell_state_size();
    let state =
        config.num_layers as f64 * config.directions() as f64 * (config.hidden_output_size() + cell) as f64;
    let of_a_step = (config.input_size + config.output_size()) as f64;
    4.0 * (work.row_steps() * of_a_step + 2.0 * work.rows() * state)
}
