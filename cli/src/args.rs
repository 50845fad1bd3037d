//! The arguments of every command.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Arg, ArgGroup, Args, Parser, Subcommand, ValueEnum};
use wgpu_rnn::{Error, Nonlinearity, Precision, Strategy, Tuning};

use crate::device::DeviceChoice;
use crate::keras::KerasArguments;
use crate::shape::{BatchArguments, LayerArguments, NEEDED, OPTIONAL};

/// RNN, LSTM and GRU inference with PyTorch's semantics on any GPU that wgpu reaches, and on the CPU.
///
/// Exit status: 0 done, 1 a check failed, 2 bad usage or bad input, with one line on standard error.
#[derive(Debug, Parser)]
#[command(name = "wgpu-rnn", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(RunArguments),
    Check(CheckArguments),
    Init(InitArguments),
    Bench(BenchArguments),
    Plan(PlanArguments),
    Info(InfoArguments),
}

const DEVICE_HELP: &str = "\
auto: a hardware GPU where it is expected to be at least twice as fast as the CPU backend, and else that; gpu: the best adapter, be it software; cpu; reference: \
plain f64 loops; an adapter's index in `wgpu-rnn info`; or a part of its name";

const PRECISION_HELP: &str = "\
How the weights are stored: as f32, or rounded to f16, in half of the memory; the arithmetic is f32 with either";

/// Run a layer over an input.
///
/// The layer is inferred from the names and shapes of its weights (PyTorch's or Keras'), or is one of an ONNX model. Files are told apart by their extension: .npy, .npz
/// or .safetensors (weights: the latter two). In a file of several tensors the one named as below is taken. Arrays are
/// batch-first: input [N, T, I] or [T, I] without a batch, output [N, T, D*H_out], h_0 and h_n [L*D, N, H_out], c_0 and
/// c_n [L*D, N, H].
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("file").args(FILES).required(true))]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    /// The input sequences (`input`).
    #[arg(long, value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// The initial hidden state (`h_0`); zero unless given.
    #[arg(long, value_name = "FILE", alias = "h-0")]
    pub(crate) h0: Option<PathBuf>,
    /// The initial cell state of an LSTM (`c_0`); zero unless given.
    #[arg(long, value_name = "FILE", alias = "c-0")]
    pub(crate) c0: Option<PathBuf>,
    /// The steps of each sequence (`lengths`), integers from 0 to T; all T unless given.
    #[arg(long, value_name = "FILE")]
    pub(crate) lengths: Option<PathBuf>,
    /// The activation of an RNN; otherwise the one that the weights' metadata names, or tanh.
    #[arg(long, value_name = "tanh|relu", conflicts_with_all = WITH_ACTIVATION)]
    pub(crate) nonlinearity: Option<Nonlinearity>,
    #[arg(long, default_value = "auto", value_name = "auto|gpu|cpu|reference|INDEX|NAME", help = DEVICE_HELP)]
    pub(crate) device: DeviceChoice,
    #[arg(long, default_value = "auto", help = strategy_help(""))]
    pub(crate) strategy: Strategy,
    #[arg(long, default_value = "f32", value_name = "f32|f16", help = PRECISION_HELP)]
    pub(crate) precision: Precision,
    /// Threads that the CPU backend may use; as many as the machine has, unless given.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// How a GPU's strategy, unless it is forced, and tile sizes are found. model: a cost model, at once; measure: the few
    /// best are timed on the GPU first, which takes some twenty runs. Results of different strategies differ by rounding.
    #[arg(long, value_name = "model|measure")]
    pub(crate) tuning: Option<Tuning>,
    /// Keeps what was measured, so that the next run with the same layer, input size and GPU need not; a JSON file, made
    /// if it is not there. Implies --tuning measure.
    #[arg(long, value_name = "FILE")]
    pub(crate) tuning_file: Option<PathBuf>,
    /// How output, h_n and c_n are laid out: as above, or with the axes of ONNX's Y, Y_h and Y_c, whose attribute `layout`
    /// is 0 (onnx) or 1 (onnx-batch-first). Without a batch N is 1 in these.
    #[arg(long, default_value = "pytorch")]
    pub(crate) layout: Layout,
    /// Where the output goes (`output`).
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Where the final hidden state goes (`h_n`).
    #[arg(long, value_name = "FILE")]
    pub(crate) h_n: Option<PathBuf>,
    /// Where the final cell state of an LSTM goes (`c_n`).
    #[arg(long, value_name = "FILE")]
    pub(crate) c_n: Option<PathBuf>,
}

