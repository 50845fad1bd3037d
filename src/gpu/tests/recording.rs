//! Measures the host's time to record a forward pass.

use std::time::Instant;

use super::super::GpuLayer;
use super::super::plan::{CallShape, Endpoints};
use super::super::workspace::Turn;
use super::encode::{Program, encoder};
use super::gpu;
use crate::{Config, LayerOptions, Strategy, Weights};

/// The largest time to record a dispatch, in microseconds.
const LIMIT_US: f64 = 2.0;
const TIMES: usize = 101;

/// The time is meaningful only for an optimised build on a quiet machine:
/// `cargo test --release --all-features --lib recording -- --ignored --nocapture`.
#[test]
#[ignore = "a time, to be taken by hand"]
fn recording_takes_less_than_two_microseconds_a_dispatch() {
    let Some(gpu) = gpu() else { return };
    let projected = Config::lstm(8, 16).proj_size(4);
    for (config, strategy, steps) in [
        (Config::lstm(8, 16), Strategy::Step, 1000),
        (Config::lstm(8, 16), Strategy::HoistedStep, 1000),
        (Config::gru(8, 16).num_layers(4).bidirectional(true), Strategy::Step, 250),
        (projected, Strategy::Step, 500),
    ] {
        let options = LayerOptions { strategy, ..LayerOptions::default() };
        let layer = GpuLayer::new(&gpu, &Weights::seeded(config, 0).unwrap(), &options).unwrap();
        let size = CallShape { rows: 1, steps, budget: options.budget, endpoints: Endpoints::Host };
        let workspace = pollster::block_on(layer.0.new_workspace(size)).unwrap();
        let mut times: Vec<f64> = (0..TIMES)
            .map(|_| {
                let start = Instant::now();
                for place in 0..workspace.plan.segments.len() {
                    let (segment, staging) = workspace.segment(place);
                    drop(workspace.record(&gpu, &config, segment, staging, Turn::default(), None).finish());
                }
                start.elapsed().as_secs_f64() * 1e6
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let dispatches = workspace.plan.dispatches.len();
        let each = times[TIMES / 2] / dispatches as f64;
        println!("{config} with {strategy}: {dispatches} dispatches, {each:.2} us each");
        assert!(each < LIMIT_US, "{config} with {strategy}: {each} us");
    }
}

/// Measures all of [`GpuLayer::encode`] with an existing encoder: checks, lookups, copies and the plan's
/// dispatches.
#[test]
#[ignore = "a time, to be taken by hand"]
fn encoding_takes_less_than_two_microseconds_a_dispatch() {
    let Some(gpu) = gpu() else { return };
    for (config, strategy, steps) in [
        (Config::lstm(8, 16), Strategy::Step, 1000),
        (Config::lstm(8, 16), Strategy::HoistedStep, 1000),
        (Config::gru(7, 16).num_layers(4).bidirectional(true), Strategy::Step, 250),
        (Config::gru(7, 16), Strategy::Scan, 20),
    ] {
        let options = LayerOptions { strategy, ..LayerOptions::default() };
        let layer = GpuLayer::new(&gpu, &Weights::seeded(config, 0).unwrap(), &options).unwrap();
        let programs = [0, 1].map(|_| Program::new(&gpu, config, 1, steps));
        let encode = |program: &Program| {
            let mut encoder = encoder(&gpu);
            let start = Instant::now();
            layer.encode(&mut encoder, &program.buffers()).unwrap();
            let encoded = start.elapsed().as_secs_f64() * 1e6;
            drop(encoder.finish());
            [encoded, start.elapsed().as_secs_f64() * 1e6]
        };
        let [first, other] = programs.each_ref().map(&encode);
        let mut times: Vec<[f64; 2]> = (0..TIMES).map(|_| encode(&programs[0])).collect();
        times.sort_by(|a, b| a[1].total_cmp(&b[1]));
        let size = CallShape { rows: 1, steps, budget: options.budget, endpoints: Endpoints::Buffers };
        let dispatches = layer.0.plan(size).unwrap().dispatches.len();
        let [encoded, finished] = times[TIMES / 2];
        println!(
            "{config} with {strategy}: {dispatches} dispatches of the plan; first call {:.0} us, first with other buffers \
             {:.0} us, then {encoded:.1} us and {finished:.1} us with finish: {:.2} us for each of them, copies included",
            first[1],
            other[1],
            finished / dispatches as f64
        );
        assert!(dispatches < 100 || finished / (dispatches as f64) < LIMIT_US, "{config} with {strategy}");
    }
}
