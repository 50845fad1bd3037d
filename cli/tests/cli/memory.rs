//! Little memory, and files that unpack to more than is allowed.

use std::fs;

use wgpu_rnn::io::{to_npy, to_npz};
use wgpu_rnn::ndarray::ArrayD;
use wgpu_rnn::{Config, Weights};

use super::{folder, refuse, succeed};

/// A run ends with a result, or with an error in one line. It never aborts, whatever the limit.
#[test]
#[cfg(target_os = "linux")]
fn a_run_with_too_little_memory_is_an_error() {
    use std::process::Command;

    let folder = folder();
    let weights = Weights::seeded(Config::lstm(16, 64), 0).unwrap();
    fs::write(folder.path().join("w.npz"), weights.to_npz().unwrap()).unwrap();
    let input = ArrayD::<f32>::zeros(vec![1024, 64, 16]);
    fs::write(folder.path().join("x.npy"), to_npy(input.view()).unwrap()).unwrap();
    fs::write(folder.path().join("x.npz"), to_npz([("input", input.view())]).unwrap()).unwrap();
    let mut refused = 0;
    let mut done = 0;
    for megabytes in (20..=420).step_by(20) {
        for input in ["x.npy", "x.npz"] {
            // A shell's limit holds for the program that takes its place.
            let run = format!("run --device cpu --weights w.npz --input {input} --output y.npy");
            let line = format!("ulimit -v {}; exec \"$0\" {run}", megabytes * 1000);
            let output = Command::new("sh")
                .args(["-c", &line, env!("CARGO_BIN_EXE_wgpu-rnn")])
                .current_dir(folder.path())
                .output()
                .unwrap();
            let problem = String::from_utf8_lossy(&output.stderr);
            match output.status.code() {
                Some(0) => done += 1,
                Some(2) if problem.lines().count() == 1 && problem.contains("out of memory") => refused += 1,
                other => panic!("{megabytes} MB, {input}: {other:?}: {problem}"),
            }
        }
    }
    assert!(refused > 5 && done > 0, "{refused} refused, {done} done");
}

#[test]
fn what_a_file_unpacks_to_has_a_limit() {
    let folder = folder();
    let weights = Weights::seeded(Config::gru(3, 4), 0).unwrap();
    fs::write(folder.path().join("w.npz"), weights.to_npz().unwrap()).unwrap();
    let input = ArrayD::<f32>::zeros(vec![2, 5, 3]);
    fs::write(folder.path().join("x.npz"), to_npz([("input", input.view())]).unwrap()).unwrap();
    let run = "run --device cpu --weights w.npz --input x.npz --output y.npy --max-bytes";
    succeed(folder.path(), &format!("{run} 432"));
    let line = "w.npz: bytes of parameters: expected at most 431, found 432 (with --max-bytes)";
    refuse(folder.path(), &format!("{run} 431"), line);
    let large = ArrayD::<f32>::zeros(vec![2, 50, 3]);
    fs::write(folder.path().join("x.npz"), to_npz([("input", large.view())]).unwrap()).unwrap();
    let line = "x.npz: input: expected at most 432 bytes of values, found 1200 (with --max-bytes)";
    refuse(folder.path(), &format!("{run} 432"), line);
}

#[test]
fn what_a_model_takes_has_a_limit() {
    let folder = folder();
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/onnx/gru_torchscript.onnx");
    fs::copy(model, folder.path().join("gru.onnx")).unwrap();
    let input = ArrayD::<f32>::zeros(vec![2, 5, 3]);
    fs::write(folder.path().join("x.npy"), to_npy(input.view()).unwrap()).unwrap();
    let run = "run --device cpu --model gru.onnx --input x.npy --output y.npy --max-bytes";
    succeed(folder.path(), &format!("{run} 912"));
    let line = "gru.onnx: bytes of parameters: expected at most 911, found 912 (with --max-bytes)";
    refuse(folder.path(), &format!("{run} 911"), line);
}
