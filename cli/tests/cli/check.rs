//! `check`: right answers pass, and a wrong one does not.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{Ran, folder, golden, refuse, succeed, wgpu_rnn};

const CASES: [&str; 3] = ["rnn_seed_shape", "lstm_projection_lengths", "gru_lengths"];

fn check(folder: &Path, flags: &[&str], cases: &[&Path]) -> Ran {
    let cases = cases.iter().map(|case| case.to_str().unwrap());
    let arguments: Vec<&str> = ["check"].into_iter().chain(flags.iter().copied()).chain(cases).collect();
    wgpu_rnn(folder, &arguments)
}

/// The place of a tensor's first byte in a case file.
fn place(file: &[u8], name: &str) -> usize {
    let header = 8 + usize::try_from(u64::from_le_bytes(file[..8].try_into().unwrap())).unwrap();
    let tensors: Value = serde_json::from_slice(&file[8..header]).unwrap();
    header + usize::try_from(tensors[name]["data_offsets"][0].as_u64().unwrap()).unwrap()
}

/// A case with one number of one tensor replaced.
fn spoiled(folder: &Path, case: &str, tensor: &str, bytes: &[u8]) -> std::path::PathBuf {
    let mut file = fs::read(golden(case)).unwrap();
    let place = place(&file, tensor);
    file[place..place + bytes.len()].copy_from_slice(bytes);
    let path = folder.join("spoiled.safetensors");
    fs::write(&path, file).unwrap();
    path
}

#[test]
fn right_cases_pass() {
    let folder = folder();
    let cases = CASES.map(golden);
    let cases: Vec<&Path> = cases.iter().map(AsRef::as_ref).collect();
    for device in ["cpu", "reference"] {
        let ran = check(folder.path(), &["--device", device, "--strategy", "all"], &cases);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
        let lines: Vec<&str> = ran.stdout.lines().collect();
        assert_eq!(lines.len(), 1 + CASES.len() + 1, "{}", ran.stdout);
        for (line, case) in lines[1..].iter().zip(CASES) {
            assert!(line.starts_with(case) && line.ends_with("pass"), "{line}");
            assert!(line.contains(device) && line.contains(" - "), "{line}");
        }
        assert_eq!(*lines.last().unwrap(), "3 checks, all passed");
    }
}

#[test]
fn halves_are_allowed_what_they_cost_and_no_more() {
    let folder = folder();
    let cases = CASES.map(golden);
    let cases: Vec<&Path> = cases.iter().map(AsRef::as_ref).collect();
    let worst = |precision| {
        let flags = ["--device", "cpu", "--json", "--precision", precision];
        let ran = check(folder.path(), &flags, &cases);
        assert_eq!(ran.status, 0, "{}", ran.stdout);
        let rows: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap();
        rows.iter().map(|row| row["absolute"].as_f64().unwrap()).fold(0.0, f64::max)
    };
    assert!(worst("f32") < 1e-6);
    assert!((1e-5..1e-3).contains(&worst("f16")));
}

#[test]
fn one_wrong_number_in_any_expected_tensor_fails() {
    let folder = folder();
    for tensor in ["output_f64", "h_n_f64", "c_n_f64"] {
        let file = fs::read(golden("lstm_projection_lengths")).unwrap();
        let place = place(&file, tensor);
        let right = f64::from_le_bytes(file[place..place + 8].try_into().unwrap());
        for wrong in [right + 1e-4, -right, f64::NAN] {
            let case = spoiled(folder.path(), "lstm_projection_lengths", tensor, &wrong.to_le_bytes());
            for device in ["cpu", "reference"] {
                let good = golden("gru_lengths");
                let ran = check(folder.path(), &["--device", device], &[&case, &good]);
                assert_eq!(ran.status, 1, "{tensor} {wrong}: {}", ran.stdout);
                assert!(ran.stdout.contains("FAIL: "), "{}", ran.stdout);
                assert!(ran.stdout.ends_with("2 checks, 1 FAILED\n"), "{}", ran.stdout);
            }
        }
    }
}

#[test]
fn json_has_the_documented_fields() {
    let folder = folder();
    let wrong = spoiled(folder.path(), "gru_lengths", "h_n_f64", &9.0f64.to_le_bytes());
    let ran = check(folder.path(), &["--device", "cpu", "--json"], &[&golden("gru_lengths"), &wrong]);
    assert_eq!(ran.status, 1);
    let rows: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(rows.len(), 2);
    let (right, wrong) = (&rows[0], &rows[1]);
    assert_eq!((&right["case"], &wrong["case"]), (&"gru_lengths".into(), &"spoiled".into()));
    assert_eq!((&right["pass"], &wrong["pass"]), (&true.into(), &false.into()));
    assert_eq!(
        (&right["device"], &right["strategy"], &right["error"]),
        (&"cpu".into(), &Value::Null, &Value::Null)
    );
    for field in ["absolute", "relative", "used", "torch_absolute", "torch_relative"] {
        assert!(right[field].as_f64().unwrap() > 0.0, "{field}: {right}");
    }
    assert!(right["used"].as_f64().unwrap() <= 1.0 && wrong["used"].as_f64().unwrap() > 1.0);
    assert!(right["torch_absolute"].as_f64().unwrap() < 1e-5);
    let worst = &wrong["worst"];
    assert_eq!((&worst["name"], &worst["index"]), (&"h_n".into(), &serde_json::json!([0, 0, 0])));
    assert_eq!(worst["expected"], 9.0);
}

