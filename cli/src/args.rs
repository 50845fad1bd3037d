//! The arguments of every command.

mod required;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use wgpu_rnn::{Activation, Error, Precision, Strategy};

use crate::tuning::Tuning;

use crate::device::DeviceChoice;
use crate::keras::KerasArguments;
use crate::shape::{BatchArguments, LayerArguments, nonlinearity};
use required::{FILES, WITH_ACTIVATION, needed, needed_without_file, needed_without_grid};

/// RNN, LSTM and GRU inference with PyTorch's semantics, on any GPU that wgpu supports and on the CPU.
///
/// Exit status: 0 for success, 1 if a check failed, 2 for bad usage or bad input, with one line on standard
/// error.
#[derive(Debug, Parser)]
#[command(name = "wgpu-rnn", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// The most bytes that a layer's parameters, an input array, or the values in files beside an ONNX model may
    /// take; 16 GiB by default.
    #[arg(long, global = true, value_name = "BYTES")]
    pub(crate) max_bytes: Option<u64>,
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
auto: a hardware GPU if it is expected to be at least twice as fast as the CPU backend, otherwise the CPU \
backend; gpu: the best adapter, which may be a software adapter; cpu: the CPU backend; reference: plain f64 \
loops; or an adapter's index in `wgpu-rnn info`, or a part of its name";

const PRECISION_HELP: &str = "\
How the weights are stored: f32, or rounded to f16 in half of the memory. The arithmetic is always f32";

/// Run a layer over an input.
///
/// The layer is inferred from the names and shapes of its weights (PyTorch's or Keras'), or comes from an
/// ONNX model. The first bytes of an input file determine its format, and the extension of an output file its own:
/// .npy, .npz or .safetensors. If a file has several tensors, the name in parentheses below selects one. Arrays
/// are batch-first: input [N, T, I], or [T, I] without a batch; output [N, T, D*H_out]; h_0 and h_n [L*D,
/// N, H_out]; c_0 and c_n [L*D, N, H].
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("file").args(FILES).required(true))]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    /// The input sequences (`input`).
    #[arg(long, value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// The initial hidden state (`h_0`, or `h_n` of another run's output file); zero by default.
    #[arg(long, value_name = "FILE", alias = "h-0")]
    pub(crate) h0: Option<PathBuf>,
    /// The initial cell state of an LSTM (`c_0`, or `c_n` of another run's output file); zero by default.
    #[arg(long, value_name = "FILE", alias = "c-0")]
    pub(crate) c0: Option<PathBuf>,
    /// The number of steps of each sequence (`lengths`), integers from 0 to T, or a mask [N, T] whose rows are
    /// ones (or true) and then zeros; T for all sequences by default.
    #[arg(long, value_name = "FILE")]
    pub(crate) lengths: Option<PathBuf>,
    /// The activation of an RNN; by default the one in the metadata of the weights, or else tanh.
    #[arg(long, value_name = "tanh|relu", value_parser = nonlinearity, conflicts_with_all = WITH_ACTIVATION)]
    pub(crate) nonlinearity: Option<Activation>,
    #[arg(long, default_value = "auto", value_name = "auto|gpu|cpu|reference|INDEX|NAME", help = DEVICE_HELP)]
    pub(crate) device: DeviceChoice,
    #[arg(long, default_value = "auto", help = strategy_help(""))]
    pub(crate) strategy: Strategy,
    #[arg(long, default_value = "f32", value_name = "f32|f16", help = PRECISION_HELP)]
    pub(crate) precision: Precision,
    /// The number of threads of the CPU backend; by default all threads of the machine.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// How the tilings of a GPU's kernels are chosen, and the strategy if --strategy is auto. model: by a
    /// cost model, without a run; measure: by timing a few candidates on the GPU first, which takes about
    /// twenty runs. Results of different strategies differ by rounding.
    #[arg(long, value_name = "model|measure")]
    pub(crate) tuning: Option<Tuning>,
    /// A JSON file that keeps the measurements, so that the next run with the same layer, input size and
    /// GPU does not measure. It is created if it does not exist. Implies --tuning measure.
    #[arg(long, value_name = "FILE")]
    pub(crate) tuning_file: Option<PathBuf>,
    /// The axes of output, h_n and c_n: those above, or those of ONNX's Y, Y_h and Y_c with the attribute
    /// `layout` 0 (onnx) or 1 (onnx-batch-first). In the axes of ONNX, N is 1 without a batch.
    #[arg(long, default_value = "pytorch")]
    pub(crate) layout: Layout,
    /// The file for the output (`output`).
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// The file for the final hidden state (`h_n`).
    #[arg(long, value_name = "FILE")]
    pub(crate) h_n: Option<PathBuf>,
    /// The file for the final cell state of an LSTM (`c_n`).
    #[arg(long, value_name = "FILE")]
    pub(crate) c_n: Option<PathBuf>,
}

