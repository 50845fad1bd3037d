//! Reads the weights of a layer from the bytes of a model and the caller's options.

#[cfg(doc)]
use super::OnnxLayer;
use super::OnnxModel;
#[cfg(doc)]
use crate::ErrorKind;
use crate::error::Fault;
use crate::{Error, LoadOptions, Weights};

/// Reads the weights of a layer of a model that has all of its values in one file.
///
/// # Errors
///
/// Those of [`OnnxModel::new`], [`OnnxModel::layer`] and [`OnnxLayer::weights`]; [`ErrorKind::Config`] for options
/// that the model states itself.
pub(in crate::io) fn weights(bytes: &[u8], options: &LoadOptions) -> Result<Weights, Error> {
    let refused =
        |rule: &str, found: String| Err(Error::from(Fault::Config { rule: rule.to_owned(), found }));
    let LoadOptions { layers, max_bytes, .. } = options.clone();
    if (LoadOptions { layers, max_bytes, ..LoadOptions::default() }) != *options {
        let rule = "the options of a layer in an ONNX model must be those that the model states";
        return refused(rule, "others".to_owned());
    }
    let node = match &options.layers[..] {
        [] => None,
        [node] => Some(&node[..]),
        nodes => {
            let rule = "a stack in an ONNX model must be named by one of its nodes";
            return refused(rule, format!("{} names", nodes.len()));
        }
    };
    let mut model = OnnxModel::new(bytes)?;
    model.max_bytes = options.max_bytes;
    model.layer(node)?.weights()
}
