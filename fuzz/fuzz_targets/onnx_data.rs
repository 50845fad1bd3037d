//! Any bytes, read as an ONNX model and the values beside it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wgpu_rnn_fuzz::onnx::check_with_data(bytes));
