//! The GPU backend: a plan, its kernels and its buffers.

mod buffer;
#[cfg_attr(target_arch = "wasm32", path = "gpu/browser.rs")]
mod call_mode;
mod capabilities;
mod compile;
#[cfg(test)]
mod counts;
mod device;
mod encode;
mod faults;
mod first_pass;
mod kernel;
mod layer;
mod log_once;
mod pack;
mod plan;
#[cfg(not(target_arch = "wasm32"))]
mod poll;
mod resident;
mod scopes;
mod session;
mod submission;
#[cfg(not(target_arch = "wasm32"))]
mod subnormals;
mod sync;
mod timed;
#[cfg(not(target_arch = "wasm32"))]
mod timer;
mod timestamps;
mod transfer;
mod tune;
mod unused;
#[cfg(not(target_arch = "wasm32"))]
mod watch;
#[cfg(not(target_arch = "wasm32"))]
mod worker;
mod workspace;

#[cfg(not(target_arch = "wasm32"))]
use std::time::Instant;
/// `std::time::Instant` panics in a browser.
#[cfg(target_arch = "wasm32")]
use web_time::Instant;

pub(crate) use capabilities::Capabilities;
pub use device::Gpu;
pub(crate) use device::{available, named, no_adapter};
pub use encode::GpuBuffers;
pub(crate) use layer::GpuLayer;
pub use plan::{DispatchReport, KernelSource, PlanReport, kernels};
pub(crate) use session::GpuSession;

#[cfg(test)]
pub(crate) mod tests;
