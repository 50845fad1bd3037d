//! What must hold of configurations, state dicts and batches, whatever they are.

use arbitrary::Unstructured;
use wgpu_rnn::ndarray::{ArrayD, IxDyn};
use wgpu_rnn::tolerance::{self, Comparison};
use wgpu_rnn::{
    Activation, Backend, Cell, Config, ErrorKind, Input, Layer, LayerOptions, LoadOptions, Output, Precision,
    State, Weights, inspect::PlanReport, reference, wgpu::Limits,
};

use super::problem::{Array, Mistake, Problem, random};

/// The largest weight that a half can hold once it is rounded, and what is rounded to more than that.
const TOO_LARGE_FOR_A_HALF: f32 = 65520.0;
/// Results beyond this may have left f32's range on the way.
const IN_RANGE: f64 = 1e30;

type StateDict = Vec<(String, ArrayD<f32>)>;
type Dynamic<A = f32> = Output<IxDyn, A>;

/// How far a problem came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No layer can be like that.
    NoLayer,
    /// The batch does not fit the layer, or a weight its precision.
    Refused,
    /// The layer's result is as it should be.
    Computed,
}

/// Makes a problem of the bytes, and tries it.
pub fn check(bytes: &[u8]) -> Outcome {
    let Ok(problem) = Problem::new(&mut Unstructured::new(bytes)) else { return Outcome::NoLayer };
    check_config(&problem);
    if !is_valid(&problem.config) {
        return Outcome::NoLayer;
    }
    check_state_dict(&problem);
    check_layer(&problem)
}

/// The rules of PyTorch's constructors, and that the parameters can be counted. Sizes are small or huge here.
fn is_valid(config: &Config) -> bool {
    let sizes = [config.input_size, config.hidden_size, config.num_layers];
    let projection =
        config.proj_size == 0 || config.cell == Cell::Lstm && config.proj_size < config.hidden_size;
    sizes.iter().all(|&size| (1..1 << 32).contains(&size)) && projection && is_valid_variant(config)
}

/// What ONNX has and PyTorch has not: what is for one cell alone, or for one direction, and numbers that are ones.
fn is_valid_variant(config: &Config) -> bool {
    let for_lstm = config.cell == Cell::Lstm || !config.input_forget && !config.peepholes;
    let for_gru = config.cell == Cell::Gru || config.reset_after;
    let numbers = config.activations.iter().flatten().flat_map(|functions| {
        // An RNN has f, a GRU f and g, an LSTM all three.
        functions.iter().take(if config.cell.gates() == 1 { 1 } else { config.cell.gates() - 1 })
    });
    !(config.reverse && config.bidirectional)
        && for_lstm
        && for_gru
        && config.clip.is_none_or(|clip| clip > 0.0 && clip.is_finite())
        && numbers.into_iter().all(|function| !function.to_string().contains("inf"))
}

/// Everything that takes a configuration refuses a bad one with one message, and none panics.
fn check_config(problem: &Problem) {
    let config = &problem.config;
    let valid = config.validate();
    assert_eq!(valid.is_ok(), is_valid(config), "{config:?}: {valid:?}");
    let _ = (config.to_string(), config.output_size(), config.parameters().take(12).count());
    let input = batch(problem);
    let (rows, steps) = (problem.input.shape.first().copied().unwrap_or(0), problem.seed as usize % 50);
    let options =
        LayerOptions { precision: problem.precision, budget: problem.seed >> 40, ..LayerOptions::default() };
    let plan = PlanReport::new(config, rows, steps, &Limits::default(), &options);
    let Err(error) = valid else {
        if let Ok(plan) = plan {
            let _ = plan.to_string();
        }
        return;
    };
    let message = error.to_string();
    assert_eq!(Weights::seeded(*config, 0).map(|_| ()).unwrap_err().to_string(), message);
    assert_eq!(plan.map(|_| ()).unwrap_err().to_string(), message);
    assert_eq!(input.check_fits(config).unwrap_err().to_string(), message);
}

/// A state dict is taken if and only if there is a configuration that has these very parameters.
fn check_state_dict(problem: &Problem) {
    let (mut tensors, finite) = state_dict(problem);
    let shapes: Vec<(String, Vec<usize>)> =
        tensors.iter().map(|(name, values)| (name.clone(), values.shape().to_vec())).collect();
    let activation = activation_of(&problem.config);
    let options = LoadOptions { layers: vec!["".into()], activation, ..LoadOptions::default() };
    let found = Weights::from_state_dict(tensors.clone(), &options);
    let expected = configuration_of(&shapes).filter(|config| {
        // A nonlinearity is given for an RNN alone.
        matches!(config.cell, Cell::RnnTanh | Cell::RnnRelu) || options.activation.is_none()
    });
    match (&found, expected) {
        (Ok(weights), Some(expected)) if finite => {
            assert_eq!(same_activation(weights.config()), same_activation(&expected), "{shapes:?}");
            for (parameter, values) in weights.parameters() {
                let place = tensors.iter().position(|(name, _)| *name == parameter);
                let (_, given) = tensors.swap_remove(place.expect("the parameter is one that was given"));
                assert_eq!(values, given.view(), "{parameter}");
            }
        }
        (Err(error), Some(_)) if !finite && error.to_string().contains("expected a finite value") => {}
        (Err(error), None) => assert!(!error.to_string().contains(char::is_control), "{error:?}"),
        (found, expected) => panic!("{found:?} instead of {expected:?} for {shapes:?}"),
    }
}

