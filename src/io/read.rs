//! Reads a file of named tensors in any format.

use super::kind::Kind;
use super::{Tensors, format_error};
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;

/// The name of the array of an npy file.
#[cfg(feature = "npz")]
const ARRAY: &str = "array";

impl<'a> Tensors<'a> {
    /// Reads the tensors of a file. The file's first bytes determine its format, and a feature of the crate reads
    /// each format:
    ///
    /// | format | feature | tensors |
    /// |---|---|---|
    /// | safetensors | `safetensors` | those of the file |
    /// | NumPy's npz | `npz` | the arrays by their names; their values are unpacked on request |
    /// | NumPy's npy | `npz` | one with the name `array`; [`Tensors::from_npy`] gives it another name |
    /// | files of `torch.save` and `torch.jit.save` | `pytorch` | those of a state dict, of a checkpoint that contains one, or of a TorchScript archive. A tensor inside of containers has their keys in its name, as `model_state.lstm.weight_ih_l0` |
    /// | HDF5, such as Keras' `.weights.h5` and `.h5` | `keras` | the datasets by their paths, such as `layers/lstm/cell/vars/0`. Datasets that are not numbers keep their name and cannot be read as numbers |
    /// | Keras' `.keras` | `keras` | the weights. Their names begin with the layer's name in the model in place of Keras' `layers/lstm_1` |
    ///
    /// Nothing of a file is executed. A callable in a file of `torch.save` that is not in a list of PyTorch's own and
    /// of plain data is an error which names it:
    ///
    /// ```
    /// use wgpu_rnn::io::Tensors;
    ///
    /// # #[cfg(feature = "pytorch")] {
    /// // The pickle of `os.system("ls")`.
    /// let file = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.cos\nsystem\nU\x02ls\x85R.";
    /// assert!(Tensors::from_bytes(file).unwrap_err().to_string().ends_with("found os.system"));
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] if the bytes are no complete file of these formats, or one whose feature this build
    /// lacks. The error says what the file is instead, if its first bytes show that.
    #[allow(clippy::match_single_binding, reason = "a build with ONNX alone has no other arm")]
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, Error> {
        match Kind::of(bytes) {
            #[cfg(feature = "safetensors")]
            Some(Kind::Safetensors) => Tensors::safetensors(bytes),
            #[cfg(feature = "npz")]
            Some(Kind::Npy) => Tensors::npy(bytes, ARRAY),
            #[cfg(feature = "npz")]
            Some(Kind::Npz | Kind::Zip) => Tensors::npz(bytes),
            #[cfg(feature = "pytorch")]
            Some(Kind::Pytorch) => Tensors::pytorch(bytes),
            #[cfg(feature = "keras")]
            Some(Kind::Hdf5) => Tensors::hdf5(bytes),
            #[cfg(feature = "keras")]
            Some(Kind::Keras) => Tensors::keras(bytes),
            kind => Err(unread(kind)),
        }
    }
}

/// Returns the error for a file that has no tensors which this build can read.
fn unread(kind: Option<Kind>) -> Error {
    const EXPECTED: &str =
        "safetensors, npy, npz, a file of torch.save, or Keras' .keras or .h5 by its first bytes";
    match kind.map(|kind| (kind, kind.feature())) {
        Some((Kind::Onnx, _)) if cfg!(feature = "onnx") => {
            format_error("file", "named tensors", "an ONNX model (io::OnnxModel reads it)")
        }
        Some((kind, Some(feature))) => {
            format_error("file", format_args!("a build with the feature `{feature}`, which reads it"), kind)
        }
        Some((kind, None)) => format_error("file", EXPECTED, kind),
        None => format_error("file", EXPECTED, "none of them"),
    }
}
