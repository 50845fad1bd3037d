//! `wgpu-rnn run`: runs a layer over an input.

use std::path::Path;

use wgpu_rnn::io::{self, MergeMode};
use wgpu_rnn::ndarray::{ArrayD, ArrayViewD, Axis, CowArray, Ix3, IxDyn};
use wgpu_rnn::{Config, Error, ErrorKind, Layer, LayerOptions, Output, Precision, Weights};

use crate::args::{Layout, RunArguments, threads};
use crate::device::{self, Work};
use crate::failure::{Failure, Result};
use crate::files::{Defaults, File, Source};
use crate::given::{Given, to_lengths};
use crate::outputs::{Format, Outputs};
use crate::tuning::Tuning;
use crate::{report, stack};

pub(crate) fn run(arguments: &RunArguments) -> Result<()> {
    let options = options(arguments)?;
    let mut outputs = outputs(arguments)?;
    outputs.check_none_is(&inputs(arguments))?;
    let source = arguments.source.read(arguments.nonlinearity, None)?;
    let Source { weights, above, given: of_model, merge_mode, .. } =
        source.ok_or_else(|| Failure::new("expected --weights, --model or --keras"))?;
    check_cell_state(arguments, weights.config())?;
    check_merge_mode(arguments, weights.config(), merge_mode)?;
    let mut given = given(arguments)?;
    // Only a model has constants, and their number of rows is that of the input.
    let rows = arguments.source.model.is_some().then(|| given.size()[0]);
    let again =
        rows.map(|rows| arguments.source.read(arguments.nonlinearity, Some(rows))).transpose()?.flatten();
    let defaults = again.map(|source| source.defaults).unwrap_or_default();
    let of_model_itself = complete(&mut given, defaults);
    let stack: Vec<Weights> = [weights].into_iter().chain(above).collect();
    let config = stack::config(&stack).ok_or_else(|| Failure::new("expected a layer"))?;
    given.check(&config).map_err(|error| {
        let flag =
            error.subject().and_then(|subject| of_model_itself.iter().find(|(name, _)| *name == subject));
        match flag {
            Some((_, flag)) => {
                Failure::new(format_args!("{error} (a constant of the model; {flag} replaces it)"))
            }
            None => blame(arguments, &error, suspected(&given, &config, &error)),
        }
    })?;
    for (_, flag) in of_model_itself {
        report::note(&format!("{flag} is not given; the model has a constant for it"));
    }
    outputs.open()?;
    tell_what_is_left_out(arguments, &of_model);
    let [batch, steps] = given.size();
    let work = Work { name: "", config, batch, steps };
    let backend = arguments.device.open(&work, &options).map_err(Failure::new)?;
    let spinner = report::spinner(format!("{config} on {backend}"));
    let layers = stack.iter().map(|weights| Layer::new(weights, (backend.clone(), options.clone())));
    let layers = layers.collect::<std::result::Result<Vec<Layer>, Error>>();
    let layers = layers.map_err(|error| unfit(&error, &options))?;
    let result = stack::forward(&layers, &given).map_err(Failure::new)?;
    spinner.finish_and_clear();

    let result = merged(result, &config, merge_mode).map_err(Failure::new)?;
    let result = laid_out(result, arguments.layout).map_err(Failure::new)?;
    outputs.commit(|format, names| encode(format, names, &result))?;
    for layer in &layers {
        report::note(&format!("ran {}", description(layer, &options, given.size())));
    }
    Ok(())
}

/// Adds the states and lengths that are constants of the model, and that the arguments do not give. Returns their names
/// and flags.
fn complete(given: &mut Given, (state, lengths): Defaults) -> Vec<(&'static str, &'static str)> {
    let is_unbatched = given.input.ndim() == 2;
    let fitted = |state: CowArray<'_, f32, Ix3>| match is_unbatched && state.len_of(Axis(1)) == 1 {
        true => state.into_owned().index_axis_move(Axis(1), 0).into_dyn(),
        false => state.into_owned().into_dyn(),
    };
    let mut taken = Vec::new();
    if given.h_0.is_none() {
        given.h_0 = state.h_0.map(fitted);
        taken.extend(given.h_0.as_ref().map(|_| ("h_0", "--h0")));
    }
    if given.c_0.is_none() {
        given.c_0 = state.c_0.map(fitted);
        taken.extend(given.c_0.as_ref().map(|_| ("c_0", "--c0")));
    }
    if given.lengths.is_none() {
        given.lengths = lengths;
        taken.extend(given.lengths.as_ref().map(|_| ("lengths", "--lengths")));
    }
    taken
}

