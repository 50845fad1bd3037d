//! The error type of the library.

mod fault;

use std::error::Error as StdError;
use std::fmt;
use std::panic::RefUnwindSafe;
use std::sync::Arc;

pub(crate) use fault::Fault;

/// The error of every function of this crate. [`Error::kind`] is what a program decides by. The message says
/// what was checked, what was expected and what was found.
///
/// The wording follows PyTorch where PyTorch has a message for the same mistake. The message is one line and
/// safe on a terminal: control characters in text from a file are escaped. A call that returns an error has
/// changed nothing: the layer can be used again.
///
/// An error that comes from the driver or from wgpu has wgpu's error as its
/// [`source`](std::error::Error::source). The message contains the text of the source.
///
/// ```
/// use wgpu_rnn::{Backend, Config, ErrorKind, Layer, Weights, ndarray::Array3};
///
/// let layer = Layer::new(&Weights::seeded(Config::gru(3, 4), 0)?, Backend::Cpu)?;
/// let error = layer.forward(&Array3::zeros((2, 5, 7))).unwrap_err();
/// assert_eq!((error.kind(), error.subject()), (ErrorKind::Input, Some("input")));
/// assert_eq!(error.to_string(), "input.size(-1) must be equal to input_size. Expected 3, got 7");
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    fault: Fault,
    source: Option<Source>,
}

/// An error cannot change, so a panic cannot leave it half changed.
impl RefUnwindSafe for Inner {}

type Source = Box<dyn StdError + Send + Sync>;

/// The kinds of errors. Each has a different remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An option is wrong: a [`Config`](crate::Config) breaks a rule of PyTorch's constructors, a name has no
    /// meaning, or the layer cannot do what was asked of it.
    Config,
    /// A tensor of a state dict, model or file is missing or unexpected, or has the wrong shape, type or
    /// values.
    Tensor,
    /// The contents of a file violate its format.
    File,
    /// An argument of a call is wrong: the input, the state, the lengths, the rows or a buffer.
    Input,
    /// There is no such adapter, the adapter or the CPU lacks what is needed, or the device cannot be opened.
    Device,
    /// A buffer or grid would be larger than the device or its memory allows. Fewer rows or steps in a call
    /// may help.
    TooLarge,
    /// The device or the host lacks the memory (or the thread) that the call needs.
    OutOfMemory,
    /// The device was lost or destroyed. A new [`Layer`](crate::Layer) on another device can go on.
    DeviceLost,
    /// The device did not finish within [`LayerOptions::timeout`](crate::LayerOptions::timeout). The layer
    /// can be called again.
    Timeout,
    /// wgpu refused a call. This is a defect of this crate or of the driver.
    Driver,
}

impl Error {
    /// Creates an error of a program's own, such as for [`Weights::from_fn`](crate::Weights::from_fn), with the
    /// message of `error`.
    ///
    /// ```
    /// use wgpu_rnn::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::Tensor, "weight_ih_l0: expected one of the bundled models, found none");
    /// assert_eq!(error.kind(), ErrorKind::Tensor);
    /// ```
    pub fn new(kind: ErrorKind, error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = error.into();
        Error(Arc::new(Inner {
            kind,
            fault: Fault::Other { message: source.to_string() },
            source: Some(source),
        }))
    }

    /// Returns the kind of error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the name of the parameter, array, argument or buffer that the error is about, if it is about
    /// one: `input`, `h_0`, `lengths`, or a tensor's full name, such as `encoder.weight_ih_l0`.
    pub fn subject(&self) -> Option<&str> {
        self.fault().subject()
    }

    /// Returns the fault in detail.
    pub(crate) fn fault(&self) -> &Fault {
        &self.0.fault
    }

    /// Returns the error of a fault that another error caused.
    #[cfg(all(feature = "gpu", not(target_arch = "wasm32")))]
    pub(crate) fn because(fault: Fault, source: impl Into<Source>) -> Self {
        Error(Arc::new(Inner { kind: fault.kind(), fault, source: Some(source.into()) }))
    }

    /// Returns the same error about an argument of a call, where it would otherwise be about a tensor of a
    /// file.
    pub(crate) fn of_argument(self) -> Self {
        Error(Arc::new(Inner { kind: ErrorKind::Input, fault: self.0.fault.clone(), source: None }))
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Error(Arc::new(Inner { kind: fault.kind(), fault, source: None }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fault.fmt(f)
    }
}

/// Shows the kind and the detail.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Error").field(&self.0.kind).field(&self.0.fault).finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let source = self.0.source.as_deref()?;
        match self.0.fault {
            Fault::Other { .. } => source.source(),
            _ => Some(source),
        }
    }
}
