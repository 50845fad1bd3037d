//! `bench`: on the CPU backend and the reference, and of a GPU the parts of a call.

use std::fs;

use serde_json::Value;
use wgpu_rnn::{AdapterChoice, Gpu, wgpu::Features};

use super::{Ran, folder, gpu, refuse, succeed, wgpu_rnn};

const LAYER: &str =
    "bench --cell lstm --input-size 3 --hidden-size 4 --num-layers 2 --batch 3 --steps 5 --seconds 0";
const NAME: &str = "LSTM(3, 4, num_layers=2) N 3 T 5";

/// Without the note of a build that is not optimised.
fn lines(ran: &Ran) -> Vec<&str> {
    ran.stderr.lines().filter(|line| !line.contains("built without full optimisation")).collect()
}

#[test]
fn rows_have_figures_and_a_ratio() {
    let folder = folder();
    let ran = succeed(folder.path(), &format!("{LAYER} --device reference,cpu,cpu --strategy all"));
    assert_eq!(lines(&ran), Vec::<&str>::new());
    let rows: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(rows.len(), 5, "{}", ran.stdout);
    let headings =
        ["case", "device", "strategy", "median ms", "min ms", "spread", "runs", "GFLOP/s", "x cpu"];
    let places: Vec<usize> = headings.iter().map(|heading| rows[0].find(heading).unwrap()).collect();
    assert!(places.is_sorted(), "{}", rows[0]);
    for (row, device) in rows[1..3].iter().zip(["reference (f64)", "cpu"]) {
        let figures = row.strip_prefix(NAME).unwrap().trim_start().strip_prefix(device).unwrap();
        let figures: Vec<&str> = figures.split_whitespace().collect();
        let [strategy, median, minimum, _, percent, runs, gflops, ratio, checked] = figures[..] else {
            panic!("{row}")
        };
        assert_eq!((strategy, percent, runs, checked), ("-", "%", "3", "all"), "{row}");
        let [median, minimum, gflops, ratio] =
            [median, minimum, gflops, ratio].map(|x| x.parse::<f64>().unwrap());
        assert!(median >= minimum && minimum > 0.0 && gflops > 0.0, "{row}");
        assert!(if device == "cpu" { ratio == 1.0 } else { ratio > 0.0 }, "{row}");
    }
    assert_eq!(rows[3], "x cpu: how many times as fast as the CPU backend (its median / this one)");
    assert!(rows[4].starts_with("cpu: ") && rows[4].ends_with(" threads"), "{}", rows[4]);
    let alone = succeed(folder.path(), &format!("{LAYER} --device reference"));
    assert_eq!(alone.stdout.lines().count(), 2, "{}", alone.stdout);
}

#[test]
fn json_has_the_documented_fields() {
    let folder = folder();
    let flags = "--device reference,cpu --json b.json --precision f16 --bidirectional";
    succeed(folder.path(), &format!("{LAYER} {flags}"));
    let report: Value = serde_json::from_slice(&fs::read(folder.path().join("b.json")).unwrap()).unwrap();
    let machine = &report["machine"];
    assert_eq!(machine["version"], env!("CARGO_PKG_VERSION"));
    assert!(machine["wgpu"].as_str().unwrap().starts_with("30."), "{machine}");
    assert!(machine["cpu_threads"].as_u64().unwrap() > 0);
    assert!(!machine["cpu_instructions"].as_str().unwrap().is_empty());
    for field in ["cpu", "architecture", "os"] {
        assert!(machine[field].is_string(), "{machine}");
    }
    assert!(machine["optimised"].is_boolean());
    let device = serde_json::json!({"device": "cpu", "software": false, "adapter": null});
    assert_eq!(report["devices"][1], device);
    assert_eq!((&report["precision"], &report["tuning"]), (&"f16".into(), &"model".into()));
    assert_eq!((&report["seconds"], &report["errors"]), (&0.0.into(), &serde_json::json!([])));
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    let given = serde_json::json!({
        "case": "LSTM(3, 4, num_layers=2, bidirectional=True) N 3 T 5",
        "layer": "LSTM(3, 4, num_layers=2, bidirectional=True)",
        "cell": "lstm", "batch": 3, "steps": 5, "input_size": 3, "hidden_size": 4, "num_layers": 2, "directions": 2,
        // Both directions of 4 gates: in the first layer 3 inputs and 4 states, in the second 8 and 4.
        "multiply_adds": (3 * 5 * 2 * 4 * 4 * (3 + 4 + 8 + 4)) as f64,
        "device": "cpu", "software": false, "strategy": null, "ran": null, "runs": 3,
        "times_as_fast_as_cpu": 1.0, "checked_rows": 3, "checked_steps": 5,
        "no_parts": "nothing is uploaded or read back",
    });
    for (field, value) in given.as_object().unwrap() {
        assert_eq!(&rows[1][field], value, "{field}");
    }
    let number = |field: &str| rows[1][field].as_f64().unwrap();
    assert!(number("median_ms") >= number("minimum_ms") && number("minimum_ms") > 0.0);
    assert!(number("spread") >= 0.0 && (0.0..=1.0).contains(&number("tolerance_used")));
    assert!(number("first_ms") > 0.0);
    let gflops = 2e-6 * number("multiply_adds") / number("median_ms");
    assert!((number("gflops") / gflops - 1.0).abs() < 1e-9);
    assert_eq!(rows[1].as_object().unwrap().len(), given.as_object().unwrap().len() + 6);
}

