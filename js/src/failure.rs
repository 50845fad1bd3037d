//! Errors, which JavaScript turns into errors of its own classes.

use wasm_bindgen::prelude::wasm_bindgen;
use wgpu_rnn::{Error, ErrorKind};

/// An error of the library.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Failure(Error);

impl Failure {
    /// An argument of a call is wrong.
    pub(crate) fn input(message: String) -> Failure {
        Failure(Error::new(ErrorKind::Input, message))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure(error)
    }
}

#[wasm_bindgen]
impl Failure {
    /// The kind, as JavaScript names it.
    #[wasm_bindgen(getter)]
    pub fn kind(&self) -> String {
        let kind = match self.0.kind() {
            ErrorKind::Config => "config",
            ErrorKind::Tensor => "tensor",
            ErrorKind::File => "file",
            ErrorKind::Input => "input",
            ErrorKind::Device => "device",
            ErrorKind::TooLarge => "too-large",
            ErrorKind::OutOfMemory => "out-of-memory",
            ErrorKind::DeviceLost => "device-lost",
            ErrorKind::Timeout => "timeout",
            _ => "driver",
        };
        kind.to_owned()
    }

    /// The argument, parameter or tensor that the error is about, if it is about one.
    #[wasm_bindgen(getter)]
    pub fn subject(&self) -> Option<String> {
        self.0.subject().map(str::to_owned)
    }

    /// What was checked, what was expected and what was found.
    #[wasm_bindgen(getter)]
    pub fn message(&self) -> String {
        self.0.to_string()
    }
}
