//! Any bytes, read as a file of PyTorch.
#![no_main]

use wgpu_rnn_fuzz::files::{Format, check};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check(Format::Pytorch, bytes));
