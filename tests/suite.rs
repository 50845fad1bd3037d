//! Every test that sees the crate as its users do, but for those that need a process of their own: `faults`, `logging`.
//!
//! | module | asks |
//! |---|---|
//! | `golden` | does every implementation give what PyTorch gives? |
//! | `checker` | would `golden` notice if it did not? |
//! | `seeds` | PyTorch's initialisation, bit for bit, and the results that the project began with |
//! | `property` | random configurations and sizes against the reference |
//! | `invariants` | what must not change the result: neighbours, strides, a second run, the way of calling |
//! | `misuse` | does every misuse of every public function give its one message? |
//! | `bad_input` | the properties of `fuzz/`: broken files, and configurations, state dicts and batches, right or wrong |
//! | `onnx` | are ONNX models the layers that they were exported from, and broken ones refused? |
//! | `files` | files as PyTorch and Keras write them: is the layer the one that was saved? |
//! | `keras` | are the weights of Keras' layers these layers, and others refused? |
//! | `precision` | weights stored as halves: the rounded weights' results, within the stated bound |
//! | `nan` | NaN and infinity, as in PyTorch |
//! | `saturation` | closed gates before large states, and sums that overflow |
//! | `pronounce` | does the example's trained model say its 300 words, everywhere? |
//! | `shared_device` | the example that puts a layer between compute passes of its own, on every adapter |
//! | `activation` | are the shaders' tanh, sigmoid and ReLU accurate on each adapter? |
//! | `tuning` | are plans that were measured as right as the planner's own? |
//! | `encode`, `encode_errors` | passes in the caller's submission, from the caller's buffers; buffers that cannot serve |
//! | `encode_session` | pushes of a session in the caller's submission: the bits of `push` |
//! | `overlap` | passes in several submissions, and batches of which two pieces are in flight |
//! | `timed` | passes that say where their time went |
//! | `session` | streams in pieces: the bits of one call, whatever comes and goes |
//! | `variants` | what ONNX has and PyTorch has not, against the definition |
//! | `limits` | devices with very little, devices of the caller's |
//! | `api` | is the public API the one that `api.txt` states? |
//! | `browser` | has a page everything but what blocks? |
//! | `surface` | is the public interface no larger than it was? |
//! | `modules` | which modules of `src` import which: no circle, and nothing from above |
//!
//! [`on_gpu`] holds a batch on the GPU. [`harness`] says which implementations there are and which environment variables choose among them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking, and its sizes are small"
)]
#![allow(unreachable_pub, missing_docs, reason = "nothing here is seen from outside")]

#[cfg(feature = "gpu")]
mod activation;
mod api;
mod arguments;
#[cfg(all(feature = "safetensors", feature = "npz", feature = "pytorch", feature = "keras"))]
mod bad_input;
mod browser;
mod case;
mod checker;
#[cfg(feature = "gpu")]
mod encode;
#[cfg(feature = "gpu")]
mod encode_errors;
#[cfg(feature = "gpu")]
mod encode_session;
#[cfg(all(feature = "safetensors", feature = "npz", feature = "pytorch", feature = "keras"))]
mod files;
mod golden;
#[cfg_attr(not(feature = "gpu"), allow(dead_code, reason = "some of it is for GPUs"))]
mod harness;
mod instructions;
mod invariants;
#[cfg(all(feature = "safetensors", feature = "npz", feature = "keras"))]
mod keras;
#[cfg(feature = "gpu")]
mod limits;
mod misuse;
mod modules;
mod nan;
#[cfg(feature = "gpu")]
mod on_gpu;
#[cfg(feature = "onnx")]
mod onnx;
#[cfg(feature = "gpu")]
mod overlap;
mod precision;
mod pronounce;
mod property;
mod saturation;
mod seeds;
mod session;
#[cfg(feature = "gpu")]
mod shared_device;
mod source;
mod surface;
#[cfg(feature = "gpu")]
mod timed;
#[cfg(feature = "gpu")]
mod tuning;
mod variants;
