//! One body, every implementation: the reference, the CPU, and each GPU with each strategy and choice of limits.
//!
//! - `WGPU_RNN_TEST_ADAPTER=NAME` (part of the adapter's name, or its index) restricts the GPU tests to one adapter.
//! - `WGPU_RNN_TEST_NO_GPU=1` leaves the GPU out. Without it, a machine without an adapter fails every test that
//!   has a GPU part.

use std::any::Any;
use std::env;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use wgpu_rnn::ndarray::{Array, ArrayD, Dimension, IntoDimension};
use wgpu_rnn::tolerance::Comparison;
use wgpu_rnn::{
    AdapterChoice, Backend, Config, Error, Gpu, Layer, LayerOptions, LimitsChoice, Output, Parameter,
    Strategy, Weights,
};

const ADAPTER: &str = "WGPU_RNN_TEST_ADAPTER";
const NO_GPU: &str = "WGPU_RNN_TEST_NO_GPU";

/// A backend with all that can be chosen about it.
pub struct Implementation {
    /// Device, strategy and limits.
    pub name: String,
    pub backend: Backend,
    options: LayerOptions,
}

impl Implementation {
    fn new(backend: Backend) -> Self {
        Implementation { name: backend.to_string(), backend, options: LayerOptions::default() }
    }

    pub fn layer(&self, weights: &Weights) -> Layer {
        self.layer_with(weights, |options| options)
    }

    pub fn layer_with(&self, weights: &Weights, change: impl Fn(LayerOptions) -> LayerOptions) -> Layer {
        Layer::with_options(weights, self.backend.clone(), &change(self.options.clone()))
            .unwrap_or_else(|error| panic!("{}: {error}", weights.config()))
    }

    pub fn is_gpu(&self) -> bool {
        matches!(self.backend, Backend::Gpu(_))
    }

    pub fn is_reference(&self) -> bool {
        matches!(self.backend, Backend::Reference)
    }
}

static HOST: LazyLock<[Implementation; 2]> =
    LazyLock::new(|| [Backend::Reference, Backend::Cpu].map(Implementation::new));

static GPUS: LazyLock<Result<Vec<Implementation>, String>> = LazyLock::new(|| {
    if env::var(NO_GPU).is_ok_and(|value| value == "1") {
        say(&format!("{NO_GPU}=1: the GPU is not tested"));
        return Ok(Vec::new());
    }
    open_gpus()
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
    for implementation in gpus().unwrap_or_else(|missing| panic!("{missing}")) {
        if let Backend::Gpu(gpu) = &implementation.backend
            && !adapters.iter().any(|known| known.info() == gpu.info())
        {
            adapters.push(gpu);
        }
    }
    adapters
}

/// Runs the body on every implementation, and fails with the messages of all that failed.
pub fn on_each(body: impl Fn(&Implementation)) {
    let mut failures = failures(host(), &body);
    match gpus() {
        Ok(gpus) => failures.extend(self::failures(gpus, &body)),
        Err(missing) => failures.push(missing.to_owned()),
    }
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

fn failures(implementations: &[Implementation], body: &impl Fn(&Implementation)) -> Vec<String> {
    let failed = implementations.iter().filter_map(|implementation| {
        let payload = catch_unwind(AssertUnwindSafe(|| body(implementation))).err()?;
        Some(format!("on {}: {}", implementation.name, message(&*payload)))
    });
    failed.collect()
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message")
}

/// Each adapter, or the one that is asked for, with each choice of limits and each strategy.
fn open_gpus() -> Result<Vec<Implementation>, String> {
    let wanted = env::var(ADAPTER).ok().filter(|wanted| !wanted.is_empty());
    let choices = match &wanted {
        Some(wanted) => vec![match wanted.parse() {
            Ok(index) => AdapterChoice::Index(index),
            Err(_) => AdapterChoice::Name(wanted.clone()),
        }],
        None => (0..Gpu::adapters().len()).map(AdapterChoice::Index).collect(),
    };
    let mut found = Vec::new();
    for choice in &choices {
        for (limits, name) in
            [(LimitsChoice::Adapter, "its limits"), (LimitsChoice::Baseline, "baseline limits")]
        {
            match pollster::block_on(Gpu::request_with_limits(choice, &limits)) {
                Ok(gpu) => found.extend(with_each_strategy(&gpu, name)),
                Err(error @ Error::Unsupported { .. }) if wanted.is_none() => {
                    say(&format!("{choice:?} with {name} is not tested: {error}"));
                }
                Err(error) => return Err(advice(&format!("{choice:?} with {name}: {error}"))),
            }
        }
    }
    if found.is_empty() { Err(advice("no adapter that the kernels run on")) } else { Ok(found) }
}

fn with_each_strategy(gpu: &Gpu, limits: &str) -> Vec<Implementation> {
    let one = |&strategy: &Strategy| {
        let name = format!("gpu: {gpu}, {strategy}, {limits}");
        say(&format!("testing {name}"));
        let backend = Backend::Gpu(gpu.clone());
        Implementation { name, backend, options: LayerOptions::default().strategy(strategy) }
    };
    Strategy::ALL.iter().map(one).collect()
}

fn advice(problem: &str) -> String {
    format!(
        "the GPU tests cannot run: {problem}. Install a Vulkan driver (on Debian and Ubuntu `apt-get install \
         libvulkan1 mesa-vulkan-drivers` gives lavapipe, which needs no GPU; scripts/test does it), choose an adapter \
         with {ADAPTER}=NAME, or leave the GPU out with {NO_GPU}=1"
    )
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
    assert!(comparison.passes(), "{what}: {:?}", comparison.worst);
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
pub fn replaced(weights: &Weights, replace: impl Fn(&Parameter, ArrayD<f32>) -> ArrayD<f32>) -> Weights {
    let mut given = weights.parameters();
    Weights::from_fn(*weights.config(), |wanted| {
        let (parameter, values) = given.next().expect("as many parameters as before");
        assert_eq!(parameter, *wanted);
        Ok(replace(wanted, values.to_owned()))
    })
    .expect("a layer of the same shape")
}

#[test]
fn a_body_that_fails_is_told_with_its_implementation() {
    let all = failures(host(), &|implementation| assert!(!implementation.is_reference(), "wrong by {}", 3));
    assert_eq!(all, ["on reference (f64): wrong by 3"]);
}

#[test]
fn each_adapter_has_every_strategy_with_both_limits() {
    let gpus = gpus().unwrap_or_else(|missing| panic!("{missing}"));
    assert!(gpus.len().is_multiple_of(Strategy::ALL.len()));
    assert!(gpus.is_empty() || gpus.iter().any(|gpu| gpu.name.contains("baseline limits")));
}

#[test]
fn software_is_never_taken_silently() {
    match Backend::auto(&Config::lstm(512, 1024), 64, 128).backend {
        Backend::Gpu(gpu) => assert!(!gpu.is_software(), "{gpu}"),
        other => assert!(matches!(other, Backend::Cpu), "{other}"),
    }
}
