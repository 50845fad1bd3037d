//! One body, every implementation: the reference, the CPU, and each GPU with each strategy and choice of limits.
//!
//! - `WGPU_RNN_TEST_ADAPTER=NAME` (part of the adapter's name, or its index) restricts the GPU tests to one adapter.
//! - `WGPU_RNN_TEST_NO_GPU=1` leaves the GPU out. Without it, a machine without an adapter fails every test that
//!   has a GPU part.
//! - `WGPU_RNN_TEST_NO_HOST=1` leaves the reference and the CPU out, for a run on further adapters.
//! - `WGPU_RNN_TEST_REPORT=FILE`, and failures that are expected: [`verdict`], [`expected`].

mod expected;
#[cfg(feature = "gpu")]
pub mod opened;
mod verdict;

/// A build without the feature `gpu` has no GPUs.
#[cfg(not(feature = "gpu"))]
mod opened {
    use wgpu_rnn::Gpu;

    use super::Implementation;

    pub(super) fn open_gpus() -> Result<Vec<Implementation>, String> {
        Ok(Vec::new())
    }

    pub(super) fn names(gpu: &Gpu) -> [String; 3] {
        unreachable!("{gpu}")
    }

    pub(super) fn is_same(gpu: &Gpu, _: &Gpu) -> bool {
        unreachable!("{gpu}")
    }
}

use std::env;
use std::fmt;
use std::io::Write;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use wgpu_rnn::ndarray::{Array, ArrayD, Dimension, IntoDimension};
use wgpu_rnn::tolerance::Comparison;
use wgpu_rnn::{Backend, Config, Gpu, Layer, LayerOptions, Output, Strategy, Weights};

const ADAPTER: &str = "WGPU_RNN_TEST_ADAPTER";
const NO_GPU: &str = "WGPU_RNN_TEST_NO_GPU";
const NO_HOST: &str = "WGPU_RNN_TEST_NO_HOST";

const ITS_LIMITS: &str = "its limits";
/// WebGPU's defaults, and no features that are optional.
const BASELINE: &str = "baseline limits";

/// A backend with all that can be chosen about it.
pub struct Implementation {
    /// Device, driver, strategy and limits.
    pub name: String,
    pub backend: Backend,
    options: LayerOptions,
    /// Of a GPU.
    place: Option<Place>,
}

/// What tells a GPU's implementation from others. Shown as columns of the report.
#[derive(Clone)]
struct Place {
    gpu: Gpu,
    limits: &'static str,
    /// None where a test chooses it itself.
    strategy: Option<Strategy>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [name, backend, driver] = opened::names(&self.gpu);
        let on = if self.gpu.is_software() { "CPU" } else { "GPU" };
        let strategy = self.strategy.map_or("any".to_owned(), |strategy| strategy.to_string());
        let columns = [&*name, &backend, on, &driver, self.limits, &strategy];
        f.write_str(&columns.join("\t"))
    }
}

impl Implementation {
    fn new(backend: Backend) -> Self {
        Implementation { name: backend.to_string(), backend, options: LayerOptions::default(), place: None }
    }

    /// No strategy: a test's own, or the planner's.
    fn on(gpu: &Gpu, limits: &'static str, strategy: Option<Strategy>) -> Self {
        let place = Place { gpu: gpu.clone(), limits, strategy };
        let name = format!("gpu: {gpu}, {}", opened::names(gpu)[2]);
        let name = match strategy {
            Some(strategy) => format!("{name}, {strategy}, {limits}"),
            None => format!("{name}, {limits}"),
        };
        let options = strategy.map_or_else(LayerOptions::default, |strategy| LayerOptions {
            strategy,
            ..LayerOptions::default()
        });
        Implementation { name, backend: Backend::Gpu(gpu.clone()), options, place: Some(place) }
    }

    pub fn layer(&self, weights: &Weights) -> Layer {
        self.layer_with(weights, |options| options)
    }

    pub fn layer_with(&self, weights: &Weights, change: impl Fn(LayerOptions) -> LayerOptions) -> Layer {
        Layer::new(weights, (self.backend.clone(), change(self.options.clone())))
            .unwrap_or_else(|error| panic!("{}: {error}", weights.config()))
    }

    pub fn is_gpu(&self) -> bool {
        matches!(self.backend, Backend::Gpu(_))
    }

    pub fn is_baseline(&self) -> bool {
        self.place.as_ref().is_some_and(|place| place.limits == BASELINE)
    }

    pub fn is_reference(&self) -> bool {
        matches!(self.backend, Backend::Reference)
    }
}

static HOST: LazyLock<[Implementation; 2]> =
    LazyLock::new(|| [Backend::Reference, Backend::Cpu].map(Implementation::new));

static GPUS: LazyLock<Result<Vec<Implementation>, String>> = LazyLock::new(|| {
    if is_set(NO_GPU) {
        say(&format!("{NO_GPU}=1: the GPU is not tested"));
        return Ok(Vec::new());
    }
    opened::open_gpus()
});

/// The reference and the CPU, which every machine has.
pub fn host() -> &'static [Implementation] {
    &*HOST
}

/// The GPUs, or why they cannot be tested.
pub fn gpus() -> Result<&'static [Implementation], &'static str> {
    GPUS.as_deref().map_err(String::as_str)
}

/// The adapters of the GPUs, each once.
pub fn adapters() -> Vec<&'static Gpu> {
    let mut adapters: Vec<&Gpu> = Vec::new();
    for Place { gpu, .. } in gpus_or_panic().iter().filter_map(|one| one.place.as_ref()) {
        if !adapters.iter().any(|known| opened::is_same(known, gpu)) {
            adapters.push(gpu);
        }
    }
    adapters
}

