use std::sync::atomic::Ordering;
use std::thread;

use ndarray::Array3;

use super::*;
use crate::gpu::Gpu;
use crate::gpu::tests::{gpu, random, size, works};
use crate::{Config, Generator, Input, LayerOptions, Output, Precision, Strategy, Weights};

/// A layer's weights and an input.
struct Given {
    weights: Weights,
    x: Array3<f32>,
}

impl Given {
    fn new(config: Config, rows: usize, steps: usize) -> Self {
        let mut generator = Generator::seeded(11);
        let weights = Weights::draw(config, &mut generator).unwrap();
        Given { weights, x: random(&mut generator, [rows, steps, config.input_size]) }
    }

    fn layer(&self, gpu: &Gpu, options: &LayerOptions) -> GpuLayer {
        GpuLayer::new(gpu, &self.weights, options).unwrap()
    }

    fn run(&self, layer: &GpuLayer) -> Output {
        self.try_run(layer).unwrap()
    }

    fn try_run(&self, layer: &GpuLayer) -> Result<Output, Error> {
        let input = Input::new(self.x.view());
        layer.run(&Batch::new(self.weights.config(), &input)?)
    }

    fn run_async(&self, layer: &GpuLayer) -> Output {
        let input = Input::new(self.x.view());
        let batch = Batch::new(self.weights.config(), &input).unwrap();
        let future = layer.run_async(&batch);
        pollster::block_on(sendable(future)).unwrap()
    }

    /// The same layer over another number of rows.
    fn rows(&self, rows: usize) -> Given {
        let shape = (rows, self.x.dim().1, self.x.dim().2);
        Given { weights: self.weights.clone(), x: Array3::ones(shape) }
    }

    /// What the layer does for the input.
    fn plan(&self, layer: &GpuLayer) -> String {
        let (rows, steps, _) = self.x.dim();
        layer.0.plan(size(rows, steps)).unwrap().to_string()
    }
}

fn sendable<T: Send>(value: T) -> T {
    value
}

fn measure() -> LayerOptions {
    LayerOptions { measure: true, ..LayerOptions::default() }
}

fn measurements(layer: &GpuLayer) -> usize {
    layer.0.tuner.measurements.load(Ordering::Relaxed)
}

#[test]
fn a_shape_is_measured_once() {
    let Some(gpu) = gpu() else { return };
    let given = Given::new(Config::lstm(6, 20), 3, 7);
    let layer = given.layer(&gpu, &measure());
    let first = given.run(&layer);
    let plan = given.plan(&layer);
    assert_eq!(measurements(&layer), 1);
    assert_eq!(given.run(&layer), first);
    assert_eq!(given.run_async(&layer), first);
    assert_eq!(measurements(&layer), 1);
    // So many other shapes that the workspace of the first is gone.
    for rows in 4..10 {
        given.rows(rows).run(&layer);
    }
    assert!(!layer.0.knows(size(3, 7)), "the workspace is gone");
    assert_eq!(measurements(&layer), 7);
    assert_eq!(given.run(&layer), first);
    assert_eq!((measurements(&layer), given.plan(&layer)), (7, plan));

    let model = given.layer(&gpu, &LayerOptions::default());
    given.run(&model);
    assert_eq!(measurements(&model), 0);
}

#[test]
fn the_winners_workspace_stays_and_no_others() {
    let Some(gpu) = gpu() else { return };
    let given = Given::new(Config::gru(6, 20), 3, 7);
    let layer = given.layer(&gpu, &measure());
    // Left by a call whose measurement failed.
    let by_model = pollster::block_on(layer.0.new_workspace(size(3, 7))).unwrap();
    layer.0.put_back(by_model);
    given.run_async(&layer);
    assert_eq!(measurements(&layer), 1);
    let unused = layer.0.unused();
    let kept: Vec<_> = unused.iter().map(|workspace| workspace.plan.to_string()).collect();
    drop(unused);
    assert_eq!(kept, [given.plan(&layer)]);
}

#[test]
fn pieces_are_measured_each_shape_once() {
    let Some(gpu) = gpu() else { return };
    let given = Given::new(Config::gru(6, 10), 20, 3);
    // A row takes 120 bytes of gates a step, and six dispatches 256 bytes each.
    let options = LayerOptions { strategy: Strategy::Scan, budget: 6 * 256 + 8 * 120, ..measure() };
    let layer = given.layer(&gpu, &options);
    let found = given.run(&layer);
    let at_once = layer.plan_report(20, 3).unwrap().rows;
    assert!(at_once < 20 && 20 % at_once > 0, "{at_once}");
    assert_eq!(measurements(&layer), 2);
    assert_eq!(given.run(&layer), found);
    assert_eq!(given.run_async(&layer), found);
    assert_eq!(measurements(&layer), 2);
    let whole = LayerOptions { strategy: Strategy::Scan, ..LayerOptions::default() };
    assert_eq!(given.run(&given.layer(&gpu, &whole)), found);
}

