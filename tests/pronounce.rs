//! The example's real model, everywhere.

use wgpu_rnn::Backend;

use crate::harness::{host, on_each_device};

// The example itself: what is tested is what a user runs.
#[path = "../examples/pronounce/g2p.rs"]
mod g2p;

#[test]
fn three_hundred_words_come_out_exactly() {
    host().iter().for_each(|host| g2p::tests::check(host.backend.clone()));
}

#[test]
fn three_hundred_words_come_out_exactly_on_the_gpu() {
    on_each_device(|_, gpu| g2p::tests::check(Backend::Gpu(gpu.clone())));
}
