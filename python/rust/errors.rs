//! The library's errors as Python's exceptions. The classes are in `wgpu_rnn/errors.py`.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyType;
use wgpu_rnn::{Error, ErrorKind};

/// Converts an error of the library.
pub(crate) fn to_python(error: Error) -> PyErr {
    raise(class_of(&error), error.to_string())
}

/// Returns an exception of a class in `wgpu_rnn.errors`.
pub(crate) fn raise(class: &'static str, message: String) -> PyErr {
    Python::attach(|py| match exception(py, class) {
        Ok(class) => PyErr::from_type(class, message),
        Err(_) => PyRuntimeError::new_err(message),
    })
}

fn exception<'py>(py: Python<'py>, class: &str) -> PyResult<Bound<'py, PyType>> {
    Ok(py.import("wgpu_rnn.errors")?.getattr(class)?.cast_into::<PyType>()?)
}

/// Returns the name of the class for an error.
fn class_of(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Input => "ShapeError",
        ErrorKind::Config => "ConfigError",
        ErrorKind::Tensor => "WeightsError",
        ErrorKind::File => "FileFormatError",
        ErrorKind::OutOfMemory => "OutOfMemory",
        ErrorKind::Timeout => "DeviceTimeout",
        ErrorKind::DeviceLost => "DeviceLost",
        ErrorKind::TooLarge => "TooLarge",
        _ => "DeviceError",
    }
}
