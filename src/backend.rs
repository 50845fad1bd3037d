//! The backends.

use std::fmt;

use crate::LayerOptions;
use crate::gpu::Gpu;

/// The backend that a layer runs on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Backend {
    /// Plain loops over f64 with the result rounded to f32. This backend defines the layer; it is slow.
    Reference,
    /// f32 on the CPU's cores.
    Cpu,
    /// A GPU.
    Gpu(Gpu),
}

/// `reference (f64)`, `cpu`, or `gpu: ` and the adapter's name and backend.
impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Backend::Reference => f.write_str("reference (f64)"),
            Backend::Cpu => f.write_str("cpu"),
            Backend::Gpu(gpu) => write!(f, "gpu: {gpu}"),
        }
    }
}

/// A backend with the default options.
impl From<Backend> for (Backend, LayerOptions) {
    fn from(backend: Backend) -> Self {
        (backend, LayerOptions::default())
    }
}