#[test]
fn info_is_json_on_demand() {
    let folder = folder();
    let info: Value = serde_json::from_str(&succeed(folder.path(), "info --json").stdout).unwrap();
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
    assert!(info["cpu_threads"].as_u64().unwrap() > 0);
    assert!(info["adapters"].is_array() && info["auto"].is_array());
    assert!(succeed(folder.path(), "info").stdout.starts_with("wgpu-rnn "));
}

#[test]
fn the_instruction_set_can_be_held_down() {
    let folder = folder();
    let with = |name: &str| {
        let mut info = std::process::Command::new(env!("CARGO_BIN_EXE_wgpu-rnn"));
        info.current_dir(folder.path()).args(["info", "--json"]).env("WGPU_RNN_CPU", name).output().unwrap()
    };
    let parsed = |name: &str| serde_json::from_slice::<Value>(&with(name).stdout).unwrap();
    let unset = parsed("");
    let available = unset["cpu_instructions_available"].as_array().unwrap();
    assert_eq!(available.last().unwrap(), &unset["cpu_instructions"]);
    for name in available {
        assert_eq!(parsed(name.as_str().unwrap())["cpu_instructions"], *name);
    }
    let refused = with("avx9");
    let names: Vec<&str> = available.iter().filter_map(Value::as_str).collect();
    let line = format!("CPU instructions: expected one of {}, found WGPU_RNN_CPU=avx9\n", names.join(", "));
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8(refused.stderr).unwrap().ends_with(&line));
}

#[test]
fn incomplete_cases_are_refused() {
    let folder = folder();
    let file = fs::read(golden("lstm_projection_lengths")).unwrap();
    let header = 8 + usize::try_from(u64::from_le_bytes(file[..8].try_into().unwrap())).unwrap();
    let tensors = String::from_utf8(file[8..header].to_vec()).unwrap();
    let changed = |from: &str, to: &str, line: &str| {
        assert_eq!(from.len(), to.len());
        assert_eq!(tensors.matches(from).count(), 1, "{from}");
        let header = tensors.replace(from, to);
        fs::write(
            folder.path().join("case.safetensors"),
            [&file[..8], header.as_bytes(), &file[8 + header.len()..]].concat(),
        )
        .unwrap();
        refuse(folder.path(), "check --device cpu case.safetensors", line);
    };
    let listed = "found \"bias_hh_l0\", \"bias_hh_l0_reverse\", \"bias_hh_l1\", \"bias_hh_l1_reverse\", \
                  \"bias_ih_l0\", \"bias_ih_l0_reverse\", \"bias_ih_l1\", \"bias_ih_l1_reverse\", \"c_0\", \"c_n\", \
                  \"c_n_f64\", \"h_0\", 18 more";
    for name in ["input", "output", "h_n_f64"] {
        let line = format!("case.safetensors: {name}: expected a tensor of that name, {listed}");
        changed(&format!("\"{name}\""), &format!("\"{}\"", "z".repeat(name.len())), &line);
    }
    let line = "case.safetensors: lengths: expected dtype an integer type, found f64";
    changed(r#""lengths":{"dtype":"I64""#, r#""lengths":{"dtype":"F64""#, line);
    let line = "case.safetensors: output_f64: expected dtype f64, found i64";
    changed(r#""output_f64":{"dtype":"F64""#, r#""output_f64":{"dtype":"I64""#, line);
    let line = "case.safetensors: h_n: expected shape [4, 4, 7], found [4, 7, 4]";
    changed(r#""h_n":{"dtype":"F32","shape":[4,4,7]"#, r#""h_n":{"dtype":"F32","shape":[4,7,4]"#, line);
    let line =
        r#"case.safetensors: metadata "cell": expected "lstm", as the parameters' shapes say, found "grus""#;
    changed(r#""cell":"lstm""#, r#""cell":"grus""#, line);

    let case = spoiled(folder.path(), "gru_lengths", "input", &f32::NAN.to_le_bytes());
    let ran = check(folder.path(), &["--device", "cpu"], &[&golden("gru_lengths"), &case]);
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
    let line = "spoiled.safetensors: input[0, 0, 0]: expected a finite value, found NaN\n";
    assert!(ran.stderr.ends_with(line), "{}", ran.stderr);
}