/// The axes of what `run` writes.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Layout {
    /// output [N, T, D*H_out], h_n [L*D, N, H_out], c_n [L*D, N, H]
    Pytorch,
    /// Y [T, D, N, H], Y_h and Y_c [D, N, H] (of L layers [L*D, N, H])
    Onnx,
    /// Y [N, T, D, H], Y_h and Y_c [N, D, H] (of L layers [N, L*D, H])
    OnnxBatchFirst,
}

/// Compare devices with PyTorch's results in case files.
///
/// A case is a safetensors file of input, h_0, c_0, lengths, parameters, PyTorch's output, h_n and c_n in f32, and
/// output_f64, h_n_f64 and c_n_f64, the same computed in f64. Each device's worst error against f64 is shown beside that
/// of PyTorch's f32, and how much of its tolerance (from the layer's own rounding) the worst element used; above 100 %
/// the check fails.
///
/// With --json: an array of objects with case, device, strategy (null where a device has none), pass, absolute and
/// relative (worst errors), used (the part of the tolerance used), torch_absolute and torch_relative (PyTorch's worst
/// errors), worst (name, index, expected, found, tolerance of the element that used most), error (why the device gave no
/// result, else null). Numbers that are not finite are null.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// Case files.
    #[arg(required = true, value_name = "CASE")]
    pub(crate) cases: Vec<PathBuf>,
    #[arg(
        long,
        default_value = "auto",
        value_name = "all|auto|gpu|cpu|reference|INDEX|NAME",
        help = format!("all: reference, cpu and every adapter; {DEVICE_HELP}. With several cases auto is all that it takes for one")
    )]
    pub(crate) device: String,
    #[arg(long, default_value = "auto", help = strategy_help("; all: each but auto in turn"))]
    pub(crate) strategy: Strategies,
    #[arg(long, default_value = "f32", value_name = "f32|f16", help = PRECISION_HELP)]
    pub(crate) precision: Precision,
    /// Print JSON in place of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Write the parameters that torch.manual_seed(S) followed by PyTorch's constructor gives.
#[derive(Debug, Args)]
#[command(mut_args(needed))]
pub(crate) struct InitArguments {
    #[command(flatten)]
    pub(crate) layer: LayerArguments,
    /// PyTorch's seed.
    #[arg(long, value_name = "S")]
    pub(crate) seed: u64,
    /// Where the parameters go: .safetensors or .npz.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

/// Time forward passes on several devices.
///
/// The layer is given by flags or by a file, or --grid takes the standard sizes: tiny, stream, small, seed, speech, wide, big and long,
/// with each kind of cell. Weights are the file's, or seeded, inputs are sines, initial states are zero. The first call of each device
/// is held against the reference in f64, element by element; where that would take too long, on some rows of the batch,
/// spread over it, and of a long row that goes forward only on its first steps, without the final states: `checked`
/// says on how much. A wrong result is an error and gets no row. Then the devices take turns, for --seconds each and at
/// least three calls or ten seconds; a first call that takes half a minute counts and is not repeated. A case
/// is left out where a call would take more than a minute, or --seconds if that is more, at the best rate that the device
/// had before.
///
/// Columns: strategy (what a GPU ran), median, min and spread of a whole call, from the host's input to the host's
/// output (spread: from the first to the third quartile, in parts of the median), runs, GFLOP/s (2 x multiply-adds /
/// median; multiply-adds: N*T*D * the sum over layers of G*H*(in + H_out) + P*H, with G = 1, 4 or 3 gates and `in` I or
/// D*H_out), and x cpu: how many times as fast as the CPU backend (its median / this one). A software adapter, which runs
/// on the CPU, is marked as such by the end of its name.
///
/// Where a GPU has timestamps, a second table has a call (the median of some that come after the others, whose
/// submissions go one after the other) and its parts: upload (the host writes, the GPU copies), compute, readback (the
/// GPU copies, the host reads), and the rest: recording, submitting, waiting. What the GPU does is timed by its clock.
/// Calls of ten seconds and more are not repeated for that.
///
/// With --json: an object of machine (cpu, cpu_threads, cpu_instructions, architecture, os, version, wgpu, optimised), devices (device,
/// software, adapter: null or name, backend, type, driver), precision, tuning, seconds, rows and errors. Rows have case,
/// layer, cell, batch, steps, input_size, hidden_size, num_layers, directions, multiply_adds, device, software, strategy
/// (asked for; null where a device has none), ran (with who chose it), runs, median_ms, minimum_ms, spread, gflops,
/// times_as_fast_as_cpu (null if cpu was left out), checked_rows, checked_steps, tolerance_used (of the worst element; 1
/// is all), and either parts (call_ms, upload_ms, compute_ms, readback_ms, copies_timed: whether the GPU's copies are in
/// them) or no_parts (why). Errors have case, device, strategy, error.
///
/// Exit status 1 if a result was wrong or a device failed.
#[derive(Debug, Args)]
#[command(mut_args(needed_without_grid))]
pub(crate) struct BenchArguments {
    #[command(flatten)]
    pub(crate) layer: LayerArguments,
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    #[command(flatten)]
    pub(crate) size: BatchArguments,
    /// The standard sizes, in place of the flags that say what the layer is; --cell takes one kind of cell only.
    #[arg(long)]
    pub(crate) grid: bool,
    #[arg(
        long,
        value_name = "DEVICE,...",
        value_delimiter = ',',
        help = format!("Some of these; cpu and each adapter unless given. {DEVICE_HELP}. With --grid auto is all that it takes for one size")
    )]
    pub(crate) device: Vec<DeviceChoice>,
    #[arg(long, default_value = "auto", help = strategy_help("; all: each but auto in turn"))]
    pub(crate) strategy: Strategies,
    #[arg(long, default_value = "f32", value_name = "f32|f16", help = PRECISION_HELP)]
    pub(crate) precision: Precision,
    /// Threads that the CPU backend may use; as many as the machine has, unless given.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// How a GPU's strategy, unless it is forced, and tile sizes are found: by a cost model, or measured at the first
    /// call, which is not timed.
    #[arg(long, default_value = "model", value_name = "model|measure")]
    pub(crate) tuning: Tuning,
    /// Seconds for the timed calls of each row.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub(crate) seconds: Duration,
    /// Write the figures, the machine and the devices as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Draw time against size, with a line for each device and strategy, as SVG.
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) plot: Option<PathBuf>,
}

