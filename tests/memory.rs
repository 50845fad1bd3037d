//! Memory that the host refuses: the n-th large request, for every n, in every public function whose requests a
//! caller or a file decides. Rust aborts where an allocation is not allowed to fail, so each case is a process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nothing here is seen from outside")]

#[path = "memory/gpu.rs"]
mod gpu;
#[path = "memory/keras.rs"]
mod keras;
#[path = "memory/onnx.rs"]
mod onnx;
#[path = "memory/pytorch.rs"]
mod pytorch;

use std::alloc::{GlobalAlloc, Layout, System};
use std::env;
use std::process::Command;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering};

use wgpu_rnn::io::{Tensors, to_npy, to_npz, to_safetensors};
use wgpu_rnn::ndarray::{Array3, ArrayD, ArrayViewD};
use wgpu_rnn::{
    Backend, Config, Error, ErrorKind, Input, Layer, LayerOptions, LoadOptions, Precision, State, Weights,
    reference, tolerance,
};

/// Names the case of a process.
const CASE: &str = "WGPU_RNN_TEST_MEMORY_CASE";
/// No request of this many bytes has a size that is the crates' own: the window of deflate is smaller.
const LARGE: usize = 60 << 10;
/// More large requests than any case has.
const MOST: usize = 200;

/// The requests of at least [`LEAST`] bytes that are still granted.
static LEFT: AtomicUsize = AtomicUsize::new(usize::MAX);
static LEAST: AtomicUsize = AtomicUsize::new(usize::MAX);

struct Refusing;

#[global_allocator]
static ALLOCATOR: Refusing = Refusing;

fn is_refused(size: usize) -> bool {
    let is_counted = size >= LEAST.load(Ordering::Relaxed);
    is_counted && LEFT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err()
}

// SAFETY: the system's allocator does the work, and null means that there is no memory.
#[allow(unsafe_code, reason = "an allocator is unsafe by definition")]
unsafe impl GlobalAlloc for Refusing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        if is_refused(layout.size()) { null_mut() } else { unsafe { System.alloc(layout) } }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the memory is the system allocator's.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        if is_refused(layout.size()) { null_mut() } else { unsafe { System.alloc_zeroed(layout) } }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as in `dealloc`.
        if is_refused(size) { null_mut() } else { unsafe { System.realloc(memory, layout, size) } }
    }
}

/// Runs `body` with the n-th request of at least `least` bytes refused, for every n until there are none.
fn each(least: usize, body: impl Fn() -> Result<(), Error>) {
    // What is made once for the process has its memory afterwards.
    body().expect("the case");
    for granted in 0..MOST {
        // The process dies at a request that must not fail.
        println!("granted: {granted}");
        LEFT.store(granted, Ordering::Relaxed);
        LEAST.store(least, Ordering::Relaxed);
        let result = body();
        LEAST.store(usize::MAX, Ordering::Relaxed);
        match result {
            Ok(()) => {
                assert!(granted > 0, "the case has no large request");
                println!("refused {granted} requests");
                return;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{granted} granted: {error}");
                body().expect("the case, with memory again");
            }
        }
    }
    panic!("more than {MOST} requests");
}

/// A case: its name, and what it does with refused requests.
type Case = (String, Box<dyn Fn()>);

fn configs() -> [(&'static str, Config); 6] {
    let (lstm, gru) = (Config::lstm(96, 128), Config::gru(96, 128));
    [
        ("rnn", Config::rnn(160, 160)),
        ("lstm", lstm.num_layers(2)),
        ("projected", lstm.proj_size(96).bidirectional(true)),
        ("peepholes", Config { peepholes: true, ..lstm }),
        ("gru", gru.bidirectional(true)),
        ("reset before", gru.reset_after(false)),
    ]
}

const ROWS: usize = 24;

fn weights(config: Config) -> Weights {
    Weights::seeded(config, 3).expect("a small layer")
}

fn batch(config: &Config) -> Array3<f32> {
    Array3::from_elem((ROWS, 12, config.input_size), 0.1)
}

fn layers() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (name, config) in configs() {
        cases.push((
            format!("draw {name}"),
            Box::new(move || each(LARGE, || Weights::seeded(config, 1).map(drop))),
        ));
        for precision in [Precision::F32, Precision::F16] {
            cases.push((
                format!("forward {name} {precision:?}"),
                Box::new(move || forward(config, precision)),
            ));
        }
        if config.directions() == 1 {
            cases.push((format!("session {name}"), Box::new(move || session(config))));
        }
        cases.push((format!("reference {name}"), Box::new(move || definition(config))));
    }
    // Vectors of a single row that are large requests, of f64.
    let wide = [("lstm", Config::lstm(1, 8000).proj_size(1)), ("rnn", Config::rnn(8000, 1))];
    for (name, config) in wide {
        cases.push((format!("reference wide {name}"), Box::new(move || definition(config))));
    }
    cases
}

