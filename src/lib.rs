//! stub
pub use ndarray;
pub use wgpu;

mod batch;
mod config;
mod cpu;
mod error;
mod gpu;
#[cfg(any(feature = "safetensors", feature = "npz"))]
pub mod io;
mod layer;
pub mod reference;
pub mod tolerance;
mod weights;

pub use batch::{Input, Output, State};
pub use config::{Cell, Config, Nonlinearity};
pub use error::Error;
pub use gpu::{AdapterChoice, Capabilities, Gpu, LimitsChoice, Strategy};
pub use layer::{Backend, Layer, LayerOptions};
pub use weights::{DirectionWeights, Generator, LoadOptions, Parameter, ParameterKind, Weights, infer};
