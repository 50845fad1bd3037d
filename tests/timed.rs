//! Forward passes whose parts are timed.

use std::time::{Duration, Instant};

use wgpu_rnn::wgpu::Features;
use wgpu_rnn::{
    Backend, Config, Gpu, Input, Layer, LayerOptions, Strategy, Timings, Weights, inspect::PlanReport,
};

use crate::harness::{assert_same_bits, host, on_each_adapter, on_each_device, random};

/// A layer with its sizes and what it is cut by.
struct Case {
    config: Config,
    rows: usize,
    steps: usize,
    options: LayerOptions,
}

impl Case {
    fn plan(&self, gpu: &Gpu) -> Option<PlanReport> {
        gpu.plan(&self.config, self.rows, self.steps, &self.options).ok()
    }

    fn layer(&self, backend: Backend) -> Layer {
        Layer::new(&Weights::seeded(self.config, 0).unwrap(), (backend, self.options.clone())).unwrap()
    }

    /// The parts of a call that allocates no buffers, and the whole of it.
    fn time(&self, layer: &Layer) -> (Option<Timings>, Duration) {
        let x = random((self.rows, self.steps, self.config.input_size), 0.1, 1);
        let lengths: Vec<usize> = (0..self.rows).map(|row| self.steps - row % 5).collect();
        let h_0 = random((self.config.num_layers, self.rows, self.config.hidden_size), 1.0, 2);
        let input = Input::new(x.view()).lengths(&lengths).state(h_0.view());
        let expected = layer.forward(&input).unwrap();
        let start = Instant::now();
        let found = layer.forward(input.clone().timed()).unwrap();
        let whole = start.elapsed();
        assert_same_bits(&found, &expected, &layer.backend().to_string());
        let polled = pollster::block_on(layer.forward_async(input.clone().timed())).unwrap();
        let (timings, parts) = (found.timings, polled.timings);
        assert_eq!(expected.timings, None);
        assert_same_bits(&polled, &expected, &layer.backend().to_string());
        assert_eq!(parts.is_some(), timings.is_some(), "{parts:?} {timings:?}");
        (timings, whole)
    }
}

/// Every strategy; at once, in chunks, in pieces, in several submissions.
fn cases(gpu: &Gpu) -> Vec<Case> {
    // So large that what a driver does around a dispatch is little beside it, and that a chunk's gates take more than the
    // parameters of its dispatches, 256 bytes each on some adapters.
    let shapes = [(Config::gru(400, 64).num_layers(2), 12, 30), (Config::gru(8192, 16), 1, 200)];
    let mut cases = Vec::new();
    for (config, rows, steps) in shapes {
        for &strategy in Strategy::ALL {
            let whole =
                Case { config, rows, steps, options: LayerOptions { strategy, ..LayerOptions::default() } };
            let bytes = whole.plan(gpu).map_or(0, |plan| plan.workspace_bytes);
            let cut = |share| Case {
                options: LayerOptions { budget: bytes / share, ..whole.options.clone() },
                ..whole
            };
            cases.extend([2, 4, 32].map(cut));
            cases.push(whole);
        }
    }
    cases.retain(|case| case.plan(gpu).is_some());
    cases
}

#[test]
fn parts_add_up_to_less_than_the_call() {
    on_each_adapter(|gpu| {
        let (mut pieces, mut submissions) = (0, 0);
        for case in cases(gpu) {
            let layer = case.layer(Backend::Gpu(gpu.clone()));
            let plan = case.plan(gpu).unwrap();
            pieces = case.rows.div_ceil(plan.rows).max(pieces);
            submissions = plan.submissions.max(submissions);
            // No piece and no submission is left out. A GPU may be done before its driver is, and a machine with other work
            // takes time between the parts: of a few calls one is not disturbed.
            let is_whole = |(timings, whole): &(Option<Timings>, Duration)| {
                !gpu.is_software() || timings.as_ref().is_none_or(|timings| timings.compute > *whole / 2)
            };
            let mut calls = (0..5).map(|_| case.time(&layer));
            let (timings, whole) = calls.find(is_whole).unwrap_or_else(|| {
                panic!("compute is less than half of each of five calls on {gpu} by {plan}");
            });
            let what = format!("{timings:?} of {whole:?} on {gpu} by {plan}");
            let features = gpu.device().features();
            let Some(Timings { upload, compute, readback, copies_timed, .. }) = timings else {
                assert!(!features.contains(Features::TIMESTAMP_QUERY), "{what}");
                continue;
            };
            assert_eq!(features.contains(Features::TIMESTAMP_QUERY_INSIDE_ENCODERS), copies_timed);
            let sum = upload + compute + readback;
            println!(
                "{sum:?} of {whole:?} on {gpu}, {} rows at once, {} submissions",
                plan.rows, plan.submissions
            );
            assert!([upload, compute, readback].iter().all(|part| !part.is_zero()), "{what}");
            assert!(sum <= whole, "{what}");
        }
        assert!(pieces > 3 && submissions > 2, "{pieces} {submissions}");
    });
}

#[test]
fn there_are_no_parts_without_timestamps() {
    let options = LayerOptions::default();
    let case = Case { config: Config::rnn(3, 4), rows: 2, steps: 5, options };
    for host in host() {
        assert_eq!(case.time(&case.layer(host.backend.clone())).0, None, "{}", host.name);
    }
    on_each_device(|implementation, gpu| {
        let has_timestamps = gpu.device().features().contains(Features::TIMESTAMP_QUERY);
        assert!(!(implementation.is_baseline() && has_timestamps));
        let layer = case.layer(Backend::Gpu(gpu.clone()));
        assert_eq!(case.time(&layer).0.is_some(), has_timestamps);
        let empty = Case { rows: 0, options: LayerOptions::default(), ..case };
        assert_eq!(empty.time(&layer).0, None);
    });
}
