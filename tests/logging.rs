//! What the library logs, and that it logs nothing for each call. One test, since a process has one logger.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(unreachable_pub, missing_docs, reason = "nothing here is seen from outside")]

#[allow(dead_code, reason = "shared with the suite")]
mod harness;

use std::mem;
use std::sync::{Mutex, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};
use wgpu_rnn::{
    AdapterChoice, Backend, Config, ErrorKind, Gpu, Input, Layer, LayerOptions, Strategy, Weights,
};

use harness::{on_each_adapter, random};

/// The library's lines since they were last asked for.
struct Lines(Mutex<Vec<(Level, String)>>);

static LINES: Lines = Lines(Mutex::new(Vec::new()));

impl Lines {
    fn take(&self) -> Vec<(Level, String)> {
        mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("wgpu_rnn")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = (record.level(), record.args().to_string());
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }

    fn flush(&self) {}
}

/// The only line of that level that has the text in it.
#[track_caller]
fn one(lines: &[(Level, String)], level: Level, text: &str) -> String {
    let found: Vec<_> = lines.iter().filter(|line| line.0 == level && line.1.contains(text)).collect();
    assert_eq!(found.len(), 1, "{level} {text:?} in {lines:#?}");
    found[0].1.clone()
}

fn above_trace(lines: &[(Level, String)]) -> Vec<&(Level, String)> {
    lines.iter().filter(|line| line.0 < Level::Trace).collect()
}

/// Rows of a batch: so many that half of its workspace holds a row and the parameters of all dispatches, 256 bytes each on
/// some adapters.
const ROWS: usize = 8;

/// In both ways of calling.
fn call(layer: &Layer, times: usize) {
    let x = random((ROWS, 6, layer.config().input_size), 1.0, 1);
    let input = Input::new(x.view());
    for _ in 0..times {
        layer.forward(&input).unwrap();
        pollster::block_on(layer.forward_async(&input)).unwrap();
    }
}

/// What is logged at the first call, after which fifty of either kind log nothing above `trace`, and there two hundred
/// lines at most.
fn first_call(layer: &Layer) -> Vec<(Level, String)> {
    LINES.take();
    call(layer, 1);
    let first = LINES.take();
    call(layer, 50);
    let others = LINES.take();
    assert_eq!(above_trace(&others), Vec::<&(Level, String)>::new(), "{layer:?}");
    assert!((100..=200).contains(&others.len()), "{} lines at trace, {layer:?}", others.len());
    first
}

#[test]
fn what_is_chosen_is_told_once_and_calls_are_not_told() {
    log::set_logger(&LINES).unwrap();
    log::set_max_level(LevelFilter::Trace);
    let config = Config::gru(6, 20).num_layers(2).bidirectional(true);
    let weights = Weights::seeded(config, 0).unwrap();

    let layer = Layer::new(&weights, Backend::Cpu).unwrap();
    let line = one(&LINES.take(), Level::Debug, "on the CPU with");
    assert!(line.starts_with("GRU(6, 20, "), "{line}");
    assert!(above_trace(&first_call(&layer)).is_empty());

    let choice = Backend::auto(&config, 64, 200, &LayerOptions::default());
    let line = one(&LINES.take(), Level::Info, "backend: ");
    assert_eq!(line, format!("backend: {choice}"), "with the reason");

    on_each_adapter(|gpu| on_gpu(&weights, gpu));
}

fn on_gpu(weights: &Weights, gpu: &Gpu) {
    let (config, adapter) = (weights.config(), gpu.device().adapter_info());
    let place = pollster::block_on(Gpu::adapters()).iter().position(|info| *info == adapter).unwrap();
    LINES.take();
    let lost = Gpu::new(&AdapterChoice::Index(place)).unwrap();
    let lines = LINES.take();
    let line = one(&lines, Level::Info, "adapter: ");
    assert!(line.contains(&adapter.name) && line.contains("Cpu") == gpu.is_software(), "{line}");
    let why = format!("best first, that is adapter {place}");
    assert!(line.ends_with(&why), "{line}");
    one(&lines, Level::Debug, "max_storage_buffer_binding_size");
    let own = Gpu::from_device(lost.device().clone(), lost.queue().clone()).unwrap();
    assert!(one(&LINES.take(), Level::Info, "adapter: ").ends_with("the caller's device"));

    for &strategy in Strategy::ALL {
        let options = LayerOptions { strategy, ..LayerOptions::default() };
        let layer = |options: &LayerOptions| {
            Layer::new(weights, (Backend::Gpu(gpu.clone()), options.clone())).unwrap()
        };
        let lines = first_call(&layer(&options));
        let plan = format!("over N={ROWS}, T=6 on {gpu}: {strategy} (");
        assert!(one(&lines, Level::Debug, &plan).ends_with("submissions"));
        let first = one(&lines, Level::Debug, &format!("over N={ROWS}, T=6 on {gpu}: the first pass took "));
        assert!(first.contains("new kernels, ") && first.ends_with(" until the result"), "{first}");
        assert_eq!(above_trace(&lines).len(), 2, "{lines:#?}");

        // In two pieces, and row by row.
        let plan = |options: &LayerOptions| gpu.plan(config, ROWS, 6, options);
        let bytes = plan(&options).unwrap().workspace_bytes;
        let budgets = (1..40).rev().map(|part| LayerOptions { budget: bytes * part / 40, ..options.clone() });
        let some = budgets.filter(|options| plan(options).is_ok_and(|plan| plan.rows < ROWS));
        let mut in_flight = Vec::new();
        for options in some {
            let plan = plan(&options).unwrap();
            if in_flight.contains(&plan.in_flight) {
                continue;
            }
            in_flight.push(plan.in_flight);
            let lines = first_call(&layer(&options));
            let line = one(&lines, Level::Debug, &format!("in pieces of {} rows", plan.rows));
            let one_by_one = line.contains("one by one, since half of the budget holds no row");
            assert_eq!(one_by_one, plan.in_flight == 1, "{line}");
        }
        assert_eq!(in_flight, [2, 1], "{strategy}");

        let measured = first_call(&layer(&LayerOptions { measure: true, ..options.clone() }));
        one(&measured, Level::Info, &format!("over N={ROWS}, T=6 on {gpu}: takes {strategy} ("));
    }

    // However many shapes there are, 64 are logged above `trace`, with two lines each.
    let layer = Layer::new(weights, Backend::Gpu(gpu.clone())).unwrap();
    LINES.take();
    for rows in 1..100 {
        let x = random((rows, 1, 6), 1.0, 1);
        layer.forward(&Input::new(x.view())).unwrap();
    }
    assert_eq!(above_trace(&LINES.take()).len(), 2 * 64);

    let layer = Layer::new(weights, Backend::Gpu(own)).unwrap();
    lost.device().destroy();
    LINES.take();
    let x = random((1, 1, 6), 1.0, 1);
    let error = layer.forward(&Input::new(x.view())).unwrap_err();
    assert!(error.kind() == ErrorKind::DeviceLost);
    one(&LINES.take(), Level::Warn, "device lost: Destroyed");
}
