//! Recurrent layers (Elman RNN, LSTM, GRU) for inference with PyTorch's semantics. They run on the CPU and
//! on any GPU that [wgpu](https://docs.rs/wgpu) supports.
//!
//! ```
//! use wgpu_rnn::{Backend, Config, Input, Layer, LayerOptions, Weights, ndarray::Array3};
//!
//! # fn main() -> Result<(), wgpu_rnn::Error> {
//! // What torch.manual_seed(0); torch.nn.GRU(80, 128, bidirectional=True) has. For trained weights:
//! // Weights::from_bytes(&std::fs::read("model.safetensors")?, &LoadOptions::default())
//! let weights = Weights::seeded(Config::gru(80, 128).bidirectional(true), 0)?;
//! // The GPU if it pays for N = 4 and T = 50, else the CPU:
//! let choice = Backend::auto(weights.config(), 4, 50, &LayerOptions::default());
//! println!("{choice}");
//! let layer = Layer::new(&weights, choice.backend)?;
//! let input = Array3::<f32>::zeros((4, 50, 80)); // [N, T, I]
//! let result = layer.forward(Input::new(&input).lengths(&[50, 7, 0, 33]))?;
//! assert_eq!(result.output.shape(), [4, 50, 256]); // [N, T, D*H]
//! assert_eq!(result.h_n.shape(), [2, 4, 128]); // [L*D, N, H]
//! # Ok(())
//! # }
//! ```
//!
//! # Words
//!
//! The crate uses one name for each concept, and PyTorch's name if PyTorch has one:
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
//! Input and output are batch-first: `[N, T, I]` and `[N, T, D*H_out]`. States are `[L*D, N, H_out]` and
//! `[L*D, N, H]`; they are never batch-first. Unbatched arrays have no N axis.
//!
//! # Numbers
//!
//! The GPU and the CPU compute in f32. Their error against [`mod@reference`], the same layer in f64, is
//! about the size of PyTorch's error. [`tolerance`] states how far each element may be off, and why. The
//! same input gives the same bits in every run, and a row's result does not depend on the other rows of its
//! batch. A session gives the bits of a forward pass.
//!
//! NaN and infinity in the input, and sums that overflow, give what they give in PyTorch. On a GPU this holds for
//! every adapter that was tested, although WGSL allows drivers to assume that they do not occur;
//! [`Input::check_finite`] rejects them. Parameters are always finite. [`guide::exactness`] has the details.
//!
//! # Choosing a backend
//!
//! [`guide::choosing_a_backend`] describes what to expect of a GPU and of the CPU, and which options there
//! are. [`auto`] describes the rule that [`Backend::auto`] applies.
//!
//! # When something goes wrong
//!
//! [`guide::when_something_goes_wrong`] has a table of faults with their errors and with what remains
//! usable. It also lists what is logged at each level.
//!
//! # Features
//!
//! | feature | effect | crates on Linux |
//! |---|---|---|
//! | none | the CPU backend and the reference | 38 |
//! | `safetensors` (default) | reads and writes weights as state dicts in the safetensors format | 57 |
//! | `npz` | reads and writes arrays and weights as NumPy's npy and npz files | 85 |
//! | `pytorch` | reads tensors and weights from the files of `torch.save` and `torch.jit.save` | 44 |
//! | `keras` | reads weights from Keras' `.keras`, `.weights.h5` and `.h5` files | 49 |
//! | `onnx` | reads weights from ONNX models | 44 |
//! | `gpu` (default) | the GPU backend, with wgpu. Without it, [`Gpu::new`] returns an error that names the feature, and [`Backend::auto`] chooses the CPU | 66 |
//! | `vulkan`, `metal`, `dx12`, `gles`, `webgpu` (all default) | wgpu's backends, each only on the platforms that have it. `gpu` needs at least one of them to find an adapter | 73 with `vulkan`, 70 with `gles` |
//! | `tuning-file` | keeps the measurements of [`LayerOptions::measure`] in a file for the next run. It has no effect in a browser | 73 |
//! | the default features | | 90 |
//!
//! `scripts/features crates` counts the crates, with this one, for each feature alone.
//!
//! # In a browser
//!
//! For `wasm32-unknown-unknown` the crate uses only wgpu's `webgpu` backend and omits every function that
//! blocks. [`guide::in_the_browser`] describes what remains and how to build it.

// docs.rs marks what needs a feature or a target. `scripts/docs` builds the pages in the same way.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub use ndarray;
#[cfg(feature = "gpu")]
pub use wgpu;

// Runs the README's code as tests of this crate.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod activation;
mod adapter;
mod array;
pub mod auto;
mod backend;
mod batch;
#[cfg(not(target_arch = "wasm32"))]
mod blocking;
mod config;
mod cpu;
mod error;
#[cfg_attr(not(feature = "gpu"), path = "no_gpu.rs")]
mod gpu;
pub mod guide;
#[cfg(feature = "gpu")]
pub mod inspect;
mod instructions;
#[cfg(any(
    feature = "safetensors",
    feature = "npz",
    feature = "onnx",
    feature = "pytorch",
    feature = "keras"
))]
pub mod io;
mod layer;
mod offload;
mod options;
#[cfg(not(target_arch = "wasm32"))]
mod pool;
pub mod reference;
mod session;
mod shared;
mod strategy;
mod timings;
pub mod tolerance;
mod weights;

pub use activation::Activation;
pub use adapter::AdapterChoice;
pub use backend::Backend;
pub use batch::{Input, Output, State};
pub use config::{Cell, Config};
pub use error::{Error, ErrorKind};
pub use gpu::Gpu;
#[cfg(feature = "gpu")]
pub use gpu::GpuBuffers;
pub use instructions::CpuInstructions;
pub use layer::Layer;
pub use options::LayerOptions;
pub use session::Session;
pub use strategy::Strategy;
pub use timings::Timings;
pub(crate) use weights::DirectionWeights;
#[cfg(all(test, feature = "gpu"))]
pub(crate) use weights::Generator;
pub use weights::{LoadOptions, Precision, Weights, infer_config, recurrent_prefixes};
#[cfg(any(
    feature = "safetensors",
    feature = "npz",
    feature = "onnx",
    feature = "pytorch",
    feature = "keras"
))]
pub(crate) use weights::{Parameter, ParameterKind};
