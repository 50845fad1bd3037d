//! A visitor's weights, or a case of `wgpu-rnn check`, on one backend after the other beside the f64 reference.

// The command line tells cases apart by name, and stores weights in more than one way.
#[allow(dead_code, reason = "the command line reads it")]
#[path = "../../cli/src/check/case.rs"]
mod case;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;

use rand_mt::Mt;
use wgpu_rnn::io::{OnnxModel, Tensors};
use wgpu_rnn::ndarray::{ArrayD, IxDyn};
use wgpu_rnn::tolerance::{self, Comparison};
use wgpu_rnn::{
    Backend, Config, Error, Layer, LayerOptions, LoadOptions, Output, Precision, Strategy, Weights, reference,
};

use crate::given::Given;
use case::Case;

/// N of a layer that comes without an input of its own.
const ROWS: usize = 3;
/// T, at most and at least.
const STEPS: [usize; 2] = [12, 3];
/// Multiply-adds that the reference, in f64 and on one thread, is asked for; about a second's.
const WORK: usize = 30_000_000;
/// The seed of such an input.
const SEED: u32 = 7;

/// Files by the last part of their names, which is all that a page is told.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

fn is_model(name: &str) -> bool {
    name.to_lowercase().ends_with(".onnx")
}

fn file_name(location: &str) -> &str {
    location.rsplit('/').next().unwrap_or(location)
}

/// The files that an ONNX model has values in, of which `files` has none.
pub(crate) fn missing(name: &str, bytes: &[u8], files: &Files) -> Result<Vec<String>, Error> {
    if !is_model(name) {
        return Ok(Vec::new());
    }
    let model = OnnxModel::new(bytes)?;
    let names = model.data_files().into_iter().map(|location| file_name(location).to_owned());
    Ok(names.filter(|name| !files.contains_key(name)).collect())
}

/// A layer, its input, and what must come out.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) weights: Weights,
    pub(crate) given: Given,
    /// PyTorch's result in f64 if the file has it, else the reference's.
    expected: Output<IxDyn, f64>,
    tolerance: Output<IxDyn, f64>,
    /// How far PyTorch's own f32 is from that.
    pub(crate) torch: Option<Comparison>,
}

/// What one backend made of a problem.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) pass: bool,
    /// The largest difference from what was expected.
    pub(crate) absolute: f64,
    /// The share of its tolerance that the worst element used.
    pub(crate) used: f64,
    /// That element: where it is, what was expected and what was found.
    pub(crate) worst: Option<String>,
}

impl Problem {
    /// Reads a file: an ONNX model if its name ends so, else safetensors. `part` is the prefix of the layer's tensors, or
    /// the name of a node of its, where the file has several; empty if not needed. `files` are those beside an ONNX model.
    pub(crate) fn read(name: &str, bytes: &[u8], part: &str, files: &Files) -> Result<Self, Error> {
        if is_model(name) {
            let model = OnnxModel::with_data(bytes, |location, range| {
                let missing = || io::Error::other("no such file was chosen with the model");
                let file = files.get(file_name(location)).ok_or_else(missing)?;
                file.get(range).map(Cow::Borrowed).ok_or(io::ErrorKind::UnexpectedEof.into())
            })?;
            return Problem::seeded(model.layer(Some(part).filter(|part| !part.is_empty()))?.weights()?);
        }
        let tensors = Tensors::from_bytes(bytes)?;
        if tensors.dtype("output_f64").is_some() {
            return Case::from_tensors(name.to_owned(), &tensors, Precision::F32).map(Problem::from);
        }
        let layers = Some(part.to_owned()).filter(|part| !part.is_empty()).into_iter().collect();
        let options = LoadOptions { layers, ..LoadOptions::default() };
        Problem::seeded(Weights::from_tensors(&tensors, &options)?)
    }

    /// Gives a layer rows of different lengths, from a state that is not zero.
    fn seeded(weights: Weights) -> Result<Self, Error> {
        let given = seeded(weights.config(), steps(&weights));
        let expected = reference::forward(&weights, &given.input())?;
        let tolerance = tolerance::forward(&weights, Precision::F32, &given.input())?;
        Ok(Problem { weights, given, expected, tolerance, torch: None })
    }

    /// Runs it with a strategy, which means something on a GPU only.
    pub(crate) async fn run(&self, backend: Backend, strategy: Strategy) -> Result<Outcome, Error> {
        let options = LayerOptions { strategy, ..LayerOptions::default() };
        let layer = Layer::new_async(&self.weights, (backend, options.clone())).await?;
        let found = layer.forward_async(&self.given.input()).await?;
        let compared = Comparison::new(&found, &self.expected, &self.tolerance)?;
        Ok(Outcome {
            pass: compared.passes(),
            absolute: compared.absolute,
            used: compared.ratio,
            worst: (!compared.name.is_empty()).then(|| {
                let Comparison { name, index, expected, found, tolerance, .. } = &compared;
                format!("{name}{index:?}: expected {expected:?} within {tolerance:.1e}, found {found:?}")
            }),
        })
    }
}

