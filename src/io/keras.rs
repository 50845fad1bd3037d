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
mod settings;

use super::Tensors;
#[cfg(doc)]
use crate::ErrorKind;
use crate::{Error, LoadOptions, Weights, infer_config, recurrent_prefixes};
#[cfg(feature = "keras")]
pub(super) use config::layers as layers_of_model;
use layer::Stack;
pub use merge::MergeMode;
use names::Names;
pub(super) use settings::LayerSettings;

/// Returns whether the options choose a layer with Keras' names: if there are no parameters of PyTorch's modules, or
/// if only a Keras layer has the first name.
///
/// # Errors
///
/// [`ErrorKind::File`] if two tensors are the same weight.
pub(super) fn is_chosen(tensors: &Tensors<'_>, options: &LoadOptions) -> Result<bool, Error> {
    if recurrent_prefixes(tensors.shapes()).is_empty() {
        return Ok(Names::new(tensors.shapes())?.layers().next().is_some());
    }
    let Some(first) = options.layers.first() else { return Ok(false) };
    let alone = LoadOptions { layers: vec![first.clone()], ..LoadOptions::default() };
    let is_module = infer_config(tensors.shapes(), &alone).is_ok();
    Ok(!is_module && Names::new(tensors.shapes()).is_ok_and(|names| names.choose(&alone.layers).is_ok()))
}

/// Reads the weights of a Keras layer from named tensors.
///
/// It reads `kernel [I, G*H]`, `recurrent_kernel [H, G*H]` and, unless `use_bias=False`, `bias` (`[G*H]`, or `[2, 3*H]`
/// for a GRU with `reset_after`). The names may have any prefix that ends in `/` or `.`, and may end in Keras 2's `:0`.
/// G determines the kind of layer: 1 SimpleRNN, 4 LSTM (i f c o), 3 GRU (z r h). A component such as `forward_lstm` or
/// `backward_lstm` in the prefix marks two cells as a `Bidirectional`. Other tensors are ignored, except most of those
/// below a chosen cell's own path, which are an error.
///
/// # Errors
///
/// [`ErrorKind::Tensor`] if there is no recurrent layer, no layer of a given name, or several layers and no name is
/// given, and for a tensor of a wrong shape; [`ErrorKind::Config`] for options that the layer cannot have, and for layers
/// that do not form a stack; [`ErrorKind::File`] if two tensors are the same weight or an archive cannot be unpacked.
pub(super) fn weights(tensors: &Tensors<'_>, options: &LoadOptions) -> Result<Weights, Error> {
    let names = Names::new(tensors.shapes())?;
    let layers = names.choose(&options.layers)?;
    let options = settings::completed(&tensors.settings(&layers), options)?;
    let stack = Stack::new(layers)?;
    let config = stack.config(&options)?;
    options.check_bytes(&config)?;
    Weights::from_named(config, "", |parameter, _| stack.parameter(tensors, &config, parameter))
}

impl Tensors<'_> {
    /// Returns the names of the layers with Keras' names, sorted. [`LoadOptions::layers`] accepts them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] if two tensors are the same weight.
    pub fn keras_layers(&self) -> Result<Vec<String>, Error> {
        Ok(Names::new(self.shapes())?.layers().map(str::to_owned).collect())
    }

    /// Returns how a Keras layer merges its two directions, as far as the file states it: [`MergeMode::Concat`] if
    /// it does not. [`MergeMode::merge`] does that to an output.
    ///
    /// # Errors
    ///
    /// The errors of [`Weights::from_tensors`] about names; [`ErrorKind::Config`] if a lower layer of a stack does not
    /// concatenate.
    pub fn keras_merge_mode(&self, options: &LoadOptions) -> Result<MergeMode, Error> {
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
