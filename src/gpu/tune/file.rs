//! The tuning file, which stores measurements for later runs.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

use crate::gpu::Gpu;
use crate::gpu::plan::{CallShape, Endpoints, Plan};
use crate::{Config, LayerOptions, offload};

/// The version of the kernels. Measurements of other versions are not used.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The maximum size of a file in bytes, enough for about 50 000 measurements.
const MAX_BYTES: u64 = 16 << 20;

/// A tuning file, and its entries for a layer when the layer was created.
#[derive(Clone, Debug)]
pub(in crate::gpu) struct TuningFile(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    path: PathBuf,
    layer: LayerKey,
    entries: Vec<Entry>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Contents {
    /// The version of this crate.
    version: String,
    measured: Vec<Entry>,
}

/// The winner for a shape of a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    layer: LayerKey,
    batch: usize,
    steps: usize,
    /// The budget for the workspace, in bytes.
    budget: u64,
    choice: Named,
}

impl Entry {
    fn size(&self) -> CallShape {
        CallShape { rows: self.batch, steps: self.steps, budget: self.budget, endpoints: Endpoints::Host }
    }
}

/// Everything that a measurement depends on, except the call's shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct LayerKey {
    adapter: String,
    backend: String,
    driver: String,
    driver_info: String,
    /// The [`Config`] as text.
    config: String,
    /// The strategy in the options.
    strategy: String,
    bounds_checks: bool,
    precision: String,
}

/// The names in a plan. A plan from the file is looked up among the candidates and never built from its
/// names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Named {
    strategy: String,
    /// The kernels and their tilings.
    tilings: BTreeMap<String, String>,
}

/// The reason why a file cannot be used.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("measured by wgpu-rnn {0}, not {VERSION}")]
    Version(String),
    #[error("{0}")]
    Contents(#[from] serde_json::Error),
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl TuningFile {
    /// Opens the tuning file of the options, if there is one, and reads its entries for a layer.
    pub(super) fn open(gpu: &Gpu, config: &Config, options: &LayerOptions) -> Option<Self> {
        let path = options.tuning_file.clone().filter(|_| options.measure)?;
        let layer = LayerKey::new(gpu, config, options);
        let entries = read(&path).unwrap_or_else(|reason| {
            log::warn!("{}: {reason}; the tuning file is ignored", path.display());
            Vec::new()
        });
        let entries = entries.into_iter().filter(|entry| entry.layer == layer).collect();
        Some(TuningFile(Arc::new(Opened { path, layer, entries })))
    }

    /// Returns the candidate of a shape that the file names.
    pub(super) fn choose<'a>(&self, candidates: &'a [Plan]) -> Option<&'a Plan> {
        let size @ CallShape { rows: batch, steps, .. } = candidates.first()?.size();
        let entry = self.0.entries.iter().find(|entry| entry.size() == size)?;
        let found = candidates.iter().find(|plan| Named::of(plan) == entry.choice);
        if found.is_none() {
            let path = self.0.path.display();
            log::warn!("{path}: no plan for N={batch}, T={steps} is as the tuning file says; measured again");
        }
        found
    }

    /// Adds a measurement to the current contents of the file.
    pub(super) fn record(&self, winner: &Plan) {
        let Opened { path, layer, .. } = &*self.0;
        let CallShape { rows: batch, steps, budget, .. } = winner.size();
        let entry = Entry { layer: layer.clone(), batch, steps, budget, choice: Named::of(winner) };
        if let Err(reason) = add(path, entry) {
            log::warn!("{}: {reason}; the measurement is not written to the tuning file", path.display());
        }
    }

    /// Does the same as [`TuningFile::record`] on another thread.
    pub(super) async fn record_in_background(&self, winner: Plan) {
        let file = self.clone();
        let run = move || {
            file.record(&winner);
            Ok(())
        };
        if let Err(reason) = offload::run("wgpu-rnn tuning", run).await {
            log::warn!("{}: not written: {reason}", self.0.path.display());
        }
    }
}

