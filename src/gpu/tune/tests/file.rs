//! The tuning file, with real measurements and with made-up contents.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Given, measure, measurements};
use crate::gpu::tests::{gpu, size};
use crate::gpu::{Gpu, GpuLayer};
use crate::{Config, LayerOptions, Strategy};

const ROWS: usize = 3;
const STEPS: usize = 7;

fn given() -> Given {
    Given::new(Config::lstm(6, 20), ROWS, STEPS)
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tuning.json");
    (folder, path)
}

/// A layer that was run once.
fn ran(gpu: &Gpu, options: &LayerOptions) -> GpuLayer {
    let given = given();
    let layer = given.layer(gpu, options);
    given.run(&layer);
    layer
}

fn contents(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn listing(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).collect()
}

/// A file whose first measurement was changed; how often a layer that has it measures.
fn measured_with(gpu: &Gpu, change: impl Fn(&mut Value)) -> usize {
    let (_folder, path) = folder();
    let options = LayerOptions { tuning_file: Some(path.clone()), ..measure() };
    ran(gpu, &options);
    let mut file = contents(&path);
    change(&mut file["measured"][0]);
    fs::write(&path, file.to_string()).unwrap();
    measurements(&ran(gpu, &options))
}

#[test]
fn another_layer_does_not_measure_again() {
    let Some(gpu) = gpu() else { return };
    let (folder, path) = folder();
    let options = LayerOptions { tuning_file: Some(path.clone()), ..measure() };
    let given = given();
    let first = given.layer(&gpu, &options);
    let output = given.run_async(&first);
    assert_eq!(measurements(&first), 1);
    assert_eq!(listing(folder.path()), ["tuning.json"]);

    let second = given.layer(&gpu, &options);
    assert_eq!(given.run(&second), output);
    assert_eq!((measurements(&second), given.plan(&second)), (0, given.plan(&first)));
    // Another shape is added.
    given.rows(1).run(&second);
    assert_eq!(measurements(&second), 1);
    let file = contents(&path);
    assert_eq!(file["version"], env!("CARGO_PKG_VERSION"));
    let sizes: Vec<_> = file["measured"].as_array().unwrap().iter().map(|entry| &entry["batch"]).collect();
    assert_eq!(sizes, [ROWS, 1]);
    let third = given.layer(&gpu, &options);
    given.run(&third);
    given.rows(1).run(&third);
    assert_eq!(measurements(&third), 0);
}

#[test]
fn the_model_does_not_look_at_the_file() {
    let Some(gpu) = gpu() else { return };
    let (folder, path) = folder();
    ran(&gpu, &LayerOptions { tuning_file: Some(path), ..LayerOptions::default() });
    assert!(listing(folder.path()).is_empty());
}

#[test]
fn what_is_named_is_taken_if_it_is_a_candidate() {
    let Some(gpu) = gpu() else { return };
    // Whatever won: each candidate in the file is taken as it is.
    let all = crate::gpu::plan::Plan::candidates(
        &given().layer(&gpu, &measure()).0.request(size(ROWS, STEPS)),
        Strategy::Auto,
    );
    for plan in all.unwrap() {
        let (_folder, path) = folder();
        let options = LayerOptions { tuning_file: Some(path.clone()), ..measure() };
        ran(&gpu, &options);
        let mut file = contents(&path);
        let tilings = plan.kernels.iter();
        let tilings = tilings.map(|kernel| (kernel.entry_point.to_owned(), kernel.tiling.to_string().into()));
        file["measured"][0]["choice"] = json!({ "strategy": plan.choice.strategy.to_string(), "tilings": Value::Object(tilings.collect()) });
        fs::write(&path, file.to_string()).unwrap();
        let layer = ran(&gpu, &options);
        assert_eq!((measurements(&layer), given().plan(&layer)), (0, plan.to_string()));
    }
}

#[test]
fn measurements_of_other_things_do_not_count() {
    let Some(gpu) = gpu() else { return };
    assert_eq!(measured_with(&gpu, |_| {}), 0);
    for (key, other) in [
        ("adapter", json!("another")),
        ("backend", json!("none")),
        ("driver", json!("another")),
        ("driver_info", json!("0.0")),
        ("config", json!("LSTM(6, 20, bias=False)")),
        ("strategy", json!("step")),
        ("precision", json!("f16")),
        ("bounds_checks", json!(true)),
    ] {
        assert_eq!(measured_with(&gpu, |entry| entry["layer"][key] = other.clone()), 1, "{key}");
    }
    assert_eq!(measured_with(&gpu, |entry| entry["batch"] = json!(4)), 1);
    assert_eq!(measured_with(&gpu, |entry| entry["steps"] = json!(8)), 1);
    assert_eq!(measured_with(&gpu, |entry| entry["budget"] = json!(1)), 1);
}

