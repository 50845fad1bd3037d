//! Any bytes, read as a Keras model.
#![no_main]

use wgpu_rnn_fuzz::files::{Format, check};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check(Format::Keras, bytes));
