//! The figures as JSON. The help of `bench` documents the names.

use std::time::Duration;

use serde::Serialize;
use wgpu_rnn::Backend;

use super::machine::Machine;
use super::{Fault, Parts, Results, Row, Subject};
use crate::args::BenchArguments;
use crate::failure::{Failure, Result};
#[cfg(feature = "gpu")]
use crate::info;

#[derive(Debug, Serialize)]
struct Report<'a> {
    machine: &'a Machine,
    devices: Vec<Device<'a>>,
    precision: String,
    tuning: String,
    seconds: f64,
    rows: Vec<Figures<'a>>,
    errors: Vec<Failed<'a>>,
}

#[derive(Debug, Serialize)]
struct Device<'a> {
    device: &'a str,
    software: bool,
    adapter: Option<Adapter>,
}

#[derive(Debug, Serialize)]
struct Adapter {
    name: String,
    backend: String,
    #[serde(rename = "type")]
    device_type: &'static str,
    driver: String,
}

#[derive(Debug, Serialize)]
struct Figures<'a> {
    case: &'a str,
    layer: String,
    cell: &'static str,
    batch: usize,
    steps: usize,
    input_size: usize,
    hidden_size: usize,
    num_layers: usize,
    directions: usize,
    multiply_adds: f64,
    device: &'a str,
    software: bool,
    strategy: Option<String>,
    ran: Option<&'a str>,
    runs: usize,
    first_ms: f64,
    median_ms: f64,
    minimum_ms: f64,
    spread: f64,
    gflops: f64,
    times_as_fast_as_cpu: Option<f64>,
    checked_rows: usize,
    checked_steps: usize,
    tolerance_used: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<PartFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    no_parts: Option<String>,
}

#[derive(Debug, Serialize)]
struct PartFigures {
    call_ms: f64,
    upload_ms: f64,
    compute_ms: f64,
    readback_ms: f64,
    copies_timed: bool,
}

#[derive(Debug, Serialize)]
struct Failed<'a> {
    case: &'a str,
    device: &'a str,
    strategy: Option<String>,
    error: &'a str,
}

/// Formats the figures, the machine and the devices as JSON.
pub(super) fn text(
    results: &Results<'_>,
    subjects: &[Subject],
    machine: &Machine,
    arguments: &BenchArguments,
) -> Result<String> {
    let mut devices: Vec<Device<'_>> = subjects.iter().map(device).collect();
    devices.dedup_by_key(|device| device.device);
    let report = Report {
        machine,
        devices,
        precision: arguments.precision.to_string(),
        tuning: arguments.tuning.to_string(),
        seconds: arguments.seconds.as_secs_f64(),
        rows: results.rows.iter().map(figures).collect(),
        errors: results.faults.iter().map(failed).collect(),
    };
    let mut text = serde_json::to_string_pretty(&report).map_err(Failure::new)?;
    text.push('\n');
    Ok(text)
}

fn device(subject: &Subject) -> Device<'_> {
    Device { device: &subject.device, software: subject.is_software(), adapter: adapter(&subject.backend) }
}

#[cfg(feature = "gpu")]
fn adapter(backend: &Backend) -> Option<Adapter> {
    let Backend::Gpu(gpu) = backend else { return None };
    let adapter = &gpu.device().adapter_info();
    Some(Adapter {
        name: adapter.name.clone(),
        backend: adapter.backend.to_string(),
        device_type: info::device_type(adapter),
        driver: info::driver(adapter),
    })
}

#[cfg(not(feature = "gpu"))]
fn adapter(_: &Backend) -> Option<Adapter> {
    None
}

fn figures<'a>(row: &'a Row<'_>) -> Figures<'a> {
    let (case, config) = (row.case, &row.case.config);
    Figures {
        case: &case.name,
        layer: config.to_string(),
        cell: config.cell.name(),
        batch: case.batch,
        steps: case.steps,
        input_size: config.input_size,
        hidden_size: config.hidden_size,
        num_layers: config.num_layers,
        directions: config.directions(),
        multiply_adds: case.multiply_adds(),
        device: &row.subject.device,
        software: row.subject.is_software(),
        strategy: row.subject.strategy.map(|strategy| strategy.to_string()),
        ran: row.ran.as_deref(),
        runs: row.times.runs(),
        first_ms: 1e3 * row.to_first_result.as_secs_f64(),
        median_ms: 1e3 * row.times.median(),
        minimum_ms: 1e3 * row.times.minimum(),
        spread: row.times.spread(),
        gflops: row.gflops(),
        times_as_fast_as_cpu: row.times_as_fast(),
        checked_rows: row.checked[0],
        checked_steps: row.checked[1],
        tolerance_used: row.tolerance_used,
        parts: row.parts.as_ref().ok().map(part_figures),
        no_parts: row.parts.err().map(|missing| missing.to_string()),
    }
}

fn part_figures(parts: &Parts) -> PartFigures {
    let ms = |time: Duration| 1e3 * time.as_secs_f64();
    let timings = parts.timings;
    PartFigures {
        call_ms: ms(parts.call),
        upload_ms: ms(timings.upload),
        compute_ms: ms(timings.compute),
        readback_ms: ms(timings.readback),
        copies_timed: timings.copies_timed,
    }
}

fn failed<'a>(fault: &'a Fault<'_>) -> Failed<'a> {
    Failed {
        case: &fault.case.name,
        device: &fault.subject.device,
        strategy: fault.subject.strategy.map(|strategy| strategy.to_string()),
        error: &fault.error,
    }
}
