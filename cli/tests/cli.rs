//! Runs the binary as a user would. Only what `tuning` and `bench` ask of a GPU needs an adapter; `WGPU_RNN_TEST_NO_GPU=1` leaves it
//! out, and `WGPU_RNN_TEST_ADAPTER=NAME` says which.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "cli/auto.rs"]
mod auto;
#[path = "cli/bench.rs"]
mod bench;
#[path = "cli/check.rs"]
mod check;
#[path = "cli/edge.rs"]
mod edge;
#[path = "cli/errors.rs"]
mod errors;
#[path = "cli/init.rs"]
mod init;
#[path = "cli/keras.rs"]
mod keras;
#[path = "cli/memory.rs"]
mod memory;
#[path = "cli/onnx.rs"]
mod onnx;
#[path = "cli/plan.rs"]
mod plan;
#[path = "cli/run.rs"]
mod run;
#[path = "cli/tuning.rs"]
mod tuning;
#[path = "cli/weights.rs"]
mod weights;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use wgpu_rnn::ndarray::ArrayD;

/// What a run of the binary left.
struct Ran {
    status: i32,
    stdout: String,
    stderr: String,
}

fn wgpu_rnn(folder: &Path, arguments: &[&str]) -> Ran {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_wgpu-rnn")).args(arguments).current_dir(folder).output().unwrap();
    Ran {
        status: status.code().expect("not killed"),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// Runs the binary and expects it to succeed; arguments are separated by blanks.
fn succeed(folder: &Path, arguments: &str) -> Ran {
    let ran = wgpu_rnn(folder, &arguments.split_whitespace().collect::<Vec<_>>());
    assert_eq!(ran.status, 0, "{arguments}: {}", ran.stderr);
    ran
}

/// Runs the binary and expects exactly that line on standard error, and exit status 2.
fn refuse(folder: &Path, arguments: &str, line: &str) {
    let ran = wgpu_rnn(folder, &arguments.split_whitespace().collect::<Vec<_>>());
    assert_eq!(ran.stderr, format!("wgpu-rnn: {line}\n"), "{arguments}");
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{arguments}");
}

/// `--device` for the adapter that is tested; none if none is.
fn gpu() -> Option<String> {
    if std::env::var("WGPU_RNN_TEST_NO_GPU").is_ok_and(|value| value == "1") {
        return None;
    }
    let wanted = std::env::var("WGPU_RNN_TEST_ADAPTER").ok().filter(|wanted| !wanted.is_empty());
    Some(wanted.unwrap_or_else(|| "gpu".into()))
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(format!("{name}.safetensors"))
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// An npy file.
fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
}

/// The names of the files in a folder, sorted, hidden ones among them.
fn listing(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Values that differ from each other, in [-1, 1).
fn values(shape: &[usize]) -> ArrayD<f32> {
    let mut state = 1u32;
    ArrayD::from_shape_simple_fn(shape, || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
}