/// The activation of an RNN, which shapes do not tell.
fn activation_of(config: &Config) -> Option<Activation> {
    matches!(config.cell, Cell::RnnTanh | Cell::RnnRelu).then(|| config.cell.activations()[0])
}

/// The configuration with tanh where there is a choice, which shapes do not tell.
fn same_activation(config: &Config) -> Config {
    let mut config = *config;
    if config.cell == Cell::RnnRelu {
        config.cell = Cell::RnnTanh;
    }
    config
}

/// The problem's parameters with its mistakes, and whether all of those that are recurrent are finite.
fn state_dict(problem: &Problem) -> (StateDict, bool) {
    let weights = weights(problem);
    let mut tensors: StateDict =
        weights.parameters().map(|(name, values)| (name, values.to_owned())).collect();
    for mistake in &problem.mistakes {
        let place = |place: &usize| place % tensors.len().max(1);
        match mistake {
            Mistake::Drop(at) if !tensors.is_empty() => _ = tensors.swap_remove(place(at)),
            Mistake::Add(name, shape) if tensors.iter().all(|(other, _)| other != name) => {
                tensors.push((name.clone(), ArrayD::zeros(&shape[..])));
            }
            Mistake::Reshape(at, shape) if !tensors.is_empty() => {
                let at = place(at);
                tensors[at].1 = ArrayD::zeros(&shape[..]);
            }
            Mistake::Spoil(at, value) if !tensors.is_empty() => {
                let at = place(at);
                if let Some(first) = tensors[at].1.first_mut() {
                    *first = *value;
                }
            }
            _ => {}
        }
    }
    let finite =
        tensors.iter().all(|(name, values)| !is_recurrent(name) || values.iter().all(|v| v.is_finite()));
    (tensors, finite)
}

/// Whether a tensor is named like one that belongs to a layer without a prefix, rather than one of another module.
fn is_recurrent(name: &str) -> bool {
    let Some((stem, layer)) = name.trim_end_matches("_reverse").rsplit_once("_l") else { return false };
    let is_number = layer.parse::<usize>().is_ok_and(|number| number.to_string() == layer);
    !name.contains('.') && is_number && (stem.starts_with("weight_") || stem.starts_with("bias_"))
}

/// The configuration that has just these parameters, searched for among all that the sizes allow.
fn configuration_of(tensors: &[(String, Vec<usize>)]) -> Option<Config> {
    let recurrent: Vec<_> = tensors.iter().filter(|(name, _)| is_recurrent(name)).cloned().collect();
    let size_of = |name: &str, axis: usize| {
        recurrent.iter().find(|(other, _)| other == name).and_then(|(_, shape)| shape.get(axis).copied())
    };
    let (input_size, rows) = (size_of("weight_ih_l0", 1)?, size_of("weight_hh_l0", 0)?);
    let proj_sizes = [0, size_of("weight_hr_l0", 0).unwrap_or(0)];
    let both = [false, true];
    let configs = [Config::rnn, Config::gru, Config::lstm].into_iter().flat_map(|new| {
        let hidden_size = rows / new(1, 1).cell.gates();
        let layers = (1..=recurrent.len()).map(move |layers| new(input_size, hidden_size).num_layers(layers));
        let directions = layers.flat_map(move |config| both.map(|two| config.bidirectional(two)));
        let biases = directions.flat_map(move |config| both.map(|bias| config.bias(bias)));
        let peepholes = biases.flat_map(move |config| both.map(|peepholes| Config { peepholes, ..config }));
        peepholes.flat_map(move |config| proj_sizes.map(|size| config.proj_size(size)))
    });
    configs.filter(is_valid).find(|config| {
        config.parameters().count() == recurrent.len()
            && config.parameters().all(|one| recurrent.contains(&one))
    })
}

/// The problem's parameters: PyTorch's, as large as the problem says.
fn weights(problem: &Problem) -> Weights {
    let mut next = random(problem.seed, problem.scale);
    let values = |_: &str, shape: &[usize]| Ok(ArrayD::from_shape_simple_fn(shape, &mut next));
    Weights::from_fn(problem.config, values).expect("right parameters")
}

fn batch(problem: &Problem) -> Input<'_, IxDyn> {
    let input = Input::new(problem.input.view());
    let input = match &problem.lengths {
        Some(lengths) => input.lengths(lengths),
        None => input,
    };
    let mut state = State::default();
    state.h_0 = problem.h_0.as_ref().map(|h_0| h_0.view().into());
    state.c_0 = problem.c_0.as_ref().map(|c_0| c_0.view().into());
    input.state(state)
}

