//! The GPU backend.

mod capabilities;
mod device;
mod kernel;
mod layer;
mod plan;
mod poll;

pub use capabilities::Capabilities;
pub use device::{AdapterChoice, Gpu, LimitsChoice};
pub(crate) use layer::GpuLayer;
pub use plan::Strategy;
