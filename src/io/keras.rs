//! Keras: the weights of its recurrent layers, under the names and in the layout that it gives them.

mod layer;
mod names;

use super::Tensors;
use crate::{Activation, Error, Weights};
use layer::Stack;
use names::Names;

/// What the weights of a Keras layer do not tell. Names and defaults are those of
/// [`SimpleRNN`](https://keras.io/api/layers/recurrent_layers/simple_rnn/),
/// [`LSTM`](https://keras.io/api/layers/recurrent_layers/lstm/) and
/// [`GRU`](https://keras.io/api/layers/recurrent_layers/gru/).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct KerasOptions {
    /// The layers to take, the lowest first, where the file has several; more than one are stacked. See
    /// [`KerasOptions::layers`].
    pub layers: Vec<String>,
    /// `activation`; tanh unless given.
    pub activation: Option<Activation>,
    /// `recurrent_activation` of an LSTM or GRU; sigmoid unless given.
    pub recurrent_activation: Option<Activation>,
    /// `reset_after` of a GRU: told by its bias and, where it has none, true unless given.
    pub reset_after: Option<bool>,
    /// `go_backwards` of a layer of one direction; false unless given. See [`KerasOptions::go_backwards`].
    pub go_backwards: bool,
}

impl KerasOptions {
    /// Sets the names of the layers to take, the lowest first; more than one become one stacked layer, each of which reads
    /// what the one below gives at every step (`return_sequences=True`), without anything in between.
    ///
    /// A name is what stands before the tensors' names, or the beginning of that up to a `/`: `lstm` for
    /// `lstm/lstm_cell/kernel`, `model/bidirectional` for both directions below it.
    pub fn layers<S: Into<String>>(mut self, layers: impl IntoIterator<Item = S>) -> Self {
        self.layers = layers.into_iter().map(Into::into).collect();
        self
    }

    /// Sets `activation`; [`Activation::keras`] knows Keras' names.
    pub fn activation(mut self, activation: Activation) -> Self {
        self.activation = Some(activation);
        self
    }

    /// Sets `recurrent_activation`. Keras' default was not always sigmoid: layers of Keras 2.2 and before, where nothing else
    /// was said, have `hard_sigmoid`, and theirs is `HardSigmoid { alpha: 0.2, beta: 0.5 }` rather than Keras 3's.
    pub fn recurrent_activation(mut self, activation: Activation) -> Self {
        self.recurrent_activation = Some(activation);
        self
    }

    /// Sets `reset_after`, which matters for a GRU without a bias alone.
    pub fn reset_after(mut self, reset_after: bool) -> Self {
        self.reset_after = Some(reset_after);
        self
    }

    /// Sets `go_backwards`: the layer is [`Config::reverse`](crate::Config::reverse).
    ///
    /// The output stays in the input's order: vector t belongs to step t, as in Keras' `Bidirectional`. Keras gives a layer's
    /// own in the order in which it was computed; `result.output.invert_axis(ndarray::Axis(1))` makes that of it. Final states are
    /// the same either way.
    ///
    /// Of a stack it is the lowest layer's. What that gives is turned round already, so that the layers above, without
    /// `go_backwards` of their own, go on from the end.
    pub fn go_backwards(mut self, go_backwards: bool) -> Self {
        self.go_backwards = go_backwards;
        self
    }
}

impl Weights {
    /// The weights of a Keras layer from named tensors: an npz or safetensors file of `{weight.path: weight.numpy() for weight in
    /// layer.weights}`, of one layer or a whole model.
    ///
    /// Read are `kernel [I, G*H]`, `recurrent_kernel [H, G*H]` and, unless `use_bias=False`, `bias` (`[G*H]`, or `[2, 3*H]` of a GRU
    /// with `reset_after`), behind any names that end in `/` or `.`, with or without Keras 2's `:0`. G says which layer it is: 1
    /// SimpleRNN, 4 LSTM (i f c o), 3 GRU (z r h). A name like `forward_lstm` or `backward_lstm` among those before makes a
    /// `Bidirectional` of two cells. Other tensors are left alone, but for some of a recurrent cell's own.
    ///
    /// | Keras | here |
    /// |---|---|
    /// | `return_sequences=True` | `output`; of a `Bidirectional` that with `merge_mode="concat"`, whose two halves make the other ones |
    /// | `return_sequences=False` | the last rows of `h_n`: of L layers and D directions those from `(L - 1) * D` on |
    /// | `return_state=True`, `initial_state` | `h_n` and `c_n`, `h_0` and `c_0`: a row for each layer and direction |
    /// | a mask | [`Input::lengths`](crate::Input::lengths), where it has its zeros at the end. `output` past them is zero, as with Keras' `zero_output_for_mask`; without that Keras repeats the last valid vector |
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
    /// [`Error::Prefix`] if there is no recurrent layer, none of a name, or several and no name;
    /// [`Error::MissingParameter`], [`Error::UnexpectedParameter`], [`Error::UnknownShape`], [`Error::Shape`],
    /// [`Error::Dtype`] and [`Error::NonFinite`] name the tensor; [`Error::Config`] for options that the layer cannot have, and for
    /// layers that are no stack; [`Error::Format`] if two tensors are one weight or an archive cannot be unpacked.
    pub fn from_keras(tensors: &Tensors<'_>, options: &KerasOptions) -> Result<Self, Error> {
        let names = Names::new(tensors.shapes())?;
        let stack = Stack::new(names.choose(&options.layers)?)?;
        let config = stack.config(options)?;
        Weights::from_named(config, "", |parameter, _| stack.parameter(tensors, &config, parameter))
    }
}

impl Tensors<'_> {
    /// The names of the Keras layers that [`Weights::from_keras`] finds, sorted: what [`KerasOptions::layers`] takes.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] if two tensors are one weight.
    pub fn keras_layers(&self) -> Result<Vec<String>, Error> {
        Ok(Names::new(self.shapes())?.layers().map(str::to_owned).collect())
    }
}
