//! `plan` for WebGPU's baseline limits.

use std::fs;

use serde_json::Value;
use wgpu_rnn::{Config, Weights};

use super::{folder, refuse, succeed, wgpu_rnn};

const BASELINE: &str = "plan --device baseline";

fn json(arguments: &str) -> Vec<Value> {
    let ran = succeed(folder().path(), &format!("{BASELINE} --json {arguments}"));
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn dispatches_are_as_few_as_they_can_be() {
    let count = |arguments: &str| json(arguments)[0]["dispatch_count"].as_u64().unwrap();
    for cell in ["rnn", "lstm", "gru"] {
        let layer = format!("--cell {cell} --input-size 20 --hidden-size 64 --batch 8 --steps 100");
        assert!(count(&format!("{layer} --bidirectional --strategy scan")) <= 2);
        assert_eq!(count(&format!("{layer} --bidirectional --strategy hoisted-step")), 101);
        assert_eq!(count(&format!("{layer} --bidirectional --strategy step")), 100);
        assert_eq!(count(&format!("{layer} --num-layers 2 --strategy step")), 101);
    }
}

#[test]
fn json_says_what_the_table_says() {
    let layer = "--cell lstm --input-size 80 --hidden-size 256 --num-layers 2 --batch 8 --steps 200";
    let plans = json(&format!("{layer} --strategy all"));
    let strategies: Vec<&str> = plans.iter().map(|plan| plan["strategy"].as_str().unwrap()).collect();
    assert_eq!(strategies, ["step", "hoisted-step", "scan"]);
    let ran = succeed(folder().path(), &format!("{BASELINE} {layer} --strategy all"));
    let said = "planned LSTM(80, 256, num_layers=2), batch 8, steps 200, for WebGPU's baseline limits";
    assert_eq!(ran.stderr, format!("wgpu-rnn: {said}\n"));
    for plan in &plans {
        assert_eq!((&plan["batch"], &plan["steps"]), (&8.into(), &200.into()));
        let times = plan["dispatches"].as_array().unwrap().iter().map(|dispatch| &dispatch["times"]);
        let times: u64 = times.map(|times| times.as_u64().unwrap()).sum();
        assert_eq!(plan["dispatch_count"], times);
        let bytes = plan["buffers"].as_array().unwrap().iter().map(|buffer| &buffer["bytes"]);
        let bytes: u64 = bytes.map(|bytes| bytes.as_u64().unwrap()).sum();
        assert_eq!(plan["bytes"], bytes);
        for dispatch in plan["dispatches"].as_array().unwrap() {
            let bindings = dispatch["bindings"].as_array().unwrap();
            let bindings: Vec<&str> = bindings.iter().map(|name| name.as_str().unwrap()).collect();
            assert_eq!((bindings.len(), bindings[2]), (10, "weights"));
            let line = format!("    binds {}\n", bindings.join(", "));
            assert!(ran.stdout.contains(&line), "{line} in {}", ran.stdout);
        }
        let line = format!("strategy {}, 8 rows at once", plan["strategy"].as_str().unwrap());
        assert!(ran.stdout.contains(&line), "{}", ran.stdout);
        let line = format!("{} bytes of workspace, {bytes} in all", plan["workspace_bytes"]);
        assert!(ran.stdout.contains(&line), "{}", ran.stdout);
    }
}

#[test]
fn halves_take_half_of_the_bytes_of_weights() {
    let layer = "--cell lstm --input-size 80 --hidden-size 256 --precision";
    let [full, half] = ["f32", "f16"].map(|precision| {
        let plan = &json(&format!("{layer} {precision}"))[0];
        let buffers = plan["buffers"].as_array().unwrap();
        let weights = buffers.iter().find(|buffer| buffer["name"] == "weights").unwrap();
        weights["bytes"].as_u64().unwrap()
    });
    let biases = 256 * 16;
    assert_eq!(2 * (half - biases), full - biases);
}

#[test]
fn submissions_and_pieces_are_told() {
    let layer = "--cell gru --input-size 8000 --hidden-size 64 --strategy scan";
    let told = |arguments: &str| {
        let plan = &json(&format!("{layer} {arguments}"))[0];
        let numbers = ["rows", "in_flight", "submissions"].map(|name| plan[name].as_u64().unwrap());
        let ran = succeed(folder().path(), &format!("{BASELINE} {layer} {arguments}"));
        (numbers, ran.stdout.lines().next().unwrap().to_owned())
    };
    let (numbers, line) = told("--batch 2 --steps 200");
    assert_eq!(numbers, [2, 1, 1]);
    assert!(
        line.contains("2 rows at once, 1 piece in flight, ") && line.contains(" in 1 submission,"),
        "{line}"
    );
    let (numbers, line) = told("--batch 2 --steps 200 --budget 100000");
    assert_eq!(numbers, [2, 1, 4]);
    assert!(line.contains(" in 4 submissions, "), "{line}");
    let (numbers, line) = told("--batch 8 --steps 10 --budget 10000");
    assert_eq!(numbers, [1, 2, 1]);
    assert!(line.contains("1 rows at once, 2 pieces in flight, "), "{line}");
}

#[test]
fn weights_stand_for_the_flags() {
    let folder = folder();
    let file = Weights::seeded(Config::gru(3, 4).bidirectional(true), 0).unwrap().to_safetensors().unwrap();
    fs::write(folder.path().join("w.safetensors"), file).unwrap();
    let weights = succeed(folder.path(), &format!("{BASELINE} --weights w.safetensors --json"));
    let flags = "--cell gru --input-size 3 --hidden-size 4 --bidirectional";
    let flags = succeed(folder.path(), &format!("{BASELINE} {flags} --json"));
    assert_eq!((weights.stdout, weights.stderr), (flags.stdout, flags.stderr));
}

#[test]
fn what_cannot_be_planned_is_refused() {
    let folder = folder();
    let refuse = |arguments: &str, line: &str| refuse(folder.path(), &format!("plan {arguments}"), line);
    let layer = "--cell gru --input-size 3 --hidden-size 4";
    for device in ["cpu", "reference"] {
        let line = "device must be gpu, auto, an adapter's index or name, or baseline";
        refuse(&format!("{layer} --device {device}"), &format!("{line}: {device} has no plan"));
    }
    let line = "batch must be greater than zero, found 0";
    refuse(&format!("{layer} --device baseline --batch 0"), line);
    let line = "input: Expected sequence length to be larger than 0 in RNN, found 0";
    refuse(&format!("{layer} --device baseline --steps 0"), line);
    let line = "nonlinearity is only supported for RNN, not GRU, found relu";
    refuse(&format!("{layer} --device baseline --nonlinearity relu"), line);
    let line = "none.safetensors: No such file or directory (os error 2)";
    refuse("--device baseline --weights none.safetensors", line);
    for arguments in ["--cell gru --input-size 3", "--weights w.npz --cell gru", "--prefix a"] {
        let arguments: Vec<&str> = ["plan"].into_iter().chain(arguments.split(' ')).collect();
        assert_eq!(wgpu_rnn(folder.path(), &arguments).status, 2, "{arguments:?}");
    }
}
