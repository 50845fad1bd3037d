//! The settings of a layer that a model's configuration states, and what they add to the caller's.

use super::merge::MergeMode;
#[cfg(doc)]
use crate::ErrorKind;
use crate::error::Fault;
use crate::{Activation, Error, LoadOptions};

/// What a model's configuration states about one of its recurrent layers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(not(feature = "keras"), allow(dead_code, reason = "only Keras' own files state settings"))]
pub(in crate::io) struct LayerSettings {
    pub(in crate::io) name: String,
    pub(in crate::io) activation: Option<String>,
    pub(in crate::io) recurrent_activation: Option<String>,
    pub(in crate::io) reset_after: Option<bool>,
    pub(in crate::io) go_backwards: bool,
    pub(in crate::io) merge_mode: Option<String>,
    /// Whether the backward layer of a `Bidirectional` has other activations than the forward one.
    pub(in crate::io) differs: bool,
}

impl LayerSettings {
    /// Replaces Keras 3's `hard_sigmoid` by Keras 2's, which is another function of the same name.
    #[cfg(feature = "keras")]
    pub(super) fn as_of_keras_2(&mut self) {
        for name in [&mut self.activation, &mut self.recurrent_activation].into_iter().flatten() {
            if name == "hard_sigmoid" {
                *name = "hard_sigmoid_v2".to_owned();
            }
        }
    }

    pub(super) fn activations(&self) -> [Option<&str>; 2] {
        [self.activation.as_deref(), self.recurrent_activation.as_deref()]
    }
}

/// Returns the settings of a layer, whose path has the layer's name as a component.
pub(super) fn find<'s>(settings: &'s [LayerSettings], path: &str) -> Option<&'s LayerSettings> {
    let mut components = path.split('/');
    components.find_map(|component| settings.iter().find(|one| one.name == component))
}

/// Adds what the file states about the layers, the lowest first, to the caller's options. An option that the
/// caller gave wins.
///
/// # Errors
///
/// [`ErrorKind::Config`] for an activation that is not known, and for layers with different settings.
pub(super) fn completed(
    layers: &[Option<&LayerSettings>],
    options: &LoadOptions,
) -> Result<LoadOptions, Error> {
    let mut options = options.clone();
    let Some(lowest) = layers.first().copied().flatten() else { return Ok(options) };
    let differ = |rule: &str, found: &LayerSettings| {
        Err(Error::from(Fault::Config {
            rule: rule.to_owned(),
            found: format!("{:?} with others", found.name),
        }))
    };
    for above in layers.iter().flatten() {
        if above.differs || above.activations() != lowest.activations() {
            return differ("all layers and directions must have the same activations", above);
        }
    }
    for above in layers.iter().skip(1).flatten() {
        if above.go_backwards {
            return differ("only the lowest layer of a stack may have go_backwards", above);
        }
    }
    let activation = |name: &Option<String>| -> Result<Option<Activation>, Error> {
        match name {
        Some(name) => Ok(Some(Activation::keras(name).ok_or_else(|| {
            Error::from(Fault::Config {
                rule: format!(
                    "the activations of {:?} must be among linear, relu, tanh, sigmoid, hard_sigmoid, elu, \
                 leaky_relu, softsign and softplus",
                    lowest.name
                ),
                found: name.clone(),
            })
        })?)),
        None => Ok(None),
    }
    };
    if options.activation.is_none() {
        options.activation = activation(&lowest.activation)?;
    }
    if options.recurrent_activation.is_none() {
        options.recurrent_activation = activation(&lowest.recurrent_activation)?;
    }
    options.reset_after = options.reset_after.or(lowest.reset_after);
    options.reverse |= lowest.go_backwards;
    Ok(options)
}

/// Returns how the highest layer merges its directions.
///
/// # Errors
///
/// [`ErrorKind::Config`] for a mode that is not known, and for a lower layer that does not concatenate.
pub(super) fn merge_mode(layers: &[Option<&LayerSettings>]) -> Result<MergeMode, Error> {
    let mut mode = MergeMode::Concat;
    for (place, layer) in layers.iter().enumerate() {
        let Some(LayerSettings { name, merge_mode: Some(own), .. }) = layer else { continue };
        mode = own.parse()?;
        if place + 1 < layers.len() && mode != MergeMode::Concat {
            let rule = format!("merge_mode of {name:?}, which is below another layer, must be concat");
            return Err(Error::from(Fault::Config { rule, found: own.clone() }));
        }
    }
    Ok(mode)
}
