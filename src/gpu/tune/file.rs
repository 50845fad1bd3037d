//! Measurements in a file, for the next run.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

use super::Tuning;
use crate::gpu::Gpu;
use crate::gpu::plan::{CallShape, Endpoints, Plan};
use crate::{Config, LayerOptions, offload};

/// The kernels' version: what was measured with others says nothing about them.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Bytes of a file at most; some 50 000 measurements.
const MAX_BYTES: u64 = 16 << 20;

/// A file, and what it said about a layer when the layer was made.
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
    /// Of this crate.
    version: String,
    measured: Vec<Entry>,
}

/// What a shape's winner was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    layer: LayerKey,
    batch: usize,
    steps: usize,
    /// Bytes of workspace.
    budget: u64,
    choice: Named,
}

impl Entry {
    fn size(&self) -> CallShape {
        CallShape { rows: self.batch, steps: self.steps, budget: self.budget, endpoints: Endpoints::Host }
    }
}

/// All that a measurement depends on beside the size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct LayerKey {
    adapter: String,
    backend: String,
    driver: String,
    driver_info: String,
    /// As [`Config`] is displayed.
    config: String,
    /// The strategy that was asked for.
    strategy: String,
    bounds_checks: bool,
    precision: String,
}

/// A plan by its names: it is looked up among the candidates, never built from a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Named {
    strategy: String,
    /// Kernels and their tilings.
    tilings: BTreeMap<String, String>,
}

/// Why a file cannot be used.
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
    /// Reads what the options' file says about a layer, if there is one.
    pub(super) fn open(gpu: &Gpu, config: &Config, options: &LayerOptions) -> Option<Self> {
        let path = options.tuning_file.clone().filter(|_| options.tuning == Tuning::Measure)?;
        let layer = LayerKey::new(gpu, config, options);
        let entries = read(&path).unwrap_or_else(|reason| {
            log::warn!("{}: {reason}; the tuning file is ignored", path.display());
            Vec::new()
        });
        let entries = entries.into_iter().filter(|entry| entry.layer == layer).collect();
        Some(TuningFile(Arc::new(Opened { path, layer, entries })))
    }

    /// The one of a shape's candidates that the file names.
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

    /// Adds a measurement to what is in the file by now.
    pub(super) fn record(&self, winner: &Plan) {
        let Opened { path, layer, .. } = &*self.0;
        let CallShape { rows: batch, steps, budget, .. } = winner.size();
        let entry = Entry { layer: layer.clone(), batch, steps, budget, choice: Named::of(winner) };
        if let Err(reason) = add(path, entry) {
            log::warn!("{}: {reason}; the measurement is not written to the tuning file", path.display());
        }
    }

    /// As [`TuningFile::record`], on a thread of its own.
    pub(super) async fn record_beside(&self, winner: Plan) {
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
        let tilings = plan.kernels().map(|(kernel, tiling)| (kernel.to_owned(), tiling.to_string()));
        Named { strategy: plan.strategy.to_string(), tilings: tilings.collect() }
    }
}

/// The measurements in a file. One that is empty or not there has none.
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
    // Another version's file may be made otherwise.
    match value.get("version").and_then(|version| version.as_str()) {
        Some(version) if version != VERSION => Err(Unusable::Version(version.to_owned())),
        _ => Ok(serde_json::from_value::<Contents>(value)?.measured),
    }
}

/// Refuses what a file cannot take the place of, such as a device or a folder, and what is too large.
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

/// Puts an entry into a file, in place of one for the same shape. A file of another version is replaced; one that is no
/// tuning file is left alone.
fn add(path: &Path, entry: Entry) -> Result<(), Unusable> {
    let mut measured = match read(path) {
        Err(Unusable::Version(_)) => Vec::new(),
        measured => measured?,
    };
    let key = |entry: &Entry| (entry.layer.clone(), entry.batch, entry.steps);
    measured.retain(|known| key(known) != key(&entry));
    measured.push(entry);
    let mut text = serde_json::to_string_pretty(&Contents { version: VERSION.to_owned(), measured })?;
    text.push('\n');
    Ok(replace(path, text.as_bytes())?)
}

/// Writes a file that appears under its name, or behind the link of that name, when it is complete.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static DRAFTS: AtomicUsize = AtomicUsize::new(0);
    let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
    let draft = place.with_file_name(format!(".wgpu-rnn-{}-{number}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&draft)?;
    let done = file.write_all(bytes).and_then(|()| fs::rename(&draft, &place));
    if done.is_err() {
        // Already failing for another reason.
        let _ = fs::remove_file(&draft);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only read here: a test that writes could replace the device where it runs as root.
    #[test]
    #[cfg(unix)]
    fn devices_are_no_tuning_files() {
        let reason = read(Path::new("/dev/null")).unwrap_err().to_string();
        assert_eq!(reason, "expected a file");
    }
}
