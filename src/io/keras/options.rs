//! The settings of a Keras layer that its weights do not contain.

use crate::Activation;

/// The settings of a Keras layer that its weights do not contain. Names and defaults are those of
/// [`SimpleRNN`](https://keras.io/api/layers/recurrent_layers/simple_rnn/),
/// [`LSTM`](https://keras.io/api/layers/recurrent_layers/lstm/) and
/// [`GRU`](https://keras.io/api/layers/recurrent_layers/gru/).
///
/// ```
/// use wgpu_rnn::{Activation, io::KerasOptions};
///
/// let activation = Activation::keras("softsign");
/// let options = KerasOptions { layers: vec!["encoder".into()], activation, ..KerasOptions::default() };
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KerasOptions {
    /// The names of the layers to read, the lowest first, if the file has several layers. Several layers
    /// become one stacked layer. Each of them must read the output of the one below at every step
    /// (`return_sequences=True`), with nothing in between.
    ///
    /// A name is the path before the tensors' names, or the beginning of that path up to a `/`, or a part of it
    /// that only one layer has: `lstm` for
    /// `lstm/lstm_cell/kernel`, `model/bidirectional` for both directions below it.
    pub layers: Vec<String>,
    /// `activation`; tanh by default. [`Activation::keras`] converts Keras' names.
    pub activation: Option<Activation>,
    /// `recurrent_activation` of an LSTM or GRU; sigmoid by default. Keras' default was not always sigmoid: in
    /// Keras 2.2 and before it is `hard_sigmoid`, which is `HardSigmoid { alpha: 0.2, beta: 0.5 }` there and
    /// differs from Keras 3's.
    pub recurrent_activation: Option<Activation>,
    /// `reset_after` of a GRU. The shape of the bias determines it; without a bias the default is true.
    pub reset_after: Option<bool>,
    /// `go_backwards` of a layer with one direction, which sets [`Config::reverse`](crate::Config::reverse);
    /// false by default.
    ///
    /// The output stays in the input's order: vector t belongs to step t, as in Keras' `Bidirectional`.
    /// Keras returns the output of a single layer in the order of computation;
    /// `result.output.invert_axis(ndarray::Axis(1))` gives that order. Final states are the same in both.
    ///
    /// In a stack it is the option of the lowest layer. The output of that layer is already reversed, so
    /// that the layers above it, which have no `go_backwards`, also process the rows from the end.
    pub go_backwards: bool,
}