impl LayerKey {
    fn new(gpu: &Gpu, config: &Config, options: &LayerOptions) -> Self {
        let info = gpu.info();
        LayerKey {
            adapter: info.name.clone(),
            backend: info.backend.to_string(),
            driver: info.driver.clone(),
            driver_info: info.driver_info.clone(),
            config: config.to_string(),
            strategy: options.strategy.to_string(),
            bounds_checks: options.bounds_checks,
            precision: options.precision.to_string(),
        }
    }
}

impl Named {
    fn of(plan: &Plan) -> Self {
        let mut tilings = BTreeMap::<String, String>::new();
        for kernel in &plan.kernels {
            let of_kernel = tilings.entry(kernel.entry_point.to_owned()).or_default();
            // The layers may differ in a kernel.
            let comma = if of_kernel.is_empty() { "" } else { ", " };
            *of_kernel += &format!("{comma}{}", kernel.tiling);
        }
        Named { strategy: plan.choice.strategy.to_string(), tilings }
    }
}

/// Returns the measurements in a file. A file that is empty or does not exist has none.
fn read(path: &Path) -> Result<Vec<Entry>, Unusable> {
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        found => check(&found?)?,
    }
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES).read_to_string(&mut text)?;
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let value: serde_json::Value = serde_json::from_str(&text)?;
    // A file of another version may have another structure.
    match value.get("version").and_then(|version| version.as_str()) {
        Some(version) if version != VERSION => Err(Unusable::Version(version.to_owned())),
        _ => Ok(serde_json::from_value::<Contents>(value)?.measured),
    }
}

/// Returns an error for a path that a file must not replace, such as a device or a folder, and for a file
/// that is too large.
fn check(found: &fs::Metadata) -> io::Result<()> {
    if !found.is_file() {
        return Err(io::Error::other("expected a file"));
    }
    if found.len() > MAX_BYTES {
        let reason = format!("expected at most {MAX_BYTES} bytes, found {}", found.len());
        return Err(io::Error::other(reason));
    }
    Ok(())
}

/// Writes an entry into a file, and replaces an earlier one for the same layer and call shape. A file of another
/// version is replaced. A file that is not a tuning file is not changed.
fn add(path: &Path, entry: Entry) -> Result<(), Unusable> {
    let mut measured = match read(path) {
        Err(Unusable::Version(_)) => Vec::new(),
        measured => measured?,
    };
    measured.retain(|known| (&known.layer, known.size()) != (&entry.layer, entry.size()));
    measured.push(entry);
    let mut text = serde_json::to_string_pretty(&Contents { version: VERSION.to_owned(), measured })?;
    text.push('\n');
    Ok(replace(path, text.as_bytes())?)
}

/// Writes a file so that it appears under its name only when it is complete. If the path is a link, replaces
/// the link's target.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static DRAFTS: AtomicUsize = AtomicUsize::new(0);
    let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
    let draft = place.with_file_name(format!(".wgpu-rnn-{}-{number}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&draft)?;
    let done = file.write_all(bytes).and_then(|()| fs::rename(&draft, &place));
    if done.is_err() {
        // The error of the write or the rename is returned instead.
        let _ = fs::remove_file(&draft);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_budget_has_an_entry_of_its_own() {
        let layer = LayerKey {
            adapter: "some GPU".into(),
            backend: "vulkan".into(),
            driver: String::new(),
            driver_info: String::new(),
            config: "LSTM(4, 8)".into(),
            strategy: "auto".into(),
            bounds_checks: false,
            precision: "f32".into(),
        };
        let choice = Named { strategy: "scan".into(), tilings: BTreeMap::new() };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tuning.json");
        for budget in [1, 2, 1] {
            let entry = Entry { layer: layer.clone(), batch: 3, steps: 4, budget, choice: choice.clone() };
            add(&path, entry).unwrap();
        }
        let budgets: Vec<u64> = read(&path).unwrap().iter().map(|entry| entry.budget).collect();
        assert_eq!(budgets, [2, 1]);
    }

    /// This test only reads: as root, a test that writes could replace the device.
    #[test]
    #[cfg(unix)]
    fn devices_are_no_tuning_files() {
        let reason = read(Path::new("/dev/null")).unwrap_err().to_string();
        assert_eq!(reason, "expected a file");
    }
}