fn forward(config: Config, precision: Precision) {
    let weights = weights(config);
    let options = LayerOptions { precision, ..LayerOptions::default() };
    let input = batch(&config);
    let state = |size| Array3::from_elem((config.num_layers * config.directions(), ROWS, size), 0.1);
    let (h_0, c_0) = (state(config.hidden_output_size()), state(config.hidden_size));
    each(LARGE, || {
        let layer = Layer::new(&weights, (Backend::Cpu, options.clone()))?;
        let input = Input::new(input.view());
        layer.forward(&input)?;
        let mut state = State::from(h_0.view());
        state.c_0 = config.cell.has_cell_state().then(|| c_0.view().into());
        let output = layer.forward(input.state(state).lengths(&[7; ROWS]))?;
        output.to_onnx(0)?;
        output.to_onnx(1).map(drop)
    });
}

fn session(config: Config) {
    let layer = Layer::new(&weights(config), Backend::Cpu).expect("a layer");
    let (input, rows) = (batch(&config), (0..ROWS).collect::<Vec<_>>());
    each(LARGE, || {
        let mut session = layer.session(160)?;
        session.push(Input::new(input.view()).rows(&rows))?;
        let state = session.state()?;
        session.set_state(None, &state)
    });
}

fn definition(config: Config) {
    let (weights, input) = (weights(config), batch(&config));
    each(LARGE, || reference::forward(&weights, &input).map(drop));
    each(LARGE, || tolerance::forward(&weights, Precision::F32, &input).map(drop));
}

fn files() -> Vec<Case> {
    let mut cases: Vec<Case> = vec![("arrays".into(), Box::new(arrays))];
    for (name, config) in configs() {
        if name != "reset before" {
            cases.push((format!("state dict {name}"), Box::new(move || state_dict(config))));
        }
    }
    cases
}

/// A writer, and the reader of its format.
type Format = (fn(ArrayViewD<'_, f32>) -> Result<Vec<u8>, Error>, fn(&[u8]) -> Result<Tensors<'_>, Error>);

fn arrays() {
    let values = ArrayD::from_elem(vec![64, 32, 16], 0.5f32);
    let formats: [Format; 3] = [
        (|values| to_npy(values), |file| Tensors::from_npy(file, "x")),
        (|values| to_npz([("x", values)]), |file| Tensors::from_bytes(file)),
        (|values| to_safetensors([("x", values)]), |file| Tensors::from_bytes(file)),
    ];
    for (write, read) in formats {
        each(LARGE, || write(values.view()).map(drop));
        let file = write(values.view()).expect("a file");
        each(LARGE, || read(&file)?.f32("x").map(drop));
        each(LARGE, || read(&file)?.f64("x").map(drop));
    }
}

fn state_dict(config: Config) {
    let weights = weights(config);
    let options = LoadOptions::default();
    each(LARGE, || weights.to_safetensors().map(drop));
    each(LARGE, || weights.to_npz().map(drop));
    let (safetensors, npz) = (weights.to_safetensors().expect("a file"), weights.to_npz().expect("a file"));
    each(LARGE, || Weights::from_bytes(&safetensors, &options).map(drop));
    each(LARGE, || Weights::from_bytes(&npz, &options).map(drop));
}

fn cases() -> Vec<Case> {
    let mut cases = layers();
    cases.extend(files());
    cases.extend(onnx::cases());
    cases.extend(pytorch::cases());
    cases.extend(keras::cases());
    cases.extend(gpu::cases());
    cases
}

#[test]
fn every_large_request_may_be_refused() {
    let wanted = env::var("WGPU_RNN_TEST_MEMORY").unwrap_or_default();
    let mut failures = Vec::new();
    for (name, _) in cases().iter().filter(|(name, _)| name.contains(&wanted)) {
        let output = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", "one_case", "--ignored", "--nocapture", "--test-threads=1"])
            .env(CASE, name)
            .output()
            .expect("a process");
        if !output.status.success() {
            let told = String::from_utf8_lossy(&output.stdout).into_owned();
            let granted =
                told.lines().rfind(|line| line.starts_with("granted")).unwrap_or_default().to_owned();
            let problem = String::from_utf8_lossy(&output.stderr).into_owned();
            failures.push(format!("{name}, {granted}: {}: {problem}", output.status));
        }
    }
    assert!(failures.is_empty(), "{} cases\n{}", failures.len(), failures.join("\n"));
}

#[test]
#[ignore = "a process of the test above"]
fn one_case() {
    let wanted = env::var(CASE).expect("the name of a case");
    let (_, run) = cases().into_iter().find(|(name, _)| *name == wanted).expect("a case");
    run();
}