/// Reports the inputs that the model computes for the layer and the arguments do not give.
fn tell_what_is_left_out(arguments: &RunArguments, of_model: &[(&str, String)]) {
    for (flag, names) in of_model {
        let is_given = match *flag {
            "--h0" => arguments.h0.is_some(),
            "--c0" => arguments.c0.is_some(),
            _ => arguments.lengths.is_some(),
        };
        if !is_given {
            report::note(&format!("{flag} is not given; the model takes it from {names}"));
        }
    }
}

fn options(arguments: &RunArguments) -> Result<LayerOptions> {
    let options = LayerOptions {
        strategy: arguments.strategy,
        precision: arguments.precision,
        ..LayerOptions::default()
    };
    let options = LayerOptions { threads: threads(arguments.threads), ..options };
    Ok(match (arguments.tuning, &arguments.tuning_file) {
        (Some(Tuning::Model), Some(path)) => {
            let reason = "tuning-file: expected --tuning measure, found model, which measures nothing";
            return Err(Failure::in_file(path, reason));
        }
        (_, Some(path)) => with_tuning_file(path, &options),
        (tuning, None) => LayerOptions { measure: tuning == Some(Tuning::Measure), ..options },
    })
}

#[cfg(feature = "gpu")]
fn with_tuning_file(path: &Path, options: &LayerOptions) -> LayerOptions {
    LayerOptions { measure: true, tuning_file: Some(path.into()), ..options.clone() }
}

/// Ignores the file, as the library does for a layer that is not on a GPU.
#[cfg(not(feature = "gpu"))]
fn with_tuning_file(_: &Path, options: &LayerOptions) -> LayerOptions {
    options.clone()
}

fn outputs(arguments: &RunArguments) -> Result<Outputs> {
    let mut outputs = Outputs::default();
    let paths = [
        ("output", Some(&arguments.output)),
        ("h_n", arguments.h_n.as_ref()),
        ("c_n", arguments.c_n.as_ref()),
    ];
    for (name, path) in paths {
        if let Some(path) = path {
            outputs.add(name, path, Format::ARRAYS)?;
        }
    }
    Ok(outputs)
}

/// Returns the files that the command reads.
fn inputs(arguments: &RunArguments) -> Vec<&Path> {
    let RunArguments { source, h0, c0, lengths, tuning_file, .. } = arguments;
    let optional = [&source.weights, &source.model, &source.keras, h0, c0, lengths, tuning_file];
    optional.into_iter().flatten().chain([&arguments.input]).map(|path| path.as_path()).collect()
}

/// Refuses `--c-n` for a cell that has no cell state.
fn check_cell_state(arguments: &RunArguments, config: &Config) -> Result<()> {
    match &arguments.c_n {
        Some(path) if !config.cell.has_cell_state() => {
            let reason = format!("c_n: expected no --c-n, since {} has no cell state", config.cell);
            Err(Failure::in_file(path, reason))
        }
        _ => Ok(()),
    }
}

fn given(arguments: &RunArguments) -> Result<Given> {
    let array = |path: &Path, name| File::read(path)?.one(name, |tensors, name| tensors.f32(name));
    Ok(Given {
        input: array(&arguments.input, "input")?,
        h_0: arguments.h0.as_deref().map(|path| array(path, "h_0")).transpose()?,
        c_0: arguments.c0.as_deref().map(|path| array(path, "c_0")).transpose()?,
        lengths: arguments.lengths.as_deref().map(lengths).transpose()?,
    })
}

fn lengths(path: &Path) -> Result<Vec<usize>> {
    let file = File::read(path)?;
    file.one("lengths", |tensors, name| to_lengths(&tensors.i64(name)?, tensors.dtype(name) == Some("bool")))
}

/// Returns what the shapes suggest that is wrong with the axes of the array that was refused.
fn suspected(given: &Given, config: &Config, error: &Error) -> &'static str {
    let input = given.input.shape();
    let is_swapped = |state: &Option<ArrayD<f32>>| match state.as_ref().map(ArrayD::shape) {
        Some(&[rows, layers, _]) => {
            rows != layers
                && layers == config.num_layers * config.directions()
                && Some(&rows) == input.first()
        }
        _ => false,
    };
    match (error.subject(), input) {
        (Some("input"), [.., steps, features]) if steps == &config.input_size && features != steps => {
            " (its last two axes seem to be exchanged)"
        }
        (Some("lengths"), [_, steps, _]) if given.lengths.as_ref().map(Vec::len) == Some(*steps) => {
            " (the first two axes of the input seem to be exchanged; expected [N, T, I])"
        }
        (Some("h_0"), _) if is_swapped(&given.h_0) => SWAPPED,
        (Some("c_0"), _) if is_swapped(&given.c_0) => SWAPPED,
        _ => "",
    }
}

