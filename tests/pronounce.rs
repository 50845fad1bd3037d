//! The example's real model, everywhere.

use wgpu_rnn::Backend;

use crate::harness::{host, on_each_device};

// The example itself: what is tested is what a user runs.
#[path = "../examples/pronounce/g2p.rs"]
mod g2p;

/// 300 words with the phonemes that the published package gives.
fn expected() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    let file = include_str!("../examples/pronounce/expected.tsv");
    let lines = file.lines().filter_map(|line| line.split_once('\t'));
    lines.map(|(word, phonemes)| (word, phonemes.split(' ').collect()))
}

/// Pronounces all words as one batch.
fn check(backend: Backend) {
    let g2p = g2p::G2p::new(backend).unwrap();
    let (words, expected): (Vec<_>, Vec<_>) = expected().unzip();
    assert_eq!(words.len(), 300);
    let found = g2p.pronounce(&words).unwrap();
    assert_eq!(found.len(), 300);
    for (word, (found, expected)) in words.iter().zip(found.iter().zip(&expected)) {
        assert_eq!(found, expected, "{word}");
    }
}

#[test]
fn three_hundred_words_come_out_exactly() {
    host().iter().for_each(|host| check(host.backend.clone()));
}

#[test]
fn three_hundred_words_come_out_exactly_on_the_gpu() {
    on_each_device(|_, gpu| check(Backend::Gpu(gpu.clone())));
}
