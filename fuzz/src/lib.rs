//! What must hold of bad input. `fuzz_targets` try it with libFuzzer's bytes, `tests/bad_input.rs`, which includes these
//! modules, with bytes of its own.

pub mod files;
pub mod layer;
pub mod onnx;
mod problem;