/// Show how a GPU would run a layer: its dispatches and its buffers.
///
/// The layer is given by flags, by its weights (PyTorch's or Keras') or by an ONNX model. Nothing is computed, and without a GPU the plan is for WebGPU's baseline
/// limits. Columns: times (dispatches in a row, a step later each time), kernel, layer and directions (the lowest layer
/// that takes part, and how many directions of it and those above do), step and steps (the first, and how many one
/// dispatch does), grid (workgroups), workgroup (invocations x rows of each), memory (bytes of workgroup memory), and
/// the bytes that one dispatch reads of weights, reads of vectors, and writes.
///
/// With --json: an array of plans with layer, device, batch and steps (what was asked for), strategy, rows (that go at
/// once: the batch goes in pieces of these if that is less), in_flight (pieces that are on the GPU at once), chunk (steps
/// whose input products are computed at once), expected_us (coarse: it orders the strategies), dispatch_count and
/// submissions (of a piece), workspace_bytes (beyond weights, input, output and state), bytes (of all buffers), buffers
/// (name, bytes) and dispatches (kernel, times, layer, directions, step, steps, grid, invocations, rows, overrides,
/// bindings (buffers' names), workgroup_bytes, weight_bytes, read_bytes, written_bytes).
#[derive(Debug, Args)]
#[command(mut_args(needed_without_file))]
pub(crate) struct PlanArguments {
    #[command(flatten)]
    pub(crate) layer: LayerArguments,
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    #[command(flatten)]
    pub(crate) size: BatchArguments,
    /// gpu: the best adapter, be it software, and without one WebGPU's baseline limits; auto: the best hardware adapter, and
    /// whether `run` would take it; baseline: those limits; an adapter's index in `wgpu-rnn info`; or a part of its name.
    #[arg(long, default_value = "gpu", value_name = "gpu|auto|INDEX|NAME|baseline")]
    pub(crate) device: String,
    #[arg(long, default_value = "auto", help = strategy_help("; all: a plan for each but auto"))]
    pub(crate) strategy: Strategies,
    #[arg(long, default_value = "f32", value_name = "f32|f16", help = PRECISION_HELP)]
    pub(crate) precision: Precision,
    /// Bytes that the plan may take beyond weights, input, output and state; 64 MiB unless given.
    #[arg(long, value_name = "BYTES")]
    pub(crate) budget: Option<u64>,
    /// Print JSON in place of tables.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show the version, the adapters and what `--device auto` takes, and why.
///
/// What auto takes is shown for the sizes of `bench --grid`, LSTM. Its estimates are coarse; `bench` measures.
///
/// With --json: an object of version, adapters (index, name, backend, type, software, driver, auto (whether auto considers
/// it), auto_reason (why not, else null), abilities: null or f16, subgroups and limits), cpu_threads, cpu_instructions (what
/// the CPU backend uses, such as avx2), cpu_instructions_available (what the machine has), and auto: an array of case,
/// layer, batch, steps, takes, reason, cpu_ms and gpu_ms (what was expected; null where no GPU was looked at).
///
/// With --model: each recurrent layer that the model has, the value that it reads, the values that it takes as h_0, c_0 and
/// lengths where it takes any, and its nodes; or why no such layer can be run. With --json an object of opset and layers:
/// an array of layer (null where it cannot be run), error (why, else null), nodes, input, h_0, c_0, lengths.
///
/// With --keras: each recurrent layer in the file, by the name that --layers takes. With --json an object of layers: an array of
/// name, layer (null where it cannot be run), error (why, else null).
#[derive(Debug, Args)]
pub(crate) struct InfoArguments {
    /// Show the recurrent layers of an ONNX model instead.
    #[arg(long, value_name = "FILE.onnx")]
    pub(crate) model: Option<PathBuf>,
    /// Show the recurrent layers in a file of Keras' weights instead.
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    pub(crate) keras: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The file that a layer comes from.
#[derive(Debug, Args)]
pub(crate) struct SourceArguments {
    /// The layer's parameters, with PyTorch's names: .safetensors or .npz.
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
    /// What stands before the parameters' names, such as "encoder."; needed if the file has several layers.
    #[arg(long, requires = "weights", conflicts_with_all = ["model", "keras"])]
    pub(crate) prefix: Option<String>,
    /// An ONNX model that the layer is in; `wgpu-rnn info --model` lists its layers. Of the model only the layer is run.
    #[arg(long, value_name = "FILE.onnx", conflicts_with = "weights")]
    pub(crate) model: Option<PathBuf>,
    /// The name of a node of that layer, or of a node's output; needed if the model has several layers.
    #[arg(long, requires = "model", conflicts_with_all = ["weights", "keras"])]
    pub(crate) node: Option<String>,
    /// Weights of Keras' recurrent layers, with Keras' names and layout (kernel, recurrent_kernel, bias): .safetensors or .npz;
    /// `wgpu-rnn info --keras` lists its layers.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["weights", "model"])]
    pub(crate) keras: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) keras_options: KerasArguments,
}

/// Names of the flags of files.
const FILES: [&str; 3] = ["weights", "model", "keras"];
/// Names of the flags of files that say what an RNN's activation is.
const WITH_ACTIVATION: [&str; 2] = ["model", "keras"];

/// One strategy or all.
#[derive(Clone, Debug)]
pub(crate) struct Strategies(pub(crate) Vec<Strategy>);

impl Strategies {
    /// The strategy that a device is chosen for.
    pub(crate) fn one(&self) -> Strategy {
        match self.0[..] {
            [strategy] => strategy,
            _ => Strategy::Auto,
        }
    }
}

impl FromStr for Strategies {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Ok(Strategies(match text {
            "all" => Strategy::ALL.to_vec(),
            _ => vec![text.parse()?],
        }))
    }
}

