//! Any bytes, read as an ONNX model.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wgpu_rnn_fuzz::onnx::check(bytes));