#[test]
fn threads_may_measure_at_once() {
    let Some(gpu) = gpu() else { return };
    let given = Given::new(Config::rnn(6, 20), 2, 5);
    let layer = given.layer(&gpu, &LayerOptions { strategy: Strategy::Step, ..measure() });
    let found: Vec<Output> = thread::scope(|scope| {
        let threads = [0, 1, 2].map(|_| scope.spawn(|| given.run(&layer)));
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let expected =
        given.run(&given.layer(&gpu, &LayerOptions { strategy: Strategy::Step, ..LayerOptions::default() }));
    assert!(found.iter().all(|output| *output == expected));
    let plan = given.plan(&layer);
    assert!(layer.0.unused().iter().all(|workspace| workspace.plan.to_string() == plan));
    let before = measurements(&layer);
    given.run(&layer);
    assert_eq!(measurements(&layer), before);
}

#[test]
fn a_call_that_is_dropped_while_it_measures_leaves_nothing() {
    let Some(gpu) = gpu() else { return };
    let given = Given::new(Config::lstm(6, 20), 3, 7);
    let layer = given.layer(&gpu, &measure());
    let input = Input::new(given.x.view());
    let batch = Batch::new(given.weights.config(), &input).unwrap();
    let mut future = Box::pin(layer.run_async(&batch));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(future.as_mut().poll(&mut context).is_pending());
    drop(future);
    assert!(layer.0.tuner.choice(size(3, 7)).is_none() && layer.0.unused().is_empty());
    given.run(&layer);
    assert_eq!(measurements(&layer), 2);
}

#[test]
fn the_candidates_of_a_strategy_give_the_same_bits() {
    let Some(gpu) = gpu() else { return };
    // As small tiles of a large step come in.
    let large = [(Config::lstm(6, 40), 2), (Config::rnn(6, 150), 3), (Config::lstm(6, 70).proj_size(20), 3)];
    let large = large.map(|(config, rows)| (config, rows, Precision::F32));
    for (config, rows, precision) in works().into_iter().chain(large) {
        let given = Given::new(config, rows, 5);
        for &strategy in Strategy::ALL {
            let options = LayerOptions { strategy, precision, ..LayerOptions::default() };
            let expected = given.run(&given.layer(&gpu, &options));
            for checks in [false, true] {
                let layer = given.layer(&gpu, &LayerOptions { bounds_checks: checks, ..options.clone() });
                let request = layer.0.request(size(rows, 5));
                for plan in Plan::candidates(&request, strategy).unwrap() {
                    let trial = GpuLayer::of(layer.0.like(Tuner::with(size(rows, 5), plan.choice.clone())));
                    assert_eq!(given.run(&trial), expected, "{config}, {plan}");
                    assert_eq!(given.plan(&trial), plan.to_string());
                }
            }
        }
    }
}

#[test]
fn a_pass_in_the_callers_submission_takes_the_plan_that_was_measured() {
    let Some(gpu) = gpu() else { return };
    let given = Given::new(Config::lstm(6, 20), 3, 7);
    let layer = given.layer(&gpu, &LayerOptions::default());
    let request = layer.0.request(size(3, 7));
    for plan in Plan::candidates(&request, Strategy::Auto).unwrap() {
        let trial = GpuLayer::of(layer.0.like(Tuner::with(size(3, 7), plan.choice.clone())));
        let encoded = trial.0.plan(CallShape { endpoints: Endpoints::Buffers, ..size(3, 7) }).unwrap();
        assert_eq!((&encoded.choice, encoded.endpoints), (&plan.choice, Endpoints::Buffers));
    }
}

#[test]
fn candidates_that_fail_are_passed_over() {
    let Some(gpu) = gpu() else { return };
    let given = Given::new(Config::lstm(6, 20), 3, 7);
    let options = LayerOptions { strategy: Strategy::Step, ..LayerOptions::default() };
    let expected = given.run(&given.layer(&gpu, &options));
    // No kernel `scan` compiles.
    let entry = "fn scan(@builtin(workgroup_id) group: vec3<u32>";
    let broken = gpu.with_mutation((entry, "fn scan(@builtin(workgroup_id) group vec3<u32>"));
    let broken = given.layer(&broken, &LayerOptions { strategy: Strategy::Scan, ..measure() });
    let error = given.try_run(&broken).unwrap_err().to_string();
    let by_model =
        given.layer(&broken.0.gpu, &LayerOptions { strategy: Strategy::Scan, ..LayerOptions::default() });
    assert_eq!(error, given.try_run(&by_model).unwrap_err().to_string());

    let some_broken = given.layer(&broken.0.gpu, &measure());
    let request = some_broken.0.request(size(3, 7));
    let candidates = Plan::candidates(&request, Strategy::Auto).unwrap();
    assert!(candidates.iter().any(|plan| plan.choice.strategy == Strategy::Scan));
    given.run(&some_broken);
    assert!(!given.plan(&some_broken).starts_with("scan"), "{}", given.plan(&some_broken));
    let step = given.layer(&broken.0.gpu, &LayerOptions { strategy: Strategy::Step, ..measure() });
    assert_eq!(given.run(&step), expected);
}

#[cfg(feature = "tuning-file")]
mod file;
mod plans;
