//! Reading the weights of Keras' recurrent layers, with Keras' names and layout.

mod layer;
mod names;

use super::Tensors;
use crate::{Activation, Error, Weights};
use layer::Stack;
use names::Names;

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

impl Weights {
    /// Reads the weights of a Keras layer from named tensors: an npz or safetensors file of
    /// `{weight.path: weight.numpy() for weight in layer.weights}`, of one layer or of a whole model.
    ///
    /// It reads `kernel [I, G*H]`, `recurrent_kernel [H, G*H]` and, unless `use_bias=False`, `bias`
    /// (`[G*H]`, or `[2, 3*H]` for a GRU with `reset_after`). The names may have any prefix that ends in `/`
    /// or `.`, and may end in Keras 2's `:0`. G determines the kind of layer: 1 SimpleRNN, 4 LSTM (i f c o),
    /// 3 GRU (z r h). A component such as `forward_lstm` or `backward_lstm` in the prefix marks two cells as
    /// a `Bidirectional`. Other tensors are ignored, except most of those below a chosen cell's own path,
    /// which are an error.
    ///
    /// | Keras | here |
    /// |---|---|
    /// | `return_sequences=True` | `output`; for a `Bidirectional` the one of `merge_mode="concat"`, whose two halves give the other modes |
    /// | `return_sequences=False` | the last rows of `h_n`: with L layers and D directions, the rows from `(L - 1) * D` on |
    /// | `return_state=True`, `initial_state` | `h_n` and `c_n`, `h_0` and `c_0`: a row for each layer and direction |
    /// | a mask | [`Input::lengths`](crate::Input::lengths), if the zeros of the mask are at the end. `output` past a length is zero, as with Keras' `zero_output_for_mask`; without that option Keras repeats the last valid vector |
    ///
    /// ```
    /// # #[cfg(all(feature = "npz", feature = "safetensors"))] {
    /// use wgpu_rnn::{Weights, io::{KerasOptions, Tensors, to_npz}, ndarray::ArrayD};
    ///
    /// let [kernel, recurrent] = [[3, 16], [4, 16]].map(|shape| ArrayD::zeros(&shape[..]));
    /// let bias = ArrayD::zeros(&[16][..]);
    /// let file = to_npz([
    ///     ("lstm/lstm_cell/kernel", kernel.view()),
    ///     ("lstm/lstm_cell/recurrent_kernel", recurrent.view()),
    ///     ("lstm/lstm_cell/bias", bias.view()),
    /// ])?;
    /// let weights = Weights::from_keras(&Tensors::from_npz(&file)?, &KerasOptions::default())?;
    /// assert_eq!(weights.config().to_string(), "LSTM(3, 4)");
    /// # }
    /// # Ok::<(), wgpu_rnn::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Prefix`] if there is no recurrent layer, no layer of a given name, or several layers and no
    /// name is given; [`Error::MissingParameter`], [`Error::UnexpectedParameter`], [`Error::UnknownShape`],
    /// [`Error::Shape`], [`Error::Dtype`] and [`Error::NonFinite`] name the tensor; [`Error::Config`] for
    /// options that the layer cannot have, and for layers that do not form a stack; [`Error::Format`] if two
    /// tensors are the same weight or an archive cannot be unpacked.
    pub fn from_keras(tensors: &Tensors<'_>, options: &KerasOptions) -> Result<Self, Error> {
        let names = Names::new(tensors.shapes())?;
        let stack = Stack::new(names.choose(&options.layers)?)?;
        let config = stack.config(options)?;
        Weights::from_named(config, "", |parameter, _| stack.parameter(tensors, &config, parameter))
    }
}

impl Tensors<'_> {
    /// Returns the names of the Keras layers that [`Weights::from_keras`] finds, sorted.
    /// [`KerasOptions::layers`] accepts them.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] if two tensors are the same weight.
    pub fn keras_layers(&self) -> Result<Vec<String>, Error> {
        Ok(Names::new(self.shapes())?.layers().map(str::to_owned).collect())
    }
}
