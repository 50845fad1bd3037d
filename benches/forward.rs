//! Whole forward passes, from the host's input to the host's output.
//!
//! - `cargo bench --bench forward -- [FILTER]` times the small sizes; `WGPU_RNN_BENCH_GRID=all` adds the others.
//! - `cargo test --benches` runs each once.
//! - `WGPU_RNN_TEST_ADAPTER=NAME` (part of the adapter's name, or its index) takes that adapter in place of the best.
#![allow(clippy::panic, missing_docs, reason = "a bench may panic, and criterion's macros document nothing")]

use std::env;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use wgpu_rnn::ndarray::Array3;
use wgpu_rnn::{AdapterChoice, Backend, Config, Error, Gpu, Layer, LayerOptions, Strategy, Weights};

/// Name, N, T, I, H, L, D.
type Case = (&'static str, [usize; 6]);

const SMALL: [Case; 3] =
    [("tiny", [1, 100, 5, 8, 1, 1]), ("stream", [1, 1, 80, 256, 2, 1]), ("small", [1, 100, 64, 128, 1, 1])];
const LARGE: [Case; 5] = [
    ("seed", [128, 100, 20, 64, 1, 2]),
    ("speech", [8, 200, 80, 256, 2, 1]),
    ("wide", [32, 64, 512, 512, 1, 1]),
    ("big", [64, 128, 512, 1024, 1, 1]),
    ("long", [1, 4096, 64, 128, 1, 1]),
];

fn forward(criterion: &mut Criterion) {
    let mut cases = SMALL.to_vec();
    if env::var("WGPU_RNN_BENCH_GRID").is_ok_and(|grid| grid == "all") {
        cases.extend(LARGE);
    }
    let backends = backends();
    for (name, sizes) in cases {
        for cell in [Config::rnn, Config::lstm, Config::gru] {
            let [_, _, input_size, hidden_size, layers, directions] = sizes;
            let config = cell(input_size, hidden_size).num_layers(layers).bidirectional(directions == 2);
            for (how, backend, strategy) in &backends {
                let id = format!("{name}/{}/{how}", config.cell.name());
                if let Err(error) = case(criterion, &id, sizes, config, backend, *strategy) {
                    eprintln!("{id}: left out: {error}");
                }
            }
        }
    }
}

fn case(
    criterion: &mut Criterion,
    id: &str,
    [rows, steps, input_size, ..]: [usize; 6],
    config: Config,
    backend: &Backend,
    strategy: Strategy,
) -> Result<(), Error> {
    let options = LayerOptions { strategy, ..LayerOptions::default() };
    let layer = Layer::new(&Weights::seeded(config, 0)?, (backend.clone(), options))?;
    let input =
        Array3::from_shape_fn((rows, steps, input_size), |(n, t, i)| ((n + 3 * t + 7 * i) as f32).sin());
    let pass = || layer.forward(&input);
    // A layer that does not fit the device shows it here.
    pass()?;
    criterion.bench_function(id, |bencher| {
        bencher.iter(|| pass().unwrap_or_else(|error| panic!("{id}: {error}")));
    });
    Ok(())
}

/// The CPU backend, and the adapter with the planner's choice and with each strategy.
fn backends() -> Vec<(String, Backend, Strategy)> {
    let mut backends = vec![("cpu".to_owned(), Backend::Cpu, Strategy::Auto)];
    let wanted = env::var("WGPU_RNN_TEST_ADAPTER").ok().filter(|wanted| !wanted.is_empty());
    let choice = wanted.map_or(AdapterChoice::Best, |wanted| match wanted.parse() {
        Ok(index) => AdapterChoice::Index(index),
        Err(_) => AdapterChoice::Name(wanted),
    });
    match Gpu::new(&choice) {
        Ok(gpu) => {
            eprintln!("gpu: {gpu}");
            for &strategy in [Strategy::Auto].iter().chain(Strategy::ALL) {
                backends.push((format!("gpu/{strategy}"), Backend::Gpu(gpu.clone()), strategy));
            }
        }
        Err(error) => eprintln!("the CPU backend alone, since {error}"),
    }
    backends
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = forward
}
criterion_main!(benches);
