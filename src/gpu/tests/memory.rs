//! Tests that GPU memory is as planned, and that a repeated call makes nothing.

use std::collections::BTreeMap;

use ndarray::Array3;
use wgpu::{HalCounters, PollType};

use super::super::counts::Counted;
use super::super::{Gpu, GpuLayer, PlanReport};
use super::gpu;
use crate::batch::Batch;
use crate::{Config, Input, LayerOptions, Output, Strategy, Weights};

/// A layer's configuration and options, N and T.
struct Case {
    config: Config,
    rows: usize,
    steps: usize,
    options: LayerOptions,
}

impl Case {
    fn report(&self, gpu: &Gpu) -> PlanReport {
        gpu.plan(&self.config, self.rows, self.steps, &self.options).unwrap()
    }

    /// Returns the same case with a smaller budget: the workspace that it needs at once, divided by
    /// `share`.
    fn with_less(&self, gpu: &Gpu, share: u64) -> Case {
        let budget = self.report(gpu).workspace_bytes / share;
        Case { options: LayerOptions { budget, ..self.options.clone() }, ..*self }
    }

    fn layer(&self, gpu: &Gpu) -> GpuLayer {
        GpuLayer::new(gpu, &Weights::seeded(self.config, 0).unwrap(), &self.options).unwrap()
    }

    fn run(&self, layer: &GpuLayer) -> Output {
        self.with_batch(|batch| layer.run(batch).unwrap())
    }

    fn run_timed(&self, layer: &GpuLayer) -> Output {
        self.with_batch(|batch| layer.run_timed(batch).unwrap())
    }

    fn with_batch<T>(&self, run: impl FnOnce(&Batch<'_>) -> T) -> T {
        let x = Array3::ones((self.rows, self.steps, self.config.input_size));
        let input = Input::new(x.view());
        run(&Batch::new(&self.config, &input).unwrap())
    }
}

/// Returns cases with every strategy, with several layers, both directions and a projection, and with the
/// batch at once, in chunks, in segments and in pieces.
fn cases(gpu: &Gpu) -> Vec<Case> {
    let lstm = Config::lstm(6, 20);
    let shapes = [
        (Config::rnn(5, 70), 1, 7),
        (Config::gru(6, 20).num_layers(3), 3, 12),
        (lstm.num_layers(2).bidirectional(true), 9, 8),
        (lstm.proj_size(7).num_layers(2), 4, 9),
        (lstm.proj_size(7).bidirectional(true), 2, 9),
        (Config::gru(6, 21).reset_after(false).num_layers(2), 4, 9),
        (Config::gru(4000, 8), 2, 80),
        (Config::lstm(8000, 8).num_layers(2), 1, 140),
    ];
    let all = shapes.into_iter().flat_map(|(config, rows, steps)| {
        let options = |strategy| LayerOptions { strategy, ..LayerOptions::default() };
        Strategy::ALL.iter().map(move |&strategy| Case { config, rows, steps, options: options(strategy) })
    });
    let mut cases: Vec<Case> = all.collect();
    let less: Vec<Case> = cases
        .iter()
        .flat_map(|case| [2, 3].map(|share| case.with_less(gpu, share)))
        .filter(|case| {
            let plan = gpu.plan(&case.config, case.rows, case.steps, &case.options);
            // Pieces of two sizes would leave two workspaces when they are done.
            plan.is_ok_and(|plan| case.rows.is_multiple_of(plan.rows))
        })
        .collect();
    cases.extend(less);
    cases
}

/// Returns the planned bytes of the buffers by name.
pub(super) fn planned(report: &PlanReport) -> BTreeMap<String, u64> {
    report.buffers.iter().map(|&(name, bytes)| (name.to_owned(), bytes)).collect()
}

fn pieces(case: &Case, report: &PlanReport) -> usize {
    case.rows.div_ceil(report.rows)
}

#[test]
fn buffers_and_submissions_are_the_plans() {
    let Some(gpu) = gpu() else { return };
    let (mut chunks, mut segments, mut in_flight) = (0, 0, 0);
    for case in cases(&gpu) {
        let report = case.report(&gpu);
        let what = format!("{}, N={}, T={}:\n{report}", case.config, case.rows, case.steps);
        gpu.counts().take();
        let layer = case.layer(&gpu);
        case.run(&layer);
        let submissions = report.submissions * pieces(&case, &report);
        let made = Counted { buffers: planned(&report), submissions, queries: 0 };
        assert_eq!(gpu.counts().take(), made, "{what}");
        assert_eq!(report.bytes(), planned(&report).values().sum::<u64>());
        assert!(report.workspace_bytes <= case.options.budget, "{what}");
        case.run(&layer);
        assert_eq!(gpu.counts().take(), Counted { submissions, ..Counted::default() }, "again: {what}");
        case.run_timed(&layer);
        let timestamps = if gpu.has_timestamps() { vec![("timestamps".to_owned(), 64)] } else { vec![] };
        let queries = if gpu.has_timestamps() { 4 } else { 0 };
        let made = Counted { buffers: timestamps.into_iter().collect(), submissions, queries };
        assert_eq!(gpu.counts().take(), made, "timed: {what}");
        chunks += usize::from(report.chunk < case.steps);
        segments += usize::from(report.submissions > 1);
        in_flight += usize::from(report.in_flight > 1);
    }
    assert!(chunks > 5 && segments > 3 && in_flight > 2, "{chunks} {segments} {in_flight}");
}

/// Returns wgpu's counts of existing objects, after it has freed those that are no longer used.
pub(super) fn counters(gpu: &Gpu) -> HalCounters {
    gpu.device().poll(PollType::wait_indefinitely()).unwrap();
    gpu.device().get_internal_counters().hal
}

/// Returns the numbers of buffers, their bytes, bind groups, pipelines, pipeline layouts and shader
/// modules.
pub(super) fn objects(counters: &HalCounters) -> [isize; 6] {
    [
        counters.buffers.read(),
        counters.buffer_memory.read(),
        counters.bind_groups.read(),
        counters.compute_pipelines.read(),
        counters.pipeline_layouts.read(),
        counters.shader_modules.read(),
    ]
}

#[test]
fn wgpu_counts_what_is_planned_and_no_more_after_a_repeated_call() {
    let Some(gpu) = gpu() else { return };
    // GL keeps no such counts.
    let counted = gpu.info().backend == wgpu::Backend::Vulkan;
    let cases = cases(&gpu);
    // The first submission frees what wgpu made with the device.
    cases[0].run(&cases[0].layer(&gpu));
    for case in cases {
        let report = case.report(&gpu);
        let before = objects(&counters(&gpu));
        let layer = case.layer(&gpu);
        case.run(&layer);
        let first = objects(&counters(&gpu));
        let what = format!("{}, N={}, T={}:\n{report}", case.config, case.rows, case.steps);
        let (buffers, bytes) = (first[0] - before[0], first[1] - before[1]);
        let planned = isize::try_from(report.bytes()).unwrap();
        println!("{buffers} buffers, {bytes} bytes, {} more than planned", bytes - planned);
        // The driver rounds each buffer up.
        assert!(!counted || (planned..planned + 256 * buffers).contains(&bytes), "{bytes} bytes of {what}");
        case.run(&layer);
        assert_eq!(objects(&counters(&gpu)), first, "{what}");
    }
}
