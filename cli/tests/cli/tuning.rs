//! `run --tuning` and `--tuning-file`.

use std::fs;
use std::path::Path;

use wgpu_rnn::io::to_npy;
use wgpu_rnn::{Config, Weights};

use super::{Ran, folder, gpu, listing, refuse, succeed, values, wgpu_rnn};

const RUN: &[&str] = &["run", "--weights", "w.safetensors", "--input", "x.npy", "--output", "y.npy"];

/// Weights and an input.
fn prepared() -> tempfile::TempDir {
    let folder = folder();
    let weights = Weights::seeded(Config::lstm(3, 20), 0).unwrap().to_safetensors().unwrap();
    fs::write(folder.path().join("w.safetensors"), weights).unwrap();
    fs::write(folder.path().join("x.npy"), to_npy(values(&[2, 5, 3]).view()).unwrap()).unwrap();
    folder
}

/// Runs on the adapter that is tested; nothing if none is.
fn on_gpu(folder: &Path, arguments: &str) -> Option<Ran> {
    let device = gpu()?;
    let arguments = arguments.split_whitespace();
    let all: Vec<&str> = RUN.iter().copied().chain(["--device", &device]).chain(arguments).collect();
    let ran = wgpu_rnn(folder, &all);
    assert_eq!(ran.status, 0, "{all:?}: {}; WGPU_RNN_TEST_NO_GPU=1 leaves the GPU out", ran.stderr);
    Some(ran)
}

/// The lines of the program itself: drivers write to standard error, too.
fn notes<'a>(ran: &'a Ran, about: &str) -> Vec<&'a str> {
    let ours = ran.stderr.lines().filter_map(|line| line.strip_prefix("wgpu-rnn: "));
    ours.filter(|line| line.contains(about)).collect()
}

#[test]
fn what_ran_is_told_with_who_chose_it() {
    let folder = prepared();
    for (arguments, end) in [
        ("", " (auto)"),
        ("--tuning model", " (auto)"),
        ("--tuning measure", " (measured)"),
        ("--tuning measure --strategy hoisted-step", "strategy hoisted-step (measured)"),
        ("--strategy hoisted-step", "strategy hoisted-step"),
    ] {
        let Some(ran) = on_gpu(folder.path(), arguments) else { return };
        let told = notes(&ran, "ran LSTM(3, 20) on gpu: ");
        assert!(
            matches!(told[..], [line] if line.contains(", strategy ") && line.ends_with(end)),
            "{told:?}"
        );
    }
}

#[test]
fn a_tuning_file_is_made_and_then_used() {
    let folder = prepared();
    let path = folder.path().join("t.json");
    let Some(first) = on_gpu(folder.path(), "--tuning-file t.json --strategy scan") else { return };
    assert!(notes(&first, "strategy scan (measured)").len() == 1, "{}", first.stderr);
    let (file, output) = (fs::read_to_string(&path).unwrap(), fs::read(folder.path().join("y.npy")).unwrap());
    assert!(file.contains(r#""config": "LSTM(3, 20)""#), "{file}");
    on_gpu(folder.path(), "--tuning-file t.json --strategy scan --tuning measure");
    assert_eq!(fs::read_to_string(&path).unwrap(), file);
    assert_eq!(fs::read(folder.path().join("y.npy")).unwrap(), output);
    assert_eq!(listing(folder.path()), ["t.json", "w.safetensors", "x.npy", "y.npy"]);
}

#[test]
fn a_file_that_cannot_be_used_is_told_and_no_failure() {
    let folder = prepared();
    for (text, reason) in [
        ("[", "t.json: EOF while parsing a list at line 1 column 1; the tuning file is ignored"),
        (r#"{"version": "0.0.1"}"#, "t.json: measured by wgpu-rnn 0.0.1, not "),
    ] {
        fs::write(folder.path().join("t.json"), text).unwrap();
        let Some(ran) = on_gpu(folder.path(), "--tuning-file t.json") else { return };
        assert!(notes(&ran, reason).len() == 1, "{}", ran.stderr);
    }
}

#[test]
fn other_backends_measure_nothing() {
    let folder = prepared();
    let run = RUN.join(" ");
    let ran = succeed(folder.path(), &format!("{run} --device cpu --tuning-file t.json"));
    assert_eq!(ran.stderr, "wgpu-rnn: ran LSTM(3, 20) on cpu\n");
    assert_eq!(listing(folder.path()), ["w.safetensors", "x.npy", "y.npy"]);
}

#[test]
fn contradictions_are_refused() {
    let folder = prepared();
    let run = RUN.join(" ");
    refuse(
        folder.path(),
        &format!("{run} --tuning model --tuning-file t.json"),
        "t.json: tuning-file: expected --tuning measure, found model, which measures nothing",
    );
    let ran = wgpu_rnn(folder.path(), &[RUN, &["--tuning", "guess"]].concat());
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("tuning must be one of model, measure, found 'guess'"), "{}", ran.stderr);
    assert_eq!(listing(folder.path()), ["w.safetensors", "x.npy"]);
}
