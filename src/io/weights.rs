//! Weights from named tensors of any format.

use std::collections::BTreeMap;

use super::{Tensors, format_error};
#[cfg(doc)]
use crate::ErrorKind;
#[cfg(any(feature = "safetensors", feature = "npz"))]
use crate::Variant;
#[cfg(any(feature = "safetensors", feature = "npz"))]
use crate::error::Fault;
use crate::weights::Inferred;
use crate::{Cell, Config, Error, LoadOptions, Nonlinearity, Weights};

impl Weights {
    /// Infers the configuration from the tensors' names and shapes, and reads the parameters. Other tensors
    /// are not read.
    ///
    /// Shapes do not determine the nonlinearity of an RNN. It is the one in `options`, else the one in the
    /// metadata entry `nonlinearity`, else tanh. If there is a metadata entry `cell`, as
    /// [`Weights::to_safetensors`] writes it, the metadata must agree with the shapes.
    ///
    /// # Errors
    ///
    /// The same as [`infer_config`](crate::infer_config) and [`Weights::from_fn`]; [`ErrorKind::Tensor`] if a parameter is not
    /// floating-point, [`ErrorKind::File`] if the metadata contradicts the shapes.
    pub fn from_tensors(tensors: &Tensors<'_>, options: &LoadOptions) -> Result<Self, Error> {
        let mut inferred = Inferred::new(tensors.shapes(), options)?;
        check_metadata(tensors.metadata(), &inferred.config)?;
        if let (Cell::Rnn(_), None) = (inferred.config.cell, options.nonlinearity)
            && let Some(name) = tensors.metadata().get("nonlinearity")
        {
            inferred.config.cell = Cell::Rnn(name.parse()?);
        }
        Weights::from_inferred(&inferred, |name| tensors.f32(name))
    }

    /// Reads the weights from the bytes of a safetensors file, with [`Tensors::from_safetensors`] and
    /// [`Weights::from_tensors`].
    ///
    /// # Errors
    ///
    /// The same as these two.
    #[cfg(feature = "safetensors")]
    pub fn from_safetensors(bytes: &[u8], options: &LoadOptions) -> Result<Self, Error> {
        Weights::from_tensors(&Tensors::from_safetensors(bytes)?, options)
    }

    /// Reads the weights from the bytes of an npz file, with [`Tensors::from_npz`] and
    /// [`Weights::from_tensors`].
    ///
    /// # Errors
    ///
    /// The same as these two.
    #[cfg(feature = "npz")]
    pub fn from_npz(bytes: &[u8], options: &LoadOptions) -> Result<Self, Error> {
        Weights::from_tensors(&Tensors::from_npz(bytes)?, options)
    }

    /// Reads the weights from the bytes of a file that `torch.save` or `torch.jit.save` wrote, with
    /// [`Tensors::from_pytorch`] and [`Weights::from_tensors`].
    ///
    /// # Errors
    ///
    /// The same as these two.
    #[cfg(feature = "pytorch")]
    pub fn from_pytorch(bytes: &[u8], options: &LoadOptions) -> Result<Self, Error> {
        Weights::from_tensors(&Tensors::from_pytorch(bytes)?, options)
    }

    /// Returns a safetensors file with PyTorch's names and the configuration as metadata: `cell` (`rnn`,
    /// `lstm`, `gru`), `nonlinearity` (`tanh`, `relu`), `input_size`, `hidden_size`, `num_layers`, `bias`,
    /// `bidirectional`, `proj_size`. The same weights give the same bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for a layer that PyTorch cannot have, because a state dict cannot describe it
    /// (peepholes are an exception: they have a tensor); [`ErrorKind::File`] if the file's header would be too
    /// long for the format (100 MB).
    #[cfg(feature = "safetensors")]
    pub fn to_safetensors(&self) -> Result<Vec<u8>, Error> {
        check_state_dict(self.config())?;
        let named: Vec<_> = self.parameters().collect();
        let tensors = named.iter().map(|(name, values)| (name.as_str(), values.view()));
        super::safetensors::with_metadata(tensors, &metadata(self.config()))
    }

    /// Returns an npz file with PyTorch's names. It does not record whether an RNN's nonlinearity is ReLU.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] as in [`Weights::to_safetensors`]; otherwise the same as [`to_npz`](super::to_npz).
    #[cfg(feature = "npz")]
    pub fn to_npz(&self) -> Result<Vec<u8>, Error> {
        check_state_dict(self.config())?;
        let named: Vec<_> = self.parameters().collect();
        super::to_npz(named.iter().map(|(name, values)| (name.as_str(), values.view())))
    }
}

/// Checks that a state dict's names and shapes determine the layer.
#[cfg(any(feature = "safetensors", feature = "npz"))]
fn check_state_dict(config: &Config) -> Result<(), Error> {
    let inferred = Variant { peepholes: config.variant.peepholes, ..Variant::default() };
    if !config.reverse && config.variant == inferred {
        return Ok(());
    }
    let rule = "a state dict says nothing of reverse, activations, clip and input_forget".to_owned();
    Err(Error::from(Fault::Config { rule, found: config.to_string() }))
}

/// Returns the configuration as strings, in the order of PyTorch's arguments.
fn metadata(config: &Config) -> [(&'static str, String); 8] {
    let nonlinearity = match config.cell {
        Cell::Rnn(nonlinearity) => nonlinearity,
        Cell::Lstm | Cell::Gru => Nonlinearity::Tanh,
    };
    [
        ("cell", config.cell.name().to_owned()),
        ("nonlinearity", nonlinearity.to_string()),
        ("input_size", config.input_size.to_string()),
        ("hidden_size", config.hidden_size.to_string()),
        ("num_layers", config.num_layers.to_string()),
        ("bias", config.bias.to_string()),
        ("bidirectional", config.bidirectional.to_string()),
        ("proj_size", config.proj_size.to_string()),
    ]
}

/// Checks that metadata about the configuration agrees with the shapes.
fn check_metadata(found: &BTreeMap<String, String>, config: &Config) -> Result<(), Error> {
    if !found.contains_key("cell") {
        return Ok(());
    }
    let expected = metadata(config).into_iter().filter(|&(key, _)| key != "nonlinearity");
    for (key, expected) in expected {
        if let Some(found) = found.get(key).filter(|&found| *found != expected) {
            let what = format!("metadata {key:?}");
            let expected = format!("{expected:?}, as the parameters' shapes say");
            return Err(format_error(&what, expected, format_args!("{found:?}")));
        }
    }
    Ok(())
}