/// The axes of the arrays that `run` writes.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Layout {
    /// output [N, T, D*H_out], h_n [L*D, N, H_out], c_n [L*D, N, H]
    Pytorch,
    /// Y [T, D, N, H], Y_h and Y_c [D, N, H] (with L layers [L*D, N, H])
    Onnx,
    /// Y [N, T, D, H], Y_h and Y_c [N, D, H] (with L layers [N, L*D, H])
    OnnxBatchFirst,
}

/// Compare devices with PyTorch's results in case files.
///
/// A case is a safetensors file with input, h_0, c_0, lengths, the parameters, PyTorch's output, h_n and
/// c_n in f32, and output_f64, h_n_f64 and c_n_f64, the same results computed in f64. The table compares
/// the worst error of each device with the worst error of PyTorch's f32, both against f64. It also shows
/// how much of its tolerance the worst element used. The tolerance is derived from the layer's own
/// rounding. The check fails above 100 %.
///
/// --json prints an array of objects: case, device, strategy (null if the device has none), pass, absolute
/// and relative (worst errors), used (the fraction of the tolerance), torch_absolute and torch_relative
/// (PyTorch's worst errors), worst (name, index, expected, found and tolerance of the element that used
/// most of its tolerance), error (the reason why the device gave no result, or null). Numbers that are not
/// finite are null.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// Case files.
    #[arg(required = true, value_name = "CASE")]
    pub(crate) cases: Vec<PathBuf>,
    #[arg(
        long,
        default_value = "auto",
        value_name = "all|auto|gpu|cpu|reference|INDEX|NAME",
        help = format!(
            "all: reference, cpu and every adapter; {DEVICE_HELP}. With several cases, auto checks all cases \
             on each device that it chooses for one of them"
        )
    )]
    pub(crate) device: String,
    #[arg(long, default_value = "auto", help = strategy_help("; all: each of these except auto, in turn"))]
    pub(crate) strategy: Strategies,
    #[arg(long, default_value = "f32", value_name = "f32|f16", help = PRECISION_HELP)]
    pub(crate) precision: Precision,
    /// Print JSON instead of a table.
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
    /// The file for the parameters: .safetensors or .npz.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

