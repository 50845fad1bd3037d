//! The configuration of a layer, as JavaScript reads and gives it.

use wasm_bindgen::prelude::wasm_bindgen;
use wgpu_rnn::{Cell, Error, ErrorKind};

/// A configuration. JavaScript sets the fields one by one, after the cell and its sizes.
#[wasm_bindgen(getter_with_clone)]
#[derive(Clone, Debug)]
pub struct Config {
    /// `rnn`, `lstm` or `gru`.
    pub cell: String,
    /// I.
    pub input_size: usize,
    /// H.
    pub hidden_size: usize,
    /// L.
    pub num_layers: usize,
    /// `tanh` or `relu`.
    pub nonlinearity: String,
    /// Whether the layer has biases.
    pub bias: bool,
    /// Whether D is 2.
    pub bidirectional: bool,
    /// P, or 0.
    pub proj_size: usize,
    /// Whether the only direction begins at the end.
    pub reverse: bool,
    /// The functions f, g and h of the forward direction, and of the reverse one; six names, or none for the cell's own.
    pub activations: Vec<String>,
    /// ONNX's `clip`.
    pub clip: Option<f32>,
    /// ONNX's `input_forget`.
    pub input_forget: bool,
    /// Whether an LSTM's gates see the cell state.
    pub peepholes: bool,
    /// Whether a GRU's reset gate comes after the recurrent product.
    pub reset_after: bool,
}

#[wasm_bindgen]
impl Config {
    /// A cell and its sizes; the other fields have PyTorch's defaults.
    #[wasm_bindgen(constructor)]
    pub fn new(cell: String, input_size: usize, hidden_size: usize) -> Config {
        Config { cell, ..Config::from(&wgpu_rnn::Config::rnn(input_size, hidden_size)) }
    }
}

impl Config {
    /// Returns the library's configuration.
    pub(crate) fn read(&self) -> Result<wgpu_rnn::Config, Error> {
        let (input, hidden) = (self.input_size, self.hidden_size);
        let config = match (self.cell.as_str(), self.nonlinearity.as_str()) {
            ("rnn", "tanh") => wgpu_rnn::Config::rnn(input, hidden),
            ("rnn", "relu") => wgpu_rnn::Config::rnn_relu(input, hidden),
            ("lstm", "tanh") => wgpu_rnn::Config::lstm(input, hidden),
            ("gru", "tanh") => wgpu_rnn::Config::gru(input, hidden),
            ("rnn" | "lstm" | "gru", other) => {
                return Err(wrong(format!(
                    "nonlinearity: expected \"tanh\", or \"relu\" for an rnn, found {other:?}"
                )));
            }
            (other, _) => {
                return Err(wrong(format!("cell: expected \"rnn\", \"lstm\" or \"gru\", found {other:?}")));
            }
        };
        Ok(config
            .num_layers(self.num_layers)
            .bias(self.bias)
            .bidirectional(self.bidirectional)
            .proj_size(self.proj_size)
            .reverse(self.reverse))
    }
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::Config, message)
}

impl From<&wgpu_rnn::Config> for Config {
    fn from(config: &wgpu_rnn::Config) -> Config {
        let relu = config.cell == Cell::RnnRelu;
        let functions = config.activations.iter().flatten().flatten();
        Config {
            cell: config.cell.name().to_owned(),
            input_size: config.input_size,
            hidden_size: config.hidden_size,
            num_layers: config.num_layers,
            nonlinearity: if relu { "relu" } else { "tanh" }.to_owned(),
            bias: config.bias,
            bidirectional: config.bidirectional,
            proj_size: config.proj_size,
            reverse: config.reverse,
            activations: functions.map(|function| function.to_string()).collect(),
            clip: config.clip,
            input_forget: config.input_forget,
            peepholes: config.peepholes,
            reset_after: config.reset_after,
        }
    }
}