#[test]
fn what_the_planner_would_not_plan_is_not_run() {
    let Some(gpu) = gpu() else { return };
    for choice in [
        json!({ "strategy": "step", "tilings": { "step": "4096x8" } }),
        json!({ "strategy": "step", "tilings": { "step": "64x3" } }),
        json!({ "strategy": "step", "tilings": {} }),
        json!({ "strategy": "scan", "tilings": { "step": "64x8" } }),
        json!({ "strategy": "auto", "tilings": {} }),
        json!({ "strategy": "warp", "tilings": { "scan": "64x8" } }),
    ] {
        assert_eq!(measured_with(&gpu, |entry| entry["choice"] = choice.clone()), 1, "{choice}");
    }
}

#[test]
fn a_strategy_that_is_forced_has_measurements_of_its_own() {
    let Some(gpu) = gpu() else { return };
    let (_folder, path) = folder();
    let options = LayerOptions { tuning_file: Some(path.clone()), ..measure() };
    ran(&gpu, &options);
    for &strategy in Strategy::ALL {
        let options = LayerOptions { strategy, ..options.clone() };
        let layer = ran(&gpu, &options);
        assert_eq!(measurements(&layer), 1, "{strategy}");
        assert!(given().plan(&layer).starts_with(&format!("{strategy} (")));
        assert_eq!(measurements(&ran(&gpu, &options)), 0, "{strategy}");
    }
    assert_eq!(measurements(&ran(&gpu, &options)), 0);
    assert_eq!(contents(&path)["measured"].as_array().unwrap().len(), 1 + Strategy::ALL.len());
}

#[test]
fn files_that_cannot_be_used_are_ignored_and_left_alone() {
    let Some(gpu) = gpu() else { return };
    let whole =
        r#"{"version": "VERSION", "measured": [{"batch": 3}]}"#.replace("VERSION", env!("CARGO_PKG_VERSION"));
    for text in ["not JSON", "{", "[]", "{}", "\0\u{1}", r#"{"version": 3}"#, &whole] {
        let (folder, path) = folder();
        fs::write(&path, text).unwrap();
        let layer = ran(&gpu, &LayerOptions { tuning_file: Some(path.clone()), ..measure() });
        assert_eq!(measurements(&layer), 1, "{text}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(listing(folder.path()), ["tuning.json"]);
    }
    let (folder, path) = folder();
    fs::write(&path, [0xFF, 0xFE, 0]).unwrap();
    for path in [&path, folder.path(), &folder.path().join("none/tuning.json")] {
        assert_eq!(
            measurements(&ran(&gpu, &LayerOptions { tuning_file: Some(path.into()), ..measure() })),
            1,
            "{}",
            path.display()
        );
    }
    assert_eq!(listing(folder.path()), ["tuning.json"]);
}

#[test]
fn empty_files_and_other_versions_are_replaced() {
    let Some(gpu) = gpu() else { return };
    for text in ["", r#"{"version": "0.0.1", "winners": 3}"#] {
        let (_folder, path) = folder();
        fs::write(&path, text).unwrap();
        let options = LayerOptions { tuning_file: Some(path.clone()), ..measure() };
        assert_eq!(measurements(&ran(&gpu, &options)), 1, "{text}");
        assert_eq!(contents(&path)["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(measurements(&ran(&gpu, &options)), 0, "{text}");
    }
}

#[test]
#[cfg(unix)]
fn links_stay_what_they_are() {
    use std::os::unix::fs::symlink;
    let Some(gpu) = gpu() else { return };
    let (folder, path) = folder();
    fs::write(&path, "").unwrap();
    let link = folder.path().join("link.json");
    symlink("tuning.json", &link).unwrap();
    ran(&gpu, &LayerOptions { tuning_file: Some(link.clone()), ..measure() });
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(contents(&path)["measured"].as_array().unwrap().len(), 1);
}
