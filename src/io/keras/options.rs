//! The settings of a Keras layer that its weights do not contain.

use crate::Activation;

/// The settings of a Keras layer that its weights do not contain. Names and defaults are those of
/// [`SimpleRNN`](https://keras.io/api/layers/recurrent_layers/simple_rnn/),
/// [`LSTM`](https://keras.io/api/layers/recurrent_layers/lstm/) and
/// [`GRU`](https://keras.io/api/layers/recurrent_layers/gru/).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct KerasOptions {
    /// The names of the layers to read, the lowest first, if the file has several layers. Several names give
    /// one stacked layer. See [`KerasOptions::layers`].
    pub layers: Vec<String>,
    /// `activation`; tanh by default.
    pub activation: Option<Activation>,
    /// `recurrent_activation` of an LSTM or GRU; sigmoid by default.
    pub recurrent_activation: Option<Activation>,
    /// `reset_after` of a GRU. The shape of the bias determines it; without a bias the default is true.
    pub reset_after: Option<bool>,
    /// `go_backwards` of a layer with one direction; false by default. See [`KerasOptions::go_backwards`].
    pub go_backwards: bool,
}

impl KerasOptions {
    /// Sets the names of the layers to read, the lowest first. Several layers become one stacked layer. Each
    /// of them must read the output of the one below at every step (`return_sequences=True`), with nothing
    /// in between.
    ///
    /// A name is the path before the tensors' names, or the beginning of that path up to a `/`: `lstm` for
    /// `lstm/lstm_cell/kernel`, `model/bidirectional` for both directions below it.
    pub fn layers<S: Into<String>>(mut self, layers: impl IntoIterator<Item = S>) -> Self {
        self.layers = layers.into_iter().map(Into::into).collect();
        self
    }

    /// Sets `activation`; [`Activation::keras`] converts Keras' names.
    pub fn activation(mut self, activation: Activation) -> Self {
        self.activation = Some(activation);
        self
    }

    /// Sets `recurrent_activation`. Keras' default was not always sigmoid: in Keras 2.2 and before it is
    /// `hard_sigmoid`, which is `HardSigmoid { alpha: 0.2, beta: 0.5 }` there and differs from Keras 3's.
    pub fn recurrent_activation(mut self, activation: Activation) -> Self {
        self.recurrent_activation = Some(activation);
        self
    }

    /// Sets `reset_after`. It matters only for a GRU without a bias.
    pub fn reset_after(mut self, reset_after: bool) -> Self {
        self.reset_after = Some(reset_after);
        self
    }

    /// Sets `go_backwards`, which sets [`Config::reverse`](crate::Config::reverse).
    ///
    /// The output stays in the input's order: vector t belongs to step t, as in Keras' `Bidirectional`.
    /// Keras returns the output of a single layer in the order of computation;
    /// `result.output.invert_axis(ndarray::Axis(1))` gives that order. Final states are the same in both.
    ///
    /// In a stack it is the option of the lowest layer. The output of that layer is already reversed, so
    /// that the layers above it, which have no `go_backwards`, also process the rows from the end.
    pub fn go_backwards(mut self, go_backwards: bool) -> Self {
        self.go_backwards = go_backwards;
        self
    }
}