#[test]
fn a_gpus_calls_have_parts_or_say_why_not() {
    let Some(device) = gpu() else { return };
    let folder = folder();
    let devices = format!("cpu,{device}");
    let more = ["--device", &devices, "--strategy", "all", "--json", "b.json"];
    let ran = wgpu_rnn(folder.path(), &LAYER.split(' ').chain(more).collect::<Vec<_>>());
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let report: Value = serde_json::from_slice(&fs::read(folder.path().join("b.json")).unwrap()).unwrap();
    let rows = &report["rows"].as_array().unwrap()[1..];
    assert_eq!(rows.len(), 3);
    let table: Vec<&str> = ran.stdout.lines().skip_while(|line| !line.is_empty()).skip(1).collect();
    if !has_timestamps(&device) {
        let why = "the device has no timestamp queries";
        assert!(rows.iter().all(|row| row["parts"].is_null() && row["no_parts"] == why), "{rows:?}");
        let name = rows[0]["device"].as_str().unwrap();
        let line = format!("{name}: no separate upload, compute, readback: {why}");
        assert_eq!((ran.stdout.lines().last(), table.len()), (Some(&line[..]), 0));
        return;
    }
    let headings =
        ["case", "device", "strategy", "call ms", "upload ms", "compute ms", "readback ms", "rest ms"];
    let places: Vec<usize> = headings.iter().map(|heading| table[0].find(heading).unwrap()).collect();
    assert!(places.is_sorted(), "{}", table[0]);
    for (row, line) in rows.iter().zip(&table[1..]) {
        let parts = row["parts"].as_object().unwrap();
        let [call, upload, compute, readback] =
            ["call_ms", "upload_ms", "compute_ms", "readback_ms"].map(|field| parts[field].as_f64().unwrap());
        assert!([upload, compute, readback].iter().all(|part| *part > 0.0), "{row}");
        // But for the rounding of four numbers.
        assert!(upload + compute + readback <= call * (1.0 + 1e-12), "{row}");
        assert!(
            (parts["copies_timed"].is_boolean(), parts.len()) == (true, 5) && row["no_parts"].is_null(),
            "{row}"
        );
        let figures: Vec<f64> = line.split_whitespace().rev().take(5).map(|x| x.parse().unwrap()).collect();
        let expected = [call - upload - compute - readback, readback, compute, upload, call];
        let near = figures.iter().zip(expected).all(|(figure, ms)| (figure - ms).abs() <= 6e-5 + 5e-3 * ms);
        assert!(near, "{line}: {expected:?}");
        assert!(line.starts_with(NAME) && line.contains(row["strategy"].as_str().unwrap()), "{line}");
    }
    assert!(table[4].starts_with("call: "), "{table:?}");
}

fn has_timestamps(device: &str) -> bool {
    let choice = match (device, device.parse()) {
        ("gpu", _) => AdapterChoice::Best,
        (_, Ok(index)) => AdapterChoice::Index(index),
        (name, _) => AdapterChoice::Name(name.to_owned()),
    };
    let gpu = Gpu::new(&choice).expect("an adapter; WGPU_RNN_TEST_NO_GPU=1 leaves the GPU out");
    gpu.device().features().contains(Features::TIMESTAMP_QUERY)
}

#[test]
fn a_plot_has_a_line_for_each_device() {
    let folder = folder();
    succeed(folder.path(), &format!("{LAYER} --device reference,cpu --plot p.svg"));
    let svg = fs::read_to_string(folder.path().join("p.svg")).unwrap();
    let document = roxmltree::Document::parse(&svg).unwrap();
    let texts: Vec<&str> = document.descendants().filter_map(|node| Some(node.text()?.trim())).collect();
    for text in ["reference (f64)", "cpu", "LSTM", NAME, "median, ms", "multiply-adds of the forward pass"] {
        assert!(texts.contains(&text), "{text} in {texts:?}");
    }
    let colours = |tag: &str, attribute: &str| {
        let nodes = document.descendants().filter(|node| node.has_tag_name(tag));
        let colours: Vec<&str> = nodes.filter_map(|node| node.attribute(attribute)).collect();
        ["#000000", "#0072B2"].map(|line| colours.iter().filter(|colour| **colour == line).count())
    };
    // A dot in the legend and one in the panel.
    assert_eq!(colours("circle", "fill"), [2, 2]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_cannot_be_timed_is_refused() {
    let folder = folder();
    let refuse = |arguments: &str, line: &str| refuse(folder.path(), &format!("bench {arguments}"), line);
    let layer = "--cell gru --input-size 3 --hidden-size 4 --device cpu";
    refuse(&format!("{layer} --batch 0"), "batch must be greater than zero, found 0");
    let line = "input: Expected sequence length to be larger than 0 in RNN, found 0";
    refuse(&format!("{layer} --steps 0"), line);
    let line = "nonlinearity is only supported for RNN, not GRU, found relu";
    refuse(&format!("{layer} --nonlinearity relu"), line);
    let line = "none/b.json: No such file or directory (os error 2)";
    refuse(&format!("{layer} --json none/b.json"), line);
    let line = "./a: expected one file for --json and another for --plot";
    refuse(&format!("{layer} --json a --plot ./a"), line);
    for arguments in [
        "--cell gru --input-size 3",
        "--grid --hidden-size 3",
        "--grid --batch 3",
        "--grid --device cpu --seconds -1",
        "--grid --device cpu --seconds soon",
        "--grid --strategy fast",
    ] {
        let arguments: Vec<&str> = ["bench"].into_iter().chain(arguments.split(' ')).collect();
        let ran = wgpu_rnn(folder.path(), &arguments);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{arguments:?}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