/// Time forward passes on several devices.
///
/// Flags or a file give the layer, or --grid takes the standard sizes (tiny, stream, small, seed, speech,
/// wide, big and long) with each kind of cell. Weights come from the file, or are seeded. Inputs are sines,
/// and initial states are zero.
///
/// The first call of each device is compared with the f64 reference, element by element. If that would take
/// too long, the comparison uses some rows, spread over the batch. For a long row of a layer without a
/// reverse direction it may also use the first steps only, without the final states. The column `checked`
/// says how much was compared. A wrong result is an error and gets no row.
///
/// Then the devices take turns, for --seconds each, and for at least three calls or ten seconds. A first
/// call that takes half a minute counts and is not repeated. A case is left out if a call would take more
/// than a minute (or --seconds, if that is more) at the best rate that the device reached before.
///
/// Columns: strategy (the one that a GPU ran); median, min and spread of a whole call, from the host's
/// input to the host's output (spread: from the first to the third quartile, as a fraction of the median);
/// runs; GFLOP/s (2 x multiply-adds / median; multiply-adds: N*T*D * the sum over layers of G*H*(in +
/// H_out) + P*H, with G = 1, 4 or 3 gates and `in` I or D*H_out); x cpu: how many times as fast as the CPU
/// backend (its median / this one). The name of a software adapter, which runs on the CPU, ends with a
/// mark.
///
/// If a GPU has timestamps, a second table shows a call and its parts: upload (the host writes, the GPU
/// copies), compute, readback (the GPU copies, the host reads), and the rest (recording, submitting,
/// waiting). The GPU's clock times the GPU's work. These calls are made after the others, with one
/// submission after the other, and the table shows the one with the median time. Calls of ten seconds and
/// more are not repeated for this table.
///
/// --json writes an object: machine (cpu, cpu_threads, cpu_instructions, architecture, os, version, wgpu,
/// optimised), devices (device, software, adapter: null or name, backend, type, driver), precision, tuning,
/// seconds, rows and errors. Rows have case, layer, cell, batch, steps, input_size, hidden_size,
/// num_layers, directions, multiply_adds, device, software, strategy (the requested one; null if the device
/// has none), ran (the strategy that ran, and how it was chosen), first_ms (making the layer and its first call,
/// with the kernels that no earlier row has compiled), runs, median_ms, minimum_ms, spread, gflops, times_as_fast_as_cpu (null if cpu was left out),
/// checked_rows, checked_steps, tolerance_used (by the worst element; 1 is all of it), and either parts
/// (call_ms, upload_ms, compute_ms, readback_ms, copies_timed: whether they include the GPU's copies) or
/// no_parts (the reason). Errors have case, device, strategy, error.
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
    /// Time the standard sizes instead of one layer; with --cell, for one kind of cell only.
    #[arg(long)]
    pub(crate) grid: bool,
    #[arg(
        long,
        value_name = "DEVICE,...",
        value_delimiter = ',',
        help = format!(
            "The devices to time; by default cpu and each adapter. {DEVICE_HELP}. With --grid, auto times \
             all sizes on each device that it chooses for one of them"
        )
    )]
    pub(crate) device: Vec<DeviceChoice>,
    #[arg(long, default_value = "auto", help = strategy_help("; all: each of these except auto, in turn"))]
    pub(crate) strategy: Strategies,
    #[arg(long, default_value = "f32", value_name = "f32|f16", help = PRECISION_HELP)]
    pub(crate) precision: Precision,
    /// The number of threads of the CPU backend; by default all threads of the machine.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// How the tilings of a GPU's kernels are chosen, and the strategy if --strategy is auto: by a cost
    /// model, or by measuring in the first call, which is not timed.
    #[arg(long, default_value = "model", value_name = "model|measure")]
    pub(crate) tuning: Tuning,
    /// The seconds for the timed calls of each row.
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
/// Flags, weights (PyTorch's or Keras') or an ONNX model give the layer. Nothing is computed. Without a
/// GPU, the plan is for WebGPU's baseline limits.
///
/// Columns: times (the number of dispatches in a row, each one step later than the one before), kernel,
/// layer and directions (the lowest layer of the dispatch, and the number of directions of this layer and
/// those above it), step and steps (the first step, and the number of steps of one dispatch), grid
/// (workgroups), workgroup (invocations x rows of each invocation), memory (bytes of workgroup memory), and
/// the bytes of weights that one dispatch reads, the bytes of vectors that it reads, and the bytes that it
/// writes.
///
/// --json prints an array of plans: layer, device, batch and steps (the requested ones), strategy, rows
/// (the rows of a piece; below batch, the batch is computed in several pieces), in_flight (the pieces that
/// are on the GPU at once), chunk (the steps whose input products are computed at once), expected_us
/// (coarse; it orders the strategies), dispatch_count and submissions (of a piece), workspace_bytes (beyond
/// weights, input, output and state), bytes (of all buffers), buffers (name, bytes) and dispatches (kernel,
/// times, layer, directions, step, steps, grid, invocations, rows, overrides, bindings (names of buffers),
/// workgroup_bytes, weight_bytes, read_bytes, written_bytes).
#[derive(Debug, Args)]
#[command(mut_args(needed_without_file))]
pub(crate) struct PlanArguments {
    #[command(flatten)]
    pub(crate) layer: LayerArguments,
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    #[command(flatten)]
    pub(crate) size: BatchArguments,
    /// gpu: the best adapter, which may be a software adapter, or without one WebGPU's baseline limits;
    /// auto: the best hardware adapter, with a line that says what `run` would choose; baseline: WebGPU's
    /// baseline limits; or an adapter's index in `wgpu-rnn info`, or a part of its name.
    #[arg(long, default_value = "gpu", value_name = "gpu|auto|INDEX|NAME|baseline")]
    pub(crate) device: String,
    #[arg(long, default_value = "auto", help = strategy_help("; all: a plan for each of these except auto"))]
    pub(crate) strategy: Strategies,
    #[arg(long, default_value = "f32", value_name = "f32|f16", help = PRECISION_HELP)]
    pub(crate) precision: Precision,
    /// The bytes that the plan may use beyond weights, input, output and state; 64 MiB by default.
    #[arg(long, value_name = "BYTES")]
    pub(crate) budget: Option<u64>,
    /// Print JSON instead of tables.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show the version, the adapters, and the device that `--device auto` chooses, with the reason.
///
/// The choices of auto are shown for an LSTM of each size of `bench --grid`. The estimates are coarse;
/// `bench` measures.
///
/// --json prints an object: version, adapters (index, name, backend, type, software, driver, auto (whether
/// auto considers it), auto_reason (why it does not, or null), abilities: null or f16, subgroups and
/// limits), cpu_threads, cpu_instructions (the set that the CPU backend uses, such as avx2),
/// cpu_instructions_available (the sets of the machine), and auto: an array of case, layer, batch, steps,
/// takes, reason, cpu_ms and gpu_ms (expected times; null if no GPU was considered).
///
/// --model shows each recurrent layer of the model: the value that it reads, the values that it takes as
/// h_0, c_0 and lengths, if any, and its nodes; or the reason why it cannot be run. With --json this is an
/// object of opset and layers: an array of layer (null if it cannot be run), error (the reason, or null),
/// nodes, input, h_0, c_0, lengths, and constants (those of h_0, c_0 and lengths that the model has itself).
///
/// --keras shows each recurrent layer in the file, by the name that --layers takes. With --json this is an
/// object of layers: an array of name, layer (null if it cannot be run), error (the reason, or null).
///
/// --weights shows each recurrent layer in any file of tensors, by the flags that choose it, and every tensor.
/// With --json this is an object of layers (flags, layer, error) and tensors (name, shape, dtype).
#[derive(Debug, Args)]
pub(crate) struct InfoArguments {
    /// Show the recurrent layers of an ONNX model instead.
    #[arg(long, value_name = "FILE.onnx")]
    pub(crate) model: Option<PathBuf>,
    /// Show the recurrent layers in a file of Keras' weights instead.
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    pub(crate) keras: Option<PathBuf>,
    /// Show the recurrent layers and the tensors in a file instead: .safetensors, .npz, .npy, or a file of
    /// torch.save or of Keras.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "keras"])]
    pub(crate) weights: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The file that contains the layer.
#[derive(Debug, Args)]
pub(crate) struct SourceArguments {
    /// The layer's parameters, with PyTorch's names: .safetensors, .npz, or a file of torch.save or
    /// torch.jit.save (.pt, .pth, .bin, .ckpt, .jit), of which nothing is executed; `wgpu-rnn info --weights` lists
    /// what is in the file.
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
    /// The prefix of the parameters' names, such as "encoder.", or a part at its beginning or end that only
    /// one layer has; needed if the file has several layers.
    #[arg(long, requires = "weights", conflicts_with_all = ["model", "keras"])]
    pub(crate) prefix: Option<String>,
    /// The layers of a stack, the lowest first: prefixes of modules in --weights, or names of layers in --keras.
    /// With --weights, `run` also takes layers of alternating directions: NAME:reverse runs backwards.
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', conflicts_with_all = ["model", "prefix"])]
    pub(crate) layers: Vec<String>,
    /// An ONNX model with the layer; `wgpu-rnn info --model` lists its layers. The rest of the model is not
    /// run. Weights in other files are read from the model's folder.
    #[arg(long, value_name = "FILE.onnx", conflicts_with = "weights")]
    pub(crate) model: Option<PathBuf>,
    /// The name of a node of that layer, or of a node's output; needed if the model has several layers. The
    /// name may be the whole path to a node inside others, as `info` shows it.
    #[arg(long, requires = "model", conflicts_with_all = ["weights", "keras"])]
    pub(crate) node: Option<String>,
    /// Weights of Keras' recurrent layers, with Keras' names and layout: .keras, .h5 (also .weights.h5),
    /// .safetensors or .npz; `wgpu-rnn info --keras` lists its layers.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["weights", "model"])]
    pub(crate) keras: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) keras_options: KerasArguments,
}

/// One strategy, or all of them.
#[derive(Clone, Debug)]
pub(crate) struct Strategies(pub(crate) Vec<Strategy>);

impl Strategies {
    /// Returns the strategy for which `auto` chooses a device.
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

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// Returns the number of threads for [`LayerOptions`](wgpu_rnn::LayerOptions); 0 means those of rayon's pool.
pub(crate) fn threads(given: Option<NonZeroUsize>) -> usize {
    given.map_or(0, NonZeroUsize::get)
}
