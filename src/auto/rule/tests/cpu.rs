//! Compares the expected times of the CPU backend with measured times.

use std::time::Instant;

use ndarray::Array3;

use super::super::cost::{self, Work};
use super::grid;
use crate::{Backend, Cell, Config, CpuInstructions, Layer, LayerOptions, Weights};

/// The largest allowed ratio of measured and expected time, in either direction.
const LIMIT: f64 = 2.0;
/// The minimum time in seconds and the minimum number of passes for each size.
const SECONDS: f64 = 0.4;
const PASSES: usize = 3;

/// Measures one thread, in an optimised build on a quiet machine:
/// `cargo test --release --lib auto::rule::tests::cpu -- --ignored --nocapture`.
#[test]
#[ignore = "a time, to be taken by hand"]
fn the_cpu_takes_about_what_is_expected() {
    let sizes =
        [1, 8, 64].into_iter().flat_map(|n| [8, 32, 128, 512, 1024].map(|h| (Config::lstm(h, h), n, 32)));
    let cells = [Config::rnn(1, 1).cell, Cell::Lstm, Cell::Gru];
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let mut far = Vec::new();
    for (config, batch, steps) in grid().into_iter().chain(sizes) {
        for config in cells.map(|cell| Config { cell, ..config }) {
            let work = Work { config: &config, batch, steps, options: &LayerOptions::default() };
            let expected = cost::cpu_us(&work, 1, CpuInstructions::best().unwrap());
            let found = alone.install(|| measured_us(&config, batch, steps));
            let line = format!(
                "{config}, N={batch}, T={steps}: {found:.0} us, expected {expected:.0}: {:.2}",
                expected / found
            );
            println!("{line}");
            if !(1.0 / LIMIT..LIMIT).contains(&(expected / found)) {
                far.push(line);
            }
        }
    }
    assert!(far.is_empty(), "{far:#?}");
}

/// Returns the time of the fastest of several passes.
fn measured_us(config: &Config, batch: usize, steps: usize) -> f64 {
    let layer = Layer::new(&Weights::seeded(*config, 0).unwrap(), Backend::Cpu).unwrap();
    let input = Array3::from_shape_fn((batch, steps, config.input_size), |(n, t, i)| {
        ((n + 3 * t + 7 * i) as f32).sin()
    });
    let (start, mut times) = (Instant::now(), Vec::new());
    while times.len() < PASSES || start.elapsed().as_secs_f64() < SECONDS {
        let pass = Instant::now();
        layer.forward(&input).unwrap();
        times.push(1e6 * pass.elapsed().as_secs_f64());
    }
    times.into_iter().fold(f64::INFINITY, f64::min)
}
