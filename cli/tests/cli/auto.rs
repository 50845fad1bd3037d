//! `--device auto`: what it takes is told with the reason. No adapter is needed.

use std::fs;

use serde_json::Value;
use wgpu_rnn::io::to_npy;
use wgpu_rnn::{Config, Weights};

use super::{Ran, folder, golden, succeed, values};

/// The program's own lines that say what `auto` took: drivers write to standard error, too.
fn told(ran: &Ran) -> Vec<&str> {
    ran.stderr.lines().filter_map(|line| line.strip_prefix("wgpu-rnn: auto: takes ")).collect()
}

const TOO_SMALL: &str = ", since there is too little work for a GPU (cpu ";

#[test]
fn a_small_run_loads_no_driver_and_says_why() {
    let folder = folder();
    let weights = Weights::seeded(Config::lstm(3, 20), 0).unwrap().to_safetensors().unwrap();
    fs::write(folder.path().join("w.safetensors"), weights).unwrap();
    let run = "run --weights w.safetensors --input x.npy --output y.npy";
    for shape in [&[2, 5, 3][..], &[5, 3]] {
        fs::write(folder.path().join("x.npy"), to_npy(values(shape).view()).unwrap()).unwrap();
        for device in ["", "--device auto"] {
            let ran = succeed(folder.path(), &format!("{run} {device}"));
            // Two lines and nothing of a driver's.
            let lines: Vec<&str> = ran.stderr.lines().collect();
            let [why, what] = lines[..] else { panic!("{}", ran.stderr) };
            assert!(why.starts_with(&format!("wgpu-rnn: auto: takes cpu{TOO_SMALL}0.0")), "{why}");
            assert_eq!(what, "wgpu-rnn: ran LSTM(3, 20) on cpu");
        }
    }
}

#[test]
fn cases_that_go_to_one_device_are_told_as_one() {
    let cases = ["gru_lengths", "rnn_seed_shape", "lstm_projection_lengths"].map(golden);
    let cases: Vec<&str> = cases.iter().map(|case| case.to_str().unwrap()).collect();
    let ran = succeed(folder().path(), &format!("check {}", cases.join(" ")));
    assert!(ran.stdout.ends_with("3 checks, all passed\n"), "{}", ran.stdout);
    let told = told(&ran);
    assert!(
        matches!(told[..], [line] if line.starts_with(&format!("cpu for gru_lengths and 2 more{TOO_SMALL}"))),
        "{told:?}"
    );
}

#[test]
fn a_device_that_auto_takes_is_timed_once() {
    let layer = "bench --cell lstm --input-size 3 --hidden-size 4 --seconds 0 --device";
    for devices in ["auto", "cpu,auto", "auto,cpu"] {
        let ran = succeed(folder().path(), &format!("{layer} {devices}"));
        let rows: Vec<&str> = ran.stdout.lines().filter(|line| line.starts_with("LSTM(3, 4)")).collect();
        assert!(matches!(rows[..], [row] if row.contains("  cpu  ")), "{devices}: {rows:?}");
        assert!(
            matches!(told(&ran)[..], [line] if line.starts_with(&format!("cpu{TOO_SMALL}"))),
            "{devices}"
        );
    }
}

#[test]
fn plan_says_whether_a_run_would_go_by_it() {
    let layer = "plan --cell gru --input-size 3 --hidden-size 4 --batch 2 --steps 5 --device auto";
    let ran = succeed(folder().path(), layer);
    assert!(ran.stdout.starts_with("strategy "), "{}", ran.stdout);
    assert!(
        matches!(told(&ran)[..], [line] if line.starts_with(&format!("cpu{TOO_SMALL}"))),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("wgpu-rnn: planned GRU(3, 4), batch 2, steps 5, for "), "{}", ran.stderr);
}

#[test]
fn info_says_what_auto_considers_and_takes() {
    let folder = folder();
    let info: Value = serde_json::from_str(&succeed(folder.path(), "info --json").stdout).unwrap();
    let adapters = info["adapters"].as_array().unwrap();
    let names: Vec<String> = adapters
        .iter()
        .filter(|adapter| adapter["auto"] == true)
        .map(|adapter| {
            format!("gpu: {} ({})", adapter["name"].as_str().unwrap(), adapter["backend"].as_str().unwrap())
        })
        .collect();
    for adapter in adapters {
        assert_eq!(adapter["auto"].as_bool().unwrap(), adapter["auto_reason"].is_null(), "{adapter}");
        if adapter["software"] == true {
            assert_eq!(adapter["auto_reason"], "a software adapter");
        }
    }
    let taken = info["auto"].as_array().unwrap();
    let cases: Vec<&str> = taken.iter().map(|case| case["case"].as_str().unwrap()).collect();
    assert_eq!(cases, ["tiny", "stream", "small", "seed", "speech", "wide", "big", "long"]);
    assert_eq!(
        (&taken[3]["layer"], &taken[3]["batch"], &taken[3]["steps"]),
        (&"LSTM(20, 64, bidirectional=True)".into(), &128.into(), &100.into())
    );
    let text = succeed(folder.path(), "info").stdout;
    for case in taken {
        let (takes, reason) = (case["takes"].as_str().unwrap(), case["reason"].as_str().unwrap());
        assert!(takes == "cpu" || names.iter().any(|name| name == takes), "{case}");
        assert_eq!(case["cpu_ms"].is_f64(), case["gpu_ms"].is_f64(), "{case}");
        assert!(!names.is_empty() || case["gpu_ms"].is_null(), "{case}");
        assert!(text.contains(&format!("{takes}, since {reason}\n")), "{case} in {text}");
    }
    assert_eq!(taken[0]["takes"], "cpu");
}
