//! Tests of kernels that do not compile, and of futures that are pending at every await point.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use super::super::Gpu;
use super::{gpu, random};
use crate::{Backend, Config, Generator, Input, Layer, LayerOptions, Output, Strategy, Weights, offload};

/// Returns options for every way to run a call of nine rows and five steps: with each strategy, at once,
/// measured and in pieces.
fn options(gpu: &Gpu, config: &Config) -> Vec<LayerOptions> {
    let ways = |&strategy| {
        let options = LayerOptions { strategy, ..LayerOptions::default() };
        let plan = gpu.plan(config, 9, 5, &options).unwrap();
        let pieces = LayerOptions { strategy, budget: plan.workspace_bytes / 2, ..LayerOptions::default() };
        [options.clone(), LayerOptions { measure: true, ..options }, pieces]
    };
    Strategy::ALL.iter().flat_map(ways).collect()
}

#[test]
fn a_kernel_that_does_not_compile_is_an_error_and_stays_one() {
    let Some(gpu) = gpu() else { return };
    let broken = gpu.with_mutation(("fn act_tanh(", "fn act_tanh(not a type "));
    let config = Config::gru(6, 20).num_layers(2).bidirectional(true);
    let weights = Weights::seeded(config, 0).unwrap();
    let x = random(&mut Generator::seeded(1), [9, 5, 6]);
    let input = Input::new(x.view());
    for options in options(&gpu, &config) {
        let layer = |gpu| Layer::new(&weights, (Backend::Gpu(gpu), options.clone())).unwrap();
        let (broken, sound) = (layer(broken.clone()), layer(gpu.clone()));
        let results = || {
            [
                broken.forward(&input),
                pollster::block_on(broken.forward_async(&input)),
                broken.forward(input.clone().timed()),
            ]
        };
        for result in results().into_iter().chain(results()) {
            let reason = result.unwrap_err().to_string();
            let expected = "wgpu refused a call (a defect of wgpu-rnn or of the driver): ";
            assert!(reason.starts_with(expected) && reason.contains("not a type"), "{reason}");
        }
        sound.forward(&input).expect("the device is none the worse for it");
    }
}

/// Wakes the polling thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls a future at most `polls` times, and waits between polls until it wakes the thread. Returns its
/// result, if it is ready.
pub(super) fn polled<T>(future: impl Future<Output = T>, polls: usize) -> Option<T> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    for _ in 0..polls {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        thread::park();
    }
    None
}

/// Drops a call after its first poll, another one after its second poll, and so on, until a poll returns
/// the result. Checks each time that the layer still returns the expected output. Returns the number of
/// polls of the last call.
fn dropped_everywhere(layer: impl Fn() -> Layer, input: &Input<'_>, expected: &Output) -> usize {
    for polls in 1.. {
        let layer = layer();
        let result = offload::giving_way(|| polled(layer.forward_async(input), polls));
        assert_eq!(layer.forward(input).unwrap(), *expected, "after {polls} polls");
        let waited = pollster::block_on(layer.forward_async(input)).unwrap();
        assert_eq!(waited, *expected, "after {polls} polls");
        if let Some(result) = result {
            assert_eq!(result.unwrap(), *expected);
            return polls;
        }
    }
    unreachable!("a future that is never ready")
}

#[test]
fn a_future_may_be_dropped_wherever_it_waits() {
    let config = Config::gru(6, 20).num_layers(2).bidirectional(true);
    let weights = Weights::seeded(config, 0).unwrap();
    let x = random(&mut Generator::seeded(1), [9, 5, 6]);
    let input = Input::new(x.view());
    let on =
        |backend: Backend, options: &LayerOptions| Layer::new(&weights, (backend, options.clone())).unwrap();
    for backend in [Backend::Cpu, Backend::Reference] {
        let layer = || on(backend.clone(), &LayerOptions::default());
        let expected = layer().forward(&input).unwrap();
        assert!(dropped_everywhere(layer, &input, &expected) >= 2);
    }
    let Some(gpu) = gpu() else { return };
    for options in options(&gpu, &config) {
        let layer = || on(Backend::Gpu(gpu.clone()), &options);
        let expected = layer().forward(&input).unwrap();
        let polls = dropped_everywhere(layer, &input, &expected);
        let pieces = 9usize.div_ceil(layer().plan(9, 5).unwrap().unwrap().rows);
        println!("{polls} polls, {pieces} pieces, {}, {}", options.strategy, options.measure);
        // Each piece waits for the thread that submits, for the one that waits, and for both mapped
        // buffers. The first piece also waits for the thread that compiles.
        assert!(polls > 1 + 4 * pieces, "{polls} polls, {pieces} pieces, {options:?}");
    }
}
