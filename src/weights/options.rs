//! The options of reading a layer.

use super::Parameter;
use crate::error::Fault;
use crate::{Activation, Cell, Config, Error};

/// The layer to read, and the settings that its file does not state.
///
/// ```
/// use wgpu_rnn::LoadOptions;
///
/// let options = LoadOptions { layers: vec!["encoder.".into()], ..LoadOptions::default() };
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LoadOptions {
    /// The layer to read, needed if the file has several:
    ///
    /// - in a state dict the prefix of its parameters' names, such as `encoder.`, or a part of it at its
    ///   beginning or end that only one of the modules has;
    /// - in a file of Keras the layer's name, which is the path before its tensors' names, or the beginning of
    ///   that path up to a `/`, or a part of it that only one layer has: `lstm` for `lstm/lstm_cell/kernel`,
    ///   `model/bidirectional` for both directions below it;
    /// - in an ONNX model the name of a node, or of one of its outputs.
    ///
    /// Several names are a stack, the lowest layer first, such as `["rnns.0", "rnns.1"]`. Each of its layers must
    /// read the output of the one below at every step (Keras' `return_sequences=True`), with nothing in between,
    /// and all have the same cell, `hidden_size`, directions, bias and `proj_size`. The stack of an ONNX model
    /// has the name of any of its nodes.
    pub layers: Vec<String>,
    /// The activation of an Elman RNN, which PyTorch calls `nonlinearity`, or of any cell of Keras; by default
    /// what the file states, or else tanh. PyTorch's RNN has tanh or relu. [`Activation::keras`] converts Keras'
    /// names.
    pub activation: Option<Activation>,
    /// Keras' `recurrent_activation` of an LSTM or GRU; by default what the file states, or else sigmoid. Keras'
    /// default was not always sigmoid: in Keras 2.2 and before it is `hard_sigmoid`, which is
    /// `HardSigmoid { alpha: 0.2, beta: 0.5 }` there and differs from Keras 3's.
    pub recurrent_activation: Option<Activation>,
    /// Keras' `reset_after` of a GRU; by default what the file states. The shape of the bias determines it;
    /// without a bias the default is true.
    pub reset_after: Option<bool>,
    /// Whether a layer of one direction runs backwards ([`Config::reverse`]), as a module whose input and output
    /// are flipped along the steps, and as Keras' `go_backwards`; false by default.
    ///
    /// The output stays in the input's order: vector t belongs to step t. Keras returns the output of a single
    /// layer with `go_backwards` in the order of computation; `result.output.invert_axis(ndarray::Axis(1))` gives
    /// that order. Final states are the same in both. In a stack of Keras it is the option of the lowest layer.
    /// The output of that layer is already reversed, so that the layers above it, which have no `go_backwards`,
    /// also process the rows from the end.
    pub reverse: bool,
    /// The largest number of bytes that the layer's parameters may take as f32; 16 GiB by default, which is an
    /// LSTM of 8 layers with 8192 units. A packed file can be a thousand times smaller than what it unpacks to,
    /// so this is checked before any parameter is read.
    pub max_bytes: u64,
}

/// The default of [`LoadOptions::max_bytes`].
const MAX_BYTES: u64 = 16 << 30;

/// Any layer, if it is the only one.
impl Default for LoadOptions {
    fn default() -> Self {
        LoadOptions {
            layers: Vec::new(),
            activation: None,
            recurrent_activation: None,
            reset_after: None,
            reverse: false,
            max_bytes: MAX_BYTES,
        }
    }
}

impl LoadOptions {
    /// Checks that the parameters take at most [`LoadOptions::max_bytes`].
    pub(crate) fn check_bytes(&self, config: &Config) -> Result<(), Error> {
        let bytes = |parameter: Parameter| {
            let sizes = parameter.shape(config).into_iter().map(|size| size as u64);
            sizes.fold(size_of::<f32>() as u64, u64::saturating_mul)
        };
        let needed = Parameter::all(config).map(bytes).fold(0, u64::saturating_add);
        let limit = self.max_bytes;
        match needed <= limit {
            true => Ok(()),
            false => Err(Error::from(Fault::TooLarge { what: "bytes of parameters".into(), needed, limit })),
        }
    }

    /// Returns the RNN with the activation that the options name.
    pub(super) fn rnn(&self) -> Result<Cell, Error> {
        match self.activation {
            None | Some(Activation::Tanh) => Ok(Cell::RnnTanh),
            Some(Activation::Relu) => Ok(Cell::RnnRelu),
            Some(other) => {
                let rule = "nonlinearity must be tanh or relu in a state dict".to_owned();
                Err(Error::from(Fault::Config { rule, found: other.to_string() }))
            }
        }
    }

    /// Rejects options that a module of PyTorch does not have.
    pub(super) fn check_cell(&self, cell: Cell) -> Result<(), Error> {
        let error = |rule: String, found: String| Err(Error::from(Fault::Config { rule, found }));
        match (self.activation, cell) {
            (Some(activation), Cell::Lstm | Cell::Gru) => error(
                format!("nonlinearity is only supported for RNN, not {cell}"),
                activation.to_string().to_lowercase(),
            ),
            _ if self.recurrent_activation.is_some() => {
                error("recurrent_activation is for Keras' layers only".into(), "a state dict".into())
            }
            _ if self.reset_after.is_some() => {
                error("reset_after is for Keras' layers only".into(), "a state dict".into())
            }
            _ => Ok(()),
        }
    }
}