/// The hint for a state with the axes of a batch-first array.
const SWAPPED: &str = " (its axes seem to be [N, L*D, H]: transpose the first two)";

/// Adds the name of the file whose array the library refused, and a hint.
fn blame(arguments: &RunArguments, error: &Error, hint: &str) -> Failure {
    let file = match (error.kind(), error.subject()) {
        (ErrorKind::Input, Some("input")) => Some(&arguments.input),
        (ErrorKind::Input, Some("h_0")) => arguments.h0.as_ref(),
        (ErrorKind::Input, Some("c_0")) => arguments.c0.as_ref(),
        (ErrorKind::Input, Some("lengths")) => arguments.lengths.as_ref(),
        _ => None,
    };
    match file {
        Some(path) => Failure::in_file(path, format_args!("{error}{hint}")),
        None => Failure::new(error),
    }
}

/// Names the flag that halves weights that are too large for a buffer.
fn unfit(error: &Error, options: &LayerOptions) -> Failure {
    let is_too_large = error.kind() == ErrorKind::TooLarge && error.to_string().contains("weights");
    match is_too_large && options.precision == Precision::F32 {
        true => Failure::new(format_args!("{error} (--precision f16 stores them in half the size)")),
        false => Failure::new(error),
    }
}

/// Describes a run, such as `LSTM(80, 256) on gpu: NAME (vulkan), strategy scan (auto)`: with the strategy
/// that ran and, if it was not forced, how it was chosen.
fn description(layer: &Layer, options: &LayerOptions, [rows, steps]: [usize; 2]) -> String {
    let weights = if options.precision == Precision::F16 { ", weights f16" } else { "" };
    let ran = format!("{} on {}{weights}", layer.config(), layer.backend());
    match device::strategy(layer, options, rows, steps) {
        Some(strategy) => format!("{ran}, strategy {strategy}"),
        None => ran,
    }
}

/// Refuses a mode of merging that ONNX's axes cannot show or that a layer of one direction cannot have.
fn check_merge_mode(arguments: &RunArguments, config: &Config, mode: MergeMode) -> Result<()> {
    match (mode, arguments.layout) {
        (MergeMode::Concat, _) | (_, Layout::Pytorch)
            if mode == MergeMode::Concat || config.bidirectional =>
        {
            Ok(())
        }
        (_, Layout::Pytorch) => Err(Failure::new(format_args!(
            "merge_mode: expected a bidirectional layer for {mode}, found {config}"
        ))),
        _ => Err(Failure::new(format_args!(
            "layout: expected pytorch with merge_mode {mode}, found an ONNX layout"
        ))),
    }
}

/// Returns the result with the two directions of the output merged.
fn merged(
    mut result: Output<IxDyn>,
    config: &Config,
    mode: MergeMode,
) -> std::result::Result<Output<IxDyn>, Error> {
    if config.bidirectional {
        result.output = mode.merge(result.output.view())?;
    }
    Ok(result)
}

/// Returns the result with the requested axes.
fn laid_out(result: Output<IxDyn>, layout: Layout) -> std::result::Result<Output<IxDyn>, Error> {
    let layout = match layout {
        Layout::Pytorch => return Ok(result),
        Layout::Onnx => 0,
        Layout::OnnxBatchFirst => 1,
    };
    let (y, y_h, y_c) = result.to_onnx(layout)?;
    Ok(Output::new(y.into_dyn(), y_h.into_dyn(), y_c.map(|y_c| y_c.into_dyn())))
}

/// Encodes the named arrays as a file.
fn encode(
    format: Format,
    names: &[&'static str],
    result: &Output<IxDyn>,
) -> std::result::Result<Vec<u8>, Error> {
    let arrays = names.iter().filter_map(|&name| Some((name, array(name, result)?)));
    match format {
        Format::Npz => io::to_npz(arrays),
        Format::Safetensors => io::to_safetensors(arrays),
        _ => arrays.map(|(_, values)| io::to_npy(values)).next().unwrap_or(Ok(Vec::new())),
    }
}

fn array<'a>(name: &str, result: &'a Output<IxDyn>) -> Option<ArrayViewD<'a, f32>> {
    match name {
        "output" => Some(result.output.view()),
        "h_n" => Some(result.h_n.view()),
        _ => result.c_n.as_ref().map(|values| values.view()),
    }
}
