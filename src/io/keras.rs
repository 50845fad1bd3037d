//! Reading the weights of Keras' recurrent layers, with Keras' names and layout.

mod cell;
#[cfg(feature = "keras")]
mod config;
#[cfg(feature = "keras")]
mod file;
mod layer;
mod merge;
mod names;
mod numbered;
mod options;
mod settings;

use super::Tensors;
#[cfg(doc)]
use crate::ErrorKind;
use crate::{Error, Weights};
#[cfg(feature = "keras")]
pub(super) use config::layers as layers_of_model;
use layer::Stack;
pub use merge::MergeMode;
use names::Names;
pub use options::KerasOptions;
pub(super) use settings::LayerSettings;

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
    /// [`ErrorKind::Tensor`] if there is no recurrent layer, no layer of a given name, or several layers and
    /// no name is given, and for a tensor of a wrong shape; [`ErrorKind::Config`] for options that the
    /// layer cannot have, and for layers that do not form a stack; [`ErrorKind::File`] if two tensors are the
    /// same weight or an archive cannot be unpacked.
    pub fn from_keras(tensors: &Tensors<'_>, options: &KerasOptions) -> Result<Self, Error> {
        let names = Names::new(tensors.shapes())?;
        let layers = names.choose(&options.layers)?;
        let options = settings::completed(&tensors.settings(&layers), options)?;
        let stack = Stack::new(layers)?;
        let config = stack.config(&options)?;
        Weights::from_named(config, "", |parameter, _| stack.parameter(tensors, &config, parameter))
    }
}

impl Tensors<'_> {
    /// Returns the names of the Keras layers that [`Weights::from_keras`] finds, sorted.
    /// [`KerasOptions::layers`] accepts them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] if two tensors are the same weight.
    pub fn keras_layers(&self) -> Result<Vec<String>, Error> {
        Ok(Names::new(self.shapes())?.layers().map(str::to_owned).collect())
    }

    /// Returns how the layer that [`Weights::from_keras`] reads merges its two directions, as far as the file
    /// states it: [`MergeMode::Concat`] if it does not. [`MergeMode::merge`] does that to an output.
    ///
    /// # Errors
    ///
    /// The errors of [`Weights::from_keras`] about names; [`ErrorKind::Config`] if a lower layer of a stack does not
    /// concatenate.
    pub fn keras_merge_mode(&self, options: &KerasOptions) -> Result<MergeMode, Error> {
        let names = Names::new(self.shapes())?;
        let layers = names.choose(&options.layers)?;
        let settings = self.settings(&layers).into_iter().zip(&layers);
        // A single direction of a Bidirectional has nothing to merge.
        let settings: Vec<_> = settings.map(|(one, cells)| one.filter(|_| cells.len() == 2)).collect();
        settings::merge_mode(&settings)
    }

    /// Returns what the file states about each of the layers.
    fn settings(&self, layers: &[Vec<&cell::CellTensors<'_>>]) -> Vec<Option<&LayerSettings>> {
        let path = |cells: &Vec<&cell::CellTensors<'_>>| {
            cells.first().map_or("", |cell| cell.path.as_str()).to_owned()
        };
        layers.iter().map(|cells| settings::find(&self.keras, &path(cells))).collect()
    }
}
