//! Layers and batches, and every way in which a call may go.

use std::time::{Duration, Instant};

use wgpu_rnn::ndarray::Array3;
use wgpu_rnn::{
    Backend, Config, Error, Gpu, Input, Layer, LayerOptions, Output, Strategy, Weights, inspect::PlanReport,
};

use crate::harness::random;

/// What takes some time takes at least so long.
const LONG: Duration = Duration::from_millis(400);

/// A layer's weights and options, and what it is called with.
pub struct Work {
    pub name: String,
    pub weights: Weights,
    pub options: LayerOptions,
    pub x: Array3<f32>,
    pub h_0: Array3<f32>,
}

impl Work {
    pub fn new(config: Config, rows: usize, steps: usize) -> Self {
        Work {
            name: format!("{config}, N={rows}, T={steps}"),
            weights: Weights::seeded(config, 3).unwrap(),
            options: LayerOptions::default(),
            x: random((rows, steps, config.input_size), 0.1, 1),
            h_0: random((config.num_layers * config.directions(), rows, config.hidden_size), 1.0, 2),
        }
    }

    /// A call that takes no time.
    pub fn small() -> Self {
        Work::new(Config::gru(3, 5), 2, 4)
    }

    /// A call of one submission that takes some time on that device, and what it gives.
    pub fn long(gpu: &Gpu) -> (Self, Output) {
        let mut steps = 200;
        loop {
            let work = Work::new(Config::lstm(32, 128).bidirectional(true), 4, steps);
            let layer = work.on(gpu);
            assert_eq!(work.plan(gpu).unwrap().submissions, 1);
            work.run(&layer).unwrap();
            let start = Instant::now();
            let output = work.run(&layer).unwrap();
            if start.elapsed() >= LONG {
                return (work, output);
            }
            steps *= 2;
        }
    }

    fn with(mut self, name: &str, options: LayerOptions) -> Self {
        self.name = format!("{name}: {}", self.name);
        self.options = options;
        self
    }

    pub fn layer(&self, backend: Backend) -> Layer {
        Layer::new(&self.weights, (backend, self.options.clone())).unwrap()
    }

    pub fn on(&self, gpu: &Gpu) -> Layer {
        self.layer(Backend::Gpu(gpu.clone()))
    }

    pub fn input(&self) -> Input<'_> {
        Input::new(&self.x).state(self.h_0.view())
    }

    pub fn run(&self, layer: &Layer) -> Result<Output, Error> {
        layer.forward(&self.input())
    }

    pub async fn run_async(&self, layer: &Layer) -> Result<Output, Error> {
        layer.forward_async(&self.input()).await
    }

    /// What a GPU would do.
    fn plan(&self, gpu: &Gpu) -> Option<PlanReport> {
        let (rows, steps, _) = self.x.dim();
        gpu.plan(self.weights.config(), rows, steps, &self.options).ok()
    }
}

/// Every way that a call may go on a GPU: each strategy with a batch at once, in several submissions, in pieces of which
/// two are in flight, one by one; and measured.
pub fn ways(gpu: &Gpu) -> Vec<Work> {
    let mut ways = Vec::new();
    for &strategy in Strategy::ALL {
        let options = LayerOptions { strategy, ..LayerOptions::default() };
        let whole = || Work::new(Config::gru(6, 20).num_layers(2).bidirectional(true), 5, 6);
        ways.push(whole().with(&format!("{strategy}, at once"), options.clone()));
        ways.push(
            whole().with(&format!("{strategy}, measured"), LayerOptions { measure: true, ..options.clone() }),
        );
        let bytes = whole().with("", options.clone()).plan(gpu).unwrap().workspace_bytes;
        // Less and less: pieces, then rows that do not have room twice.
        let mut in_flight = Vec::new();
        for part in (1..40).rev() {
            let less = whole()
                .with(&strategy.to_string(), LayerOptions { budget: bytes * part / 40, ..options.clone() });
            let Some(plan) = less.plan(gpu) else { break };
            if plan.rows < 5 && !in_flight.contains(&plan.in_flight) {
                in_flight.push(plan.in_flight);
                ways.push(less);
            }
        }
        let deep = || Work::new(Config::gru(8192, 2), 1, 60);
        let bytes = deep().with("", options.clone()).plan(gpu).unwrap().workspace_bytes;
        let mut cut = (2..64).map(|share| {
            deep().with(&strategy.to_string(), LayerOptions { budget: bytes / share, ..options.clone() })
        });
        let several = cut.find(|work| work.plan(gpu).is_some_and(|plan| plan.submissions > 1));
        ways.extend(several);
    }
    ways
}