fn is_set(variable: &str) -> bool {
    env::var(variable).is_ok_and(|value| value == "1")
}

fn gpus_or_panic() -> &'static [Implementation] {
    gpus().unwrap_or_else(|missing| panic!("{missing}"))
}

/// Runs the body on every implementation, and fails with the messages of all that failed.
pub fn on_each(body: impl Fn(&Implementation)) {
    let mut failures = if is_set(NO_HOST) { Vec::new() } else { verdict::failures(host(), &body) };
    match gpus() {
        Ok(gpus) => failures.extend(verdict::failures(gpus, &body)),
        Err(missing) => failures.push(missing.to_owned()),
    }
    assert_none(&failures);
}

/// As [`on_each`], without the host's.
pub fn on_each_gpu(body: impl Fn(&Implementation, &Gpu)) {
    assert_none(&verdict::failures(gpus_or_panic(), &of_gpu(body)));
}

/// Runs the body on each adapter with each choice of limits, for tests that choose strategies themselves.
pub fn on_each_device(body: impl Fn(&Implementation, &Gpu)) {
    let places = gpus_or_panic().iter().step_by(Strategy::ALL.len()).filter_map(|one| one.place.as_ref());
    let devices: Vec<_> = places.map(|place| Implementation::on(&place.gpu, place.limits, None)).collect();
    assert_none(&verdict::failures(&devices, &of_gpu(body)));
}

/// As [`on_each_device`], with the adapters' limits alone.
pub fn on_each_adapter(body: impl Fn(&Gpu)) {
    on_each_of(adapters(), body);
}

/// As [`on_each_adapter`], on some of them.
pub fn on_each_of(adapters: Vec<&Gpu>, body: impl Fn(&Gpu)) {
    let devices = adapters.into_iter().map(|gpu| Implementation::on(gpu, ITS_LIMITS, None));
    assert_none(&verdict::failures(&devices.collect::<Vec<_>>(), &of_gpu(|_, gpu| body(gpu))));
}

fn of_gpu(body: impl Fn(&Implementation, &Gpu)) -> impl Fn(&Implementation) {
    move |implementation| {
        if let Backend::Gpu(gpu) = &implementation.backend {
            body(implementation, gpu);
        }
    }
}

fn assert_none(failures: &[String]) {
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Strategies and limits of an adapter.
const SHARES: usize = 6;

/// As [`on_each`], for many cases whose every one is a kernel to compile: the host's implementations take all of them, those
/// of an adapter a share each. The body is told of each case's number whether to take it.
pub fn on_each_share(body: impl Fn(&Implementation, &dyn Fn(usize) -> bool)) {
    let gpus = AtomicUsize::new(0);
    on_each(|implementation| {
        let share = implementation.is_gpu().then(|| gpus.fetch_add(1, Ordering::Relaxed) % SHARES);
        body(implementation, &|case| share.is_none_or(|share| case % SHARES == share));
    });
}

/// Writes past the test runner's capture: what was tested is to be seen in a run that passes, too.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "wgpu-rnn tests: {line}");
}

/// Fails unless each element is within its tolerance; returns the comparison for reports.
pub fn assert_within<D: Dimension>(
    what: &str,
    found: &Output<D>,
    expected: &Output<D, f64>,
    tolerance: &Output<D, f64>,
) -> Comparison {
    let comparison =
        Comparison::new(found, expected, tolerance).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(comparison.passes(), "{what}: {:?}", comparison);
    comparison
}

/// Fails at the first element whose bits differ.
pub fn assert_same_bits<A: Dimension, B: Dimension>(found: &Output<A>, expected: &Output<B>, what: &str) {
    let (found, expected) = (bits(found), bits(expected));
    assert_eq!(found.len(), expected.len(), "{what}: elements");
    if let Some(place) = (0..found.len()).find(|&place| found[place] != expected[place]) {
        let [found, expected] = [found[place], expected[place]].map(f32::from_bits);
        panic!("{what}: element {place} is {found:e} instead of {expected:e}");
    }
}

/// Every bit of a result.
pub fn bits<D: Dimension>(output: &Output<D>) -> Vec<u32> {
    let states = output.h_n.iter().chain(output.c_n.iter().flatten());
    output.output.iter().chain(states).map(|value| value.to_bits()).collect()
}

/// Values in [-scale, scale) that depend on the seed only (splitmix64).
pub fn random<S: IntoDimension>(shape: S, scale: f32, seed: u64) -> Array<f32, S::Dim> {
    let mut state = seed;
    Array::from_shape_simple_fn(shape, || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        ((bits >> 40) as f32 / (1 << 23) as f32 - 1.0) * scale
    })
}

/// The same layer with some parameters replaced.
pub fn replaced(weights: &Weights, replace: impl Fn(&str, ArrayD<f32>) -> ArrayD<f32>) -> Weights {
    Weights::from_fn(*weights.config(), |name, _| {
        Ok(replace(name, weights.get(name).expect("the same parameters").to_owned()))
    })
    .expect("a layer of the same shape")
}

#[test]
fn each_adapter_has_every_strategy_with_both_limits() {
    let gpus = gpus().unwrap_or_else(|missing| panic!("{missing}"));
    assert!(gpus.len().is_multiple_of(Strategy::ALL.len()));
    assert!(gpus.is_empty() || gpus.iter().any(|gpu| gpu.name.contains("baseline limits")));
}

#[test]
fn software_is_never_taken_silently() {
    match Backend::auto(&Config::lstm(512, 1024), 64, 128, &LayerOptions::default()).backend {
        Backend::Gpu(gpu) => assert!(!gpu.is_software(), "{gpu}"),
        other => assert!(matches!(other, Backend::Cpu), "{other}"),
    }
}
