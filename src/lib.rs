//! Recurrent layers (Elman RNN, LSTM, GRU) for inference, with PyTorch's semantics, on any GPU that [wgpu] reaches and on
//! the CPU.
//!
//! ```
//! use wgpu_rnn::{Backend, Config, Input, Layer, State, Weights, ndarray::Array3};
//!
//! # fn main() -> Result<(), wgpu_rnn::Error> {
//! // What torch.manual_seed(0); torch.nn.GRU(80, 128, bidirectional=True) has. For trained weights:
//! // Weights::from_safetensors(&std::fs::read("model.safetensors")?, &LoadOptions::default().prefix("encoder."))
//! let weights = Weights::seeded(Config::gru(80, 128).bidirectional(true), 0)?;
//! let choice = Backend::auto(weights.config(), 4, 50); // the GPU if it pays for N = 4 and T = 50, else the CPU
//! println!("{choice}");
//! let layer = Layer::new(&weights, choice.backend)?;
//! let input = Array3::<f32>::zeros((4, 50, 80)); // [N, T, I]
//! let result = layer.forward(&Input::new(input.view()).lengths(&[50, 7, 0, 33]), &State::zero())?;
//! assert_eq!(result.output.shape(), [4, 50, 256]); // [N, T, D*H]
//! assert_eq!(result.h_n.shape(), [2, 4, 128]); // [L*D, N, H]
//! # Ok(())
//! # }
//! ```
//!
//! # Words
//!
//! One name for each thing, PyTorch's where it has one:
//!
//! | letter | name | meaning |
//! |---|---|---|
//! | N | batch | sequences in a batch |
//! | T | steps | time steps; a row may have fewer ([`Input::lengths`]) |
//! | I | [`input_size`](Config::input_size) | features of one input vector |
//! | H | [`hidden_size`](Config::hidden_size) | hidden units |
//! | P | [`proj_size`](Config::proj_size) | size of a projected LSTM hidden state, 0 for none; H_out is P or H |
//! | L | [`num_layers`](Config::num_layers) | stacked layers |
//! | D | [`directions`](Config::directions) | 2 if bidirectional, else 1 |
//! | G | [`gates`](Cell::gates) | 1 RNN, 3 GRU (r z n), 4 LSTM (i f g o), in PyTorch's order |
//!
//! Input and output are batch-first, `[N, T, I]` and `[N, T, D*H_out]`; states are `[L*D, N, H_out]` and `[L*D, N, H]` and
//! never batch-first. Without a batch the N axis is left out of all of them.
//!
//! # Numbers
//!
//! The GPU and the CPU compute in f32, and their error against [`mod@reference`], the same layer in f64, is of the size of
//! PyTorch's own. [`tolerance`] says how far each element may be off, and why. The same input gives the same bits run
//! after run, and a row's result does not depend on the other rows of its batch. The exception is [`Tuning::Measure`] where
//! it may choose among strategies, which round differently.
//!
//! NaN and infinity in the input spread on the CPU as in PyTorch. On the GPU nothing is promised for them;
//! [`Input::check_finite`] and [`State::check_finite`] refuse them. Parameters are always finite.
//!
//! # Choosing a backend
//!
//! [`guide::choosing_a_backend`] says what to expect of a GPU and of the CPU, and which knobs there are; [`auto`] is the
//! rule behind [`Backend::auto`].
//!
//! # When something goes wrong
//!
//! [`guide::when_something_goes_wrong`] has the table of faults with their errors and what is left, and what is logged at
//! which level.
//!
//! # Features
//!
//! - `safetensors` (default): weights from and to state dicts saved as safetensors.
//! - `npz`: arrays and weights from and to NumPy's npy and npz files.
//! - `onnx`: weights from ONNX models.
//! - `tuning-file`: what [`Tuning::Measure`] found out, kept in a file for the next run. Nothing in a browser.
//!
//! # In a browser
//!
//! For `wasm32-unknown-unknown` the crate takes wgpu's `webgpu` backend alone and leaves out every function that blocks:
//! [`guide::in_the_browser`] says what there is, and how to build it.

pub use ndarray;
pub use wgpu;

// The documentation's code runs as tests of this crate.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod activation;
mod array;
pub mod auto;
mod batch;
mod config;
mod cpu;
mod error;
mod gpu;
pub mod guide;
mod instructions;
#[cfg(any(feature = "safetensors", feature = "npz", feature = "onnx"))]
pub mod io;
mod layer;
mod offload;
mod options;
pub mod reference;
mod session;
pub mod tolerance;
mod weights;

pub use activation::{Activation, Activations};
pub use batch::{Input, OnnxLayout, OnnxOutput, Output, State};
pub use config::{Cell, Config, Nonlinearity, Variant};
pub use error::Error;
pub use gpu::{
    AdapterChoice, Capabilities, DispatchReport, Gpu, GpuBuffers, GpuLayer, KernelSource, LimitsChoice,
    PlanReport, Strategy, Timings, Tuning, kernels,
};
pub use instructions::CpuInstructions;
pub use layer::{Backend, Layer};
pub use options::LayerOptions;
pub use session::{SavedState, Session};
pub use weights::{
    DirectionWeights, Generator, LoadOptions, Parameter, ParameterKind, Precision, Weights, infer_config,
};