impl From<Case> for Problem {
    fn from(case: Case) -> Self {
        let Case { weights, given, expected, tolerance, torch, .. } = case;
        Problem { weights, given, expected, tolerance, torch: Some(torch) }
    }
}

/// So many steps that the reference is soon done.
fn steps(weights: &Weights) -> usize {
    let [most, least] = STEPS;
    let parameters: usize = weights.parameters().map(|(_, values)| values.len()).sum();
    (WORK / (ROWS * parameters).max(1)).clamp(least, most)
}

/// Input and state between -1 and 1, and the lengths T, T/2 + 1 and 1.
fn seeded(config: &Config, steps: usize) -> Given {
    let mut random = Mt::new(SEED);
    let mut values = |shape: [usize; 3]| {
        let unit = f64::from(u32::MAX);
        #[allow(clippy::cast_possible_truncation, reason = "any values will do")]
        ArrayD::from_shape_simple_fn(IxDyn(&shape), || {
            (2.0 * f64::from(random.next_u32()) / unit - 1.0) as f32
        })
    };
    let rows = config.num_layers * config.directions();
    Given {
        input: values([ROWS, steps, config.input_size]),
        h_0: Some(values([rows, ROWS, config.hidden_output_size()])),
        c_0: config.cell.has_cell_state().then(|| values([rows, ROWS, config.hidden_size])),
        lengths: Some(vec![steps, steps / 2 + 1, 1]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(problem: &Problem) -> Outcome {
        pollster::block_on(problem.run(Backend::Cpu, Strategy::Auto)).unwrap()
    }

    #[test]
    fn weights_alone_are_given_an_input() {
        for config in [Config::gru(5, 7).num_layers(2), Config::lstm(4, 6).bidirectional(true).proj_size(3)] {
            let file = Weights::seeded(config, 0).unwrap().to_safetensors().unwrap();
            let problem = Problem::read("layer.safetensors", &file, "", &Files::new()).unwrap();
            assert_eq!(problem.given.size(), [3, 12]);
            assert!(problem.torch.is_none());
            let outcome = run(&problem);
            assert!(outcome.pass && outcome.absolute > 0.0, "{outcome:?}");
        }
    }

    #[test]
    fn a_wrong_result_fails() {
        let file = Weights::seeded(Config::gru(5, 7), 0).unwrap().to_safetensors().unwrap();
        let mut problem = Problem::read("layer.safetensors", &file, "", &Files::new()).unwrap();
        problem.weights = Weights::seeded(Config::gru(5, 7), 1).unwrap();
        let outcome = run(&problem);
        assert!(!outcome.pass && outcome.used > 1.0, "{outcome:?}");
        assert!(outcome.worst.unwrap().starts_with("output[") || outcome.used.is_finite());
    }

    #[test]
    fn a_case_brings_its_own_input_and_result() {
        let file = include_bytes!("../../tests/golden/lstm_projection.safetensors");
        let mut problem = Problem::read("lstm_projection.safetensors", file, "", &Files::new()).unwrap();
        assert!(problem.torch.as_ref().is_some_and(|torch| torch.absolute > 0.0));
        assert!(run(&problem).pass);
        problem.expected.output[[0, 0, 0]] += 1e-3;
        assert!(!run(&problem).pass);
    }

    #[test]
    fn one_of_several_layers_is_named() {
        let model = include_bytes!("../../examples/pronounce/g2p.safetensors");
        let problem = Problem::read("g2p.safetensors", model, "encoder.", &Files::new()).unwrap();
        assert_eq!(*problem.weights.config(), Config::gru(256, 256));
        let error = Problem::read("g2p.safetensors", model, "", &Files::new()).unwrap_err().to_string();
        assert!(error.contains("encoder.") && error.contains("decoder."), "{error}");
    }

    #[test]
    fn broken_files_give_the_library_s_errors() {
        let error =
            |name: &str, bytes: &[u8]| Problem::read(name, bytes, "", &Files::new()).unwrap_err().to_string();
        assert!(error("a.safetensors", b"nothing").contains("safetensors"));
        assert!(error("a.ONNX", &[0xff; 9]).contains("onnx"));
    }

    #[test]
    fn a_model_s_other_files_are_asked_for() {
        let model = include_bytes!("../../tests/onnx/graphs/external.onnx");
        let data = include_bytes!("../../tests/onnx/graphs/external.bin").to_vec();
        let mut files = Files::new();
        assert_eq!(missing("external.onnx", model, &files).unwrap(), ["external.bin"]);
        let error = Problem::read("external.onnx", model, "", &files).unwrap_err().to_string();
        assert!(error.ends_with("no such file was chosen with the model"), "{error}");
        files.insert("external.bin".into(), data);
        assert!(missing("external.onnx", model, &files).unwrap().is_empty());
        assert!(run(&Problem::read("external.onnx", model, "", &files).unwrap()).pass);
    }

    #[test]
    fn large_layers_get_few_steps() {
        let steps = |hidden| steps(&Weights::seeded(Config::lstm(8, hidden), 0).unwrap());
        assert_eq!([steps(8), steps(1024)], [12, 3]);
    }
}
