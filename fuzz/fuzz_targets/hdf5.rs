//! Any bytes, read as HDF5.
#![no_main]

use wgpu_rnn_fuzz::files::{Format, check};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check(Format::Hdf5, bytes));
