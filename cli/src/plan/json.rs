//! Plans as JSON. The help of `plan` documents the names.

use std::collections::BTreeMap;

use serde::Serialize;
use wgpu_rnn::inspect::{DispatchReport, PlanReport};

use super::Work;
use crate::failure::{Failure, Result};

#[derive(Debug, Serialize)]
struct Plan<'a> {
    layer: String,
    device: &'a str,
    batch: usize,
    steps: usize,
    strategy: String,
    rows: usize,
    in_flight: usize,
    chunk: usize,
    expected_us: f64,
    dispatch_count: usize,
    submissions: usize,
    workspace_bytes: u64,
    bytes: u64,
    buffers: Vec<Buffer<'a>>,
    dispatches: Vec<Dispatch<'a>>,
}

#[derive(Debug, Serialize)]
struct Buffer<'a> {
    name: &'a str,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct Dispatch<'a> {
    kernel: &'a str,
    times: usize,
    layer: usize,
    directions: usize,
    step: usize,
    steps: usize,
    grid: [u32; 3],
    invocations: u32,
    rows: u32,
    overrides: BTreeMap<&'a str, f64>,
    bindings: &'a [&'static str],
    workgroup_bytes: u64,
    weight_bytes: u64,
    read_bytes: u64,
    written_bytes: u64,
}

/// Formats the plans as a JSON array.
pub(super) fn text(work: &Work, plans: &[PlanReport]) -> Result<String> {
    let plans: Vec<Plan<'_>> = plans.iter().map(|report| plan(work, report)).collect();
    let mut text = serde_json::to_string_pretty(&plans).map_err(Failure::new)?;
    text.push('\n');
    Ok(text)
}

fn plan<'a>(work: &'a Work, report: &'a PlanReport) -> Plan<'a> {
    Plan {
        layer: work.config.to_string(),
        device: &work.device,
        batch: work.batch,
        steps: work.steps,
        strategy: report.strategy.to_string(),
        rows: report.rows,
        in_flight: report.in_flight,
        chunk: report.chunk,
        expected_us: report.expected_us,
        dispatch_count: report.dispatches.iter().map(|dispatch| dispatch.times).sum(),
        submissions: report.submissions,
        workspace_bytes: report.workspace_bytes,
        bytes: report.bytes(),
        buffers: report.buffers.iter().map(|&(name, bytes)| Buffer { name, bytes }).collect(),
        dispatches: report.dispatches.iter().map(dispatch).collect(),
    }
}

fn dispatch(report: &DispatchReport) -> Dispatch<'_> {
    Dispatch {
        kernel: report.kernel,
        times: report.times,
        layer: report.layer,
        directions: report.directions,
        step: report.step,
        steps: report.steps,
        grid: report.grid,
        invocations: report.invocations,
        rows: report.rows,
        overrides: report.overrides.iter().copied().collect(),
        bindings: &report.bindings,
        workgroup_bytes: report.workgroup_bytes,
        weight_bytes: report.weight_bytes,
        read_bytes: report.read_bytes,
        written_bytes: report.written_bytes,
    }
}