fn strategy_help(all: &str) -> String {
    let names = [Strategy::Auto].iter().chain(Strategy::ALL).map(Strategy::to_string);
    let names: Vec<String> = names.collect();
    format!("How a GPU cuts the work into dispatches: {}{all}", names.join(", "))
}

/// What makes a layer must be given.
fn needed(arg: Arg) -> Arg {
    let needed = NEEDED.contains(&arg.get_id().as_str());
    if needed { arg.required(true) } else { arg }
}

/// A file says what the layer is; without one flags must.
fn needed_without_file(arg: Arg) -> Arg {
    let name = arg.get_id().as_str();
    let (needed, optional) = (NEEDED.contains(&name), OPTIONAL.contains(&name));
    let is_nonlinearity = name == "nonlinearity";
    let arg = if needed { arg.required_unless_present_any(FILES) } else { arg };
    let arg = if is_nonlinearity { arg.conflicts_with_all(WITH_ACTIVATION) } else { arg };
    if needed || optional { arg.conflicts_with_all(FILES) } else { arg }
}

/// The grid says what the layers are, but for their cell, or a file does; without them flags must.
fn needed_without_grid(arg: Arg) -> Arg {
    let arg = needed_without_file(arg);
    let name = arg.get_id().as_str();
    let (needed, is_cell) = (NEEDED.contains(&name), name == "cell");
    let shape =
        needed || [&OPTIONAL[..], &FILES, &["nonlinearity", "batch", "steps"]].concat().contains(&name);
    let arg = if needed { arg.required_unless_present("grid") } else { arg };
    if shape && !is_cell { arg.conflicts_with("grid") } else { arg }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// As the library takes it.
pub(crate) fn threads(given: Option<NonZeroUsize>) -> usize {
    given.map_or(0, NonZeroUsize::get)
}
