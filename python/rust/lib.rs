//! The native half of the Python package `wgpu_rnn`. `wgpu_rnn/__init__.py` has the other half.

#![allow(clippy::needless_pass_by_value, reason = "PyO3 and `map_err` hand over values")]

mod arrays;
mod config;
mod device;
mod errors;
mod layer;
mod session;
mod weights;

use pyo3::prelude::*;

#[pymodule]
mod _native {
    #[pymodule_export]
    use super::device::{Device, devices};
    #[pymodule_export]
    use super::layer::Layer;
    #[pymodule_export]
    use super::session::Session;
    #[pymodule_export]
    use super::weights::Weights;
}