/// Whether the batch fits the layer, by the words of the documentation.
fn fits(problem: &Problem) -> bool {
    let Problem { config, input, lengths, h_0, c_0, .. } = problem;
    let (n, t) = match input.shape[..] {
        [n, t, features] if features == config.input_size => (Some(n), t),
        [t, features] if features == config.input_size => (None, t),
        _ => return false,
    };
    let states = config.num_layers * config.directions();
    let state = |size| [Some(states), n, Some(size)].into_iter().flatten().collect::<Vec<_>>();
    let is_shape =
        |array: &Option<Array>, size| array.as_ref().is_none_or(|array| array.shape == state(size));
    let has_lengths = lengths
        .as_ref()
        .is_none_or(|lengths| lengths.len() == n.unwrap_or(1) && lengths.iter().all(|&length| length <= t));
    t > 0
        && has_lengths
        && is_shape(h_0, config.hidden_output_size())
        && is_shape(c_0, config.hidden_size)
        && (c_0.is_none() || config.cell == Cell::Lstm)
}

/// Every implementation takes what fits and refuses what does not, in the same words; the CPU is near to the reference.
fn check_layer(problem: &Problem) -> Outcome {
    let weights = weights(problem);
    let options =
        LayerOptions { precision: problem.precision, threads: problem.threads, ..LayerOptions::default() };
    let too_large = problem.precision == Precision::F16 && has_too_large(&weights);
    let layer = match Layer::new(&weights, (Backend::Cpu, options)) {
        Ok(layer) => layer,
        Err(error) if too_large && error.kind() == ErrorKind::Tensor => return Outcome::Refused,
        Err(error) => panic!("{error} for {problem:?}"),
    };
    assert!(!too_large, "{problem:?}");
    let input = batch(problem);
    let rounded = problem.precision.round(&weights).expect("weights that were rounded before");
    let expected = reference::forward(&rounded, &input);
    let tolerance = tolerance::forward(&weights, problem.precision, &input);
    let found = layer.forward(&input);
    let polled = pollster::block_on(layer.forward_async(&input));
    assert_eq!(expected.is_ok(), fits(problem), "{expected:?} for {problem:?}");
    match (expected, tolerance, found, polled) {
        (Ok(expected), Ok(tolerance), Ok(found), Ok(polled)) => {
            check_result(problem, &expected, &tolerance, &found);
            assert_eq!(bits(&found), bits(&polled));
            input.check_fits(&problem.config).expect("a batch that was computed");
            // Its final state is an initial one.
            input.clone().state(&found).check_fits(&problem.config).expect("a state from the layer itself");
            Outcome::Computed
        }
        (Err(error), Err(of_tolerance), Err(found), Err(polled)) => {
            let message = error.to_string();
            let fits = input.check_fits(&problem.config).expect_err("a batch that is refused");
            for other in [of_tolerance, found, polled, fits] {
                assert_eq!(other.to_string(), message);
            }
            Outcome::Refused
        }
        all => panic!("{all:?}"),
    }
}

fn has_too_large(weights: &Weights) -> bool {
    let matrices = weights.parameters().filter(|(parameter, _)| parameter.starts_with("weight"));
    matrices.into_iter().any(|(_, values)| values.iter().any(|value| value.abs() >= TOO_LARGE_FOR_A_HALF))
}

fn check_result(problem: &Problem, expected: &Dynamic<f64>, tolerance: &Dynamic<f64>, found: &Dynamic) {
    let arrays = [Some(&problem.input), problem.h_0.as_ref(), problem.c_0.as_ref()];
    let finite = arrays.into_iter().flatten().all(Array::is_finite);
    let comparison = Comparison::new(found, expected, tolerance).expect("one shape");
    let in_range = values(expected).all(|value| value.abs() < IN_RANGE);
    if finite && in_range {
        assert!(comparison.passes(), "{:?} for {problem:?}", comparison);
    } else if !finite && !may_close_gates(problem) && problem.precision == Precision::F32 {
        let nan = |is_nan: bool| if is_nan { 'n' } else { '.' };
        let of_found: String = values(found).map(|value| nan(value.is_nan())).collect();
        let of_expected: String = values(expected).map(|value| nan(value.is_nan())).collect();
        assert_eq!(of_found, of_expected, "{problem:?}");
    }
}

/// Whether a gate's argument may be so far below zero that its sigmoid is 0 in f32 and not in f64: 0 times an infinite state is
/// NaN.
fn may_close_gates(problem: &Problem) -> bool {
    const FARTHEST: f32 = 80.0;
    let Problem { config, input, h_0, scale, .. } = problem;
    let largest = [Some(input), h_0.as_ref()].into_iter().flatten().map(Array::largest).fold(1.0, f32::max);
    let widest = config.input_size.max(config.output_size()) + config.hidden_output_size() + 2;
    widest as f32 * scale * largest > FARTHEST
}

/// All values of a result.
fn values<A: Copy>(output: &Dynamic<A>) -> impl Iterator<Item = A> + '_ {
    output.output.iter().chain(&output.h_n).chain(output.c_n.iter().flatten()).copied()
}

fn bits(output: &Dynamic) -> Vec<u32> {
    values(output).map(f32::to_bits).collect()
}
