//! `wgpu-rnn check`: compares devices with PyTorch.

mod case;
mod table;

use std::path::Path;

use serde::Serialize;
use wgpu_rnn::tolerance::Comparison;
use wgpu_rnn::{Backend, Error, ErrorKind, Layer, LayerOptions, Precision, Strategy};

use crate::args::CheckArguments;
use crate::device::{DeviceChoice, Work};
use crate::failure::{Failure, Result};
use crate::files::File;
use crate::report;
use case::Case;

/// The result of one case on one device with one strategy.
#[derive(Debug, Serialize)]
struct Row {
    case: String,
    device: String,
    strategy: Option<String>,
    pass: bool,
    absolute: Option<f64>,
    relative: Option<f64>,
    used: Option<f64>,
    torch_absolute: f64,
    torch_relative: f64,
    worst: Option<Element>,
    error: Option<String>,
}

/// The element that used most of its tolerance.
#[derive(Debug, Serialize)]
struct Element {
    name: &'static str,
    index: Vec<usize>,
    expected: f64,
    found: f64,
    tolerance: f64,
}

impl Element {
    /// Returns the worst element of a comparison; `None` if nothing was compared.
    fn worst(comparison: Comparison) -> Option<Self> {
        let Comparison { name, index, expected, found, tolerance, .. } = comparison;
        (!name.is_empty()).then_some(Element { name, index, expected, found, tolerance })
    }
}

/// Runs the checks, and returns whether all passed.
pub(crate) fn check(arguments: &CheckArguments) -> Result<bool> {
    let precision = arguments.precision;
    let cases: Vec<Case> = arguments.cases.iter().map(|path| read(path, precision)).collect::<Result<_>>()?;
    let devices = devices(arguments, &cases)?;
    let runs = runs(&devices, &arguments.strategy.0);
    let bar = report::progress(cases.len() * runs.len());
    let mut rows = Vec::new();
    for case in &cases {
        for (device, strategy) in &runs {
            bar.set_message(case.name.clone());
            rows.push(row(case, device, *strategy));
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    report::print(&match arguments.json {
        true => json(&rows)?,
        false => table::table(&rows),
    })?;
    Ok(rows.iter().all(|row| row.pass))
}

fn read(path: &Path, precision: Precision) -> Result<Case> {
    let file = File::read(path)?;
    let name = path.file_stem().unwrap_or(path.as_os_str()).display().to_string();
    Case::from_tensors(name, &file.tensors("case")?, precision).map_err(|error| file.failure(error))
}

fn json(rows: &[Row]) -> Result<String> {
    let mut text = serde_json::to_string_pretty(rows).map_err(Failure::new)?;
    text.push('\n');
    Ok(text)
}

/// A device to check. All cases fail on an adapter that cannot be opened.
#[derive(Debug)]
struct Device {
    name: String,
    backend: std::result::Result<Backend, Error>,
}

impl Device {
    fn open(backend: Backend) -> Self {
        Device { name: backend.to_string(), backend: Ok(backend) }
    }
}

fn devices(arguments: &CheckArguments, cases: &[Case]) -> Result<Vec<Device>> {
    let works: Vec<Work<'_>> = cases.iter().map(work).collect();
    let options = LayerOptions { precision: arguments.precision, ..LayerOptions::default() };
    let options = LayerOptions { strategy: arguments.strategy.one(), ..options };
    if arguments.device != "all" {
        let Ok(choice) = arguments.device.parse::<DeviceChoice>();
        let backends = choice.open_for(&works, &options).map_err(Failure::new)?;
        return Ok(backends.into_iter().map(Device::open).collect());
    }
    let mut devices = Vec::new();
    for choice in DeviceChoice::all() {
        match choice.open_for(&works, &options) {
            Ok(backends) => devices.extend(backends.into_iter().map(Device::open)),
            Err(error) if error.kind() == ErrorKind::Device => {
                report::note(&format!("left out {choice}, which cannot run the kernels: {error}"));
            }
            Err(error) => devices.push(Device { name: choice.to_string(), backend: Err(error) }),
        }
    }
    Ok(devices)
}

fn work(case: &Case) -> Work<'_> {
    let [batch, steps] = case.given.size();
    Work { name: &case.name, config: *case.weights.config(), batch, steps }
}

/// Returns each device; a GPU once with each strategy.
fn runs<'a>(devices: &'a [Device], strategies: &[Strategy]) -> Vec<(&'a Device, Option<Strategy>)> {
    let runs = devices.iter().flat_map(|device| match &device.backend {
        Ok(Backend::Gpu(_)) => strategies.iter().map(|&strategy| (device, Some(strategy))).collect(),
        _ => vec![(device, None)],
    });
    runs.collect()
}

fn row(case: &Case, device: &Device, strategy: Option<Strategy>) -> Row {
    let row = Row {
        case: case.name.clone(),
        device: device.name.clone(),
        strategy: strategy.map(|strategy| strategy.to_string()),
        pass: false,
        absolute: None,
        relative: None,
        used: None,
        torch_absolute: case.torch.absolute,
        torch_relative: case.torch.relative,
        worst: None,
        error: None,
    };
    let found = match &device.backend {
        Ok(backend) => compare(case, backend, strategy).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match found {
        Ok(found) => Row {
            pass: found.passes(),
            absolute: Some(found.absolute),
            relative: Some(found.relative),
            used: Some(found.ratio),
            worst: Element::worst(found),
            ..row
        },
        Err(error) => Row { error: Some(error), ..row },
    }
}

fn compare(
    case: &Case,
    backend: &Backend,
    strategy: Option<Strategy>,
) -> std::result::Result<Comparison, Error> {
    let options = LayerOptions {
        strategy: strategy.unwrap_or_default(),
        precision: case.precision,
        ..LayerOptions::default()
    };
    let layer = Layer::new(&case.weights, (backend.clone(), options))?;
    let found = layer.forward(&case.given.input())?;
    Comparison::new(&found, &case.expected, &case.tolerance)
}
