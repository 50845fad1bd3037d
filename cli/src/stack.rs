//! Layers on top of each other that are no single layer, because their directions differ.

use wgpu_rnn::ndarray::{ArrayD, ArrayViewD, Axis, IxDyn, Slice, concatenate};
use wgpu_rnn::{Config, Error, ErrorKind, Input, Layer, Output, State, Weights};

use crate::given::Given;

/// Returns the configuration that a stack would have if its layers had the direction of the lowest one. Its
/// input, states and output have the same shapes.
pub(crate) fn config(stack: &[Weights]) -> Option<Config> {
    let mut configs = stack.iter().map(|weights| *weights.config());
    let lowest = configs.next()?;
    let num_layers = configs.map(|config| config.num_layers).sum::<usize>() + lowest.num_layers;
    Some(lowest.num_layers(num_layers))
}

/// Runs each layer over the output of the one below. The final states are those of all layers.
pub(crate) fn forward(layers: &[Layer], given: &Given) -> Result<Output<IxDyn>, Error> {
    let Some((lowest, above)) = layers.split_first() else { return Err(empty()) };
    let mut states = States::new(given);
    let mut result = lowest.forward(&input(&given.input, states.next(lowest.config()), given))?;
    let (mut h_n, mut c_n) = (vec![result.h_n], vec![result.c_n]);
    for layer in above {
        let below = result.output;
        result = layer.forward(&input(&below, states.next(layer.config()), given))?;
        h_n.push(result.h_n);
        c_n.push(result.c_n);
    }
    let c_n: Option<Vec<ArrayD<f32>>> = c_n.into_iter().collect();
    Ok(Output::new(result.output, joined(h_n)?, c_n.map(joined).transpose()?))
}

/// Returns the input of a layer of the stack.
fn input<'a>(values: &'a ArrayD<f32>, state: State<'a, IxDyn>, given: &'a Given) -> Input<'a, IxDyn> {
    let input = Input::new(values).state(state);
    match &given.lengths {
        Some(lengths) => input.lengths(lengths),
        None => input,
    }
}

fn empty() -> Error {
    Error::new(ErrorKind::Config, "expected one layer, found none")
}

/// Joins the states of layers along their first axis.
fn joined(mut states: Vec<ArrayD<f32>>) -> Result<ArrayD<f32>, Error> {
    if states.len() == 1 {
        return states.pop().ok_or_else(empty);
    }
    let views: Vec<ArrayViewD<'_, f32>> = states.iter().map(|state| state.view()).collect();
    concatenate(Axis(0), &views).map_err(|error| Error::new(ErrorKind::Config, error))
}

/// The initial states that no layer has taken yet.
struct States<'a> {
    given: &'a Given,
    taken: usize,
}

impl<'a> States<'a> {
    fn new(given: &'a Given) -> Self {
        States { given, taken: 0 }
    }

    /// Returns the initial states of the next layer.
    fn next<'s>(&mut self, config: &Config) -> State<'s, IxDyn>
    where
        'a: 's,
    {
        let start = self.taken;
        self.taken += config.num_layers * config.directions();
        let part = |values: &'s ArrayD<f32>| values.slice_axis(Axis(0), Slice::from(start..self.taken));
        let mut state = State::default();
        state.h_0 = self.given.h_0.as_ref().map(|values| part(values).into());
        state.c_0 = self.given.c_0.as_ref().map(|values| part(values).into());
        state
    }
}
