//! Kernels that do not compile, and futures that give way at every await point.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use super::super::{Gpu, PlanReport, Strategy, Tuning};
use super::{gpu, random};
use crate::{Backend, Config, Generator, Input, Layer, LayerOptions, Output, State, Weights, offload};

/// Every way for a call of nine rows and five steps to go: forced strategies, at once, measured and in pieces.
fn options(gpu: &Gpu, config: &Config) -> Vec<LayerOptions> {
    let ways = |&strategy| {
        let options = LayerOptions::default().strategy(strategy);
        let plan = PlanReport::new(config, 9, 5, gpu.capabilities(), &options).unwrap();
        let pieces = options.clone().budget(plan.workspace_bytes / 2);
        [options.clone(), options.tuning(Tuning::Measure), pieces]
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
    let (input, state) = (Input::new(x.view()), State::zero());
    for options in options(&gpu, &config) {
        let layer = |gpu| Layer::with_options(&weights, Backend::Gpu(gpu), &options).unwrap();
        let (broken, sound) = (layer(broken.clone()), layer(gpu.clone()));
        let results = || {
            [
                broken.forward(&input, &state),
                pollster::block_on(broken.forward_async(&input, &state)),
                broken.forward_timed(&input, &state).map(|(output, _)| output),
            ]
        };
        for result in results().into_iter().chain(results()) {
            let told = result.unwrap_err().to_string();
            let expected = "wgpu refused a call (a defect of wgpu-rnn or of the driver): ";
            assert!(told.starts_with(expected) && told.contains("not a type"), "{told}");
        }
        sound.forward(&input, &state).expect("the device is none the worse for it");
    }
}

/// Wakes the thread that polls.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The result of a future that is polled so many times at most, each time it asks for it.
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

/// Drops a call behind its first, second, … poll, until a poll gives the result, and sees that the layer gives what it gave
/// before. How often that was.
fn dropped_everywhere(layer: impl Fn() -> Layer, input: &Input<'_>, expected: &Output) -> usize {
    let state = State::zero();
    for polls in 1.. {
        let layer = layer();
        let result = offload::giving_way(|| polled(layer.forward_async(input, &state), polls));
        assert_eq!(layer.forward(input, &state).unwrap(), *expected, "after {polls} polls");
        let waited = pollster::block_on(layer.forward_async(input, &state)).unwrap();
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
        |backend: Backend, options: &LayerOptions| Layer::with_options(&weights, backend, options).unwrap();
    for backend in [Backend::Cpu, Backend::Reference] {
        let layer = || on(backend.clone(), &LayerOptions::default());
        let expected = layer().forward(&input, &State::zero()).unwrap();
        assert!(dropped_everywhere(layer, &input, &expected) >= 2);
    }
    let Some(gpu) = gpu() else { return };
    for options in options(&gpu, &config) {
        let layer = || on(Backend::Gpu(gpu.clone()), &options);
        let expected = layer().forward(&input, &State::zero()).unwrap();
        let polls = dropped_everywhere(layer, &input, &expected);
        let pieces = 9usize.div_ceil(layer().plan(9, 5).unwrap().unwrap().rows);
        println!("{polls} polls, {pieces} pieces, {}, {}", options.strategy, options.tuning);
        // Of each piece: the thread that submits, the one that waits, and both mapped buffers; and of the first the one
        // that compiles.
        assert!(polls > 1 + 4 * pieces, "{polls} polls, {pieces} pieces, {options:?}");
    }
}
