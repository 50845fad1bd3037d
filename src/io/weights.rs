//! Weights from named tensors of any format.

use std::collections::BTreeMap;

use super::{Tensors, format_error, keras};
#[cfg(feature = "onnx")]
use super::{kind::Kind, onnx};
#[cfg(doc)]
use crate::ErrorKind;
use crate::error::Fault;
use crate::weights::Inferred;
use crate::{Cell, Config, Error, LoadOptions, Weights, recurrent_prefixes};

impl Weights {
    /// Reads the weights of a recurrent layer from the bytes of a file: a layer among the tensors that
    /// [`Tensors::from_bytes`] reads, or a layer of an ONNX model (feature `onnx`). The file's first bytes determine
    /// its format.
    ///
    /// [`OnnxModel`](super::OnnxModel) reads ONNX models whose values are in other files, and lists the layers of a
    /// model.
    ///
    /// ```
    /// use wgpu_rnn::{LoadOptions, Weights};
    ///
    /// # #[cfg(feature = "safetensors")] {
    /// let file = std::fs::read("tests/golden/lstm_bidirectional.safetensors")?;
    /// let weights = Weights::from_bytes(&file, &LoadOptions::default())?;
    /// assert_eq!(weights.config().to_string(), "LSTM(20, 64, bidirectional=True)");
    /// # }
    /// # #[cfg(feature = "onnx")] {
    /// let file = std::fs::read("tests/onnx/gru_torchscript.onnx")?;
    /// let weights = Weights::from_bytes(&file, &LoadOptions::default())?;
    /// assert_eq!(weights.config().to_string(), "GRU(3, 4, num_layers=2)");
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`Tensors::from_bytes`] and [`Weights::from_tensors`], and for an ONNX model as
    /// [`OnnxModel::new`](super::OnnxModel::new), [`OnnxModel::layer`](super::OnnxModel::layer) and
    /// [`OnnxLayer::weights`](super::OnnxLayer::weights). [`ErrorKind::Config`] if options other than
    /// [`LoadOptions::layers`] and [`LoadOptions::max_bytes`] are given for an ONNX model, which states them itself.
    pub fn from_bytes(bytes: &[u8], options: &LoadOptions) -> Result<Self, Error> {
        #[cfg(feature = "onnx")]
        if Kind::of(bytes) == Some(Kind::Onnx) {
            return onnx::weights(bytes, options);
        }
        Weights::from_tensors(&Tensors::from_bytes(bytes)?, options)
    }

    /// Infers the configuration from the tensors' names and shapes, and reads the parameters. Other tensors
    /// are not read.
    ///
    /// The names are PyTorch's or those of a Keras layer. Those of Keras are taken if there are no parameters of
    /// PyTorch's modules, or if only a Keras layer has the first name in [`LoadOptions::layers`].
    ///
    /// Shapes do not determine the activation of PyTorch's RNN. It is the one in `options`, else the one in the
    /// metadata entry `nonlinearity`, else tanh. If there is a metadata entry `cell`, as
    /// [`Weights::to_safetensors`] writes it, the metadata must agree with the shapes.
    ///
    /// # Keras
    ///
    /// The tensors may be those of Keras' own files, or `{weight.path: weight.numpy() for weight in layer.weights}`
    /// in an npz or safetensors file, of one layer or of a whole model. The options of the layers are those of
    /// the model's configuration, if the file has it; an option that is given in `options` wins.
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
    /// use wgpu_rnn::{LoadOptions, Weights, io::to_npz, ndarray::ArrayD};
    ///
    /// let [kernel, recurrent] = [[3, 16], [4, 16]].map(|shape| ArrayD::zeros(&shape[..]));
    /// let bias = ArrayD::zeros(&[16][..]);
    /// let file = to_npz([
    ///     ("lstm/lstm_cell/kernel", kernel.view()),
    ///     ("lstm/lstm_cell/recurrent_kernel", recurrent.view()),
    ///     ("lstm/lstm_cell/bias", bias.view()),
    /// ])?;
    /// let weights = Weights::from_bytes(&file, &LoadOptions::default())?;
    /// assert_eq!(weights.config().to_string(), "LSTM(3, 4)");
    /// # }
    /// # Ok::<(), wgpu_rnn::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`infer_config`](crate::infer_config) and [`Weights::from_fn`]; [`ErrorKind::Tensor`] if a
    /// parameter is not floating-point, [`ErrorKind::File`] if the metadata contradicts the shapes, if two tensors
    /// are the same weight of Keras or if an archive cannot be unpacked.
    pub fn from_tensors(tensors: &Tensors<'_>, options: &LoadOptions) -> Result<Self, Error> {
        if keras::is_chosen(tensors, options)? {
            return keras::weights(tensors, options);
        }
        if options.layers.is_empty() && recurrent_prefixes(tensors.shapes()).is_empty() {
            let expected = "weight_ih_l0, weight_hh_l0 and so on, with any prefix, or Keras' kernel, recurrent_kernel \
                            and so on";
            let found = "no recurrent parameters".to_owned();
            return Err(Error::from(Fault::Prefix { expected: expected.to_owned(), found }));
        }
        let mut inferred = Inferred::new(tensors.shapes(), options)?;
        check_metadata(tensors.metadata(), &inferred.config)?;
        if let (Cell::RnnTanh | Cell::RnnRelu, None) = (inferred.config.cell, options.activation)
            && let Some(nonlinearity) = tensors.metadata().get("nonlinearity")
        {
            inferred.config.cell = Cell::rnn(nonlinearity)?;
        }
        Weights::from_inferred(&inferred, |name| tensors.f32(name))
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
    let unstated = Config { peepholes: false, ..*config };
    if !config.reverse && !unstated.is_variant() {
        return Ok(());
    }
    let rule = "a state dict says nothing of reverse, activations, clip and input_forget".to_owned();
    Err(Error::from(Fault::Config { rule, found: config.to_string() }))
}

/// Returns the configuration as strings, in the order of PyTorch's arguments.
fn metadata(config: &Config) -> [(&'static str, String); 8] {
    let nonlinearity = if config.cell == Cell::RnnRelu { "relu" } else { "tanh" };
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
