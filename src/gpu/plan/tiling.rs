//! The choice of the number of invocations in a workgroup, and of the number of rows that each of them computes.

use super::choice::Choice;
use super::cost;
use super::request::Request;
use super::stage::Stage;
use super::stages::stages;
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::Strategy;
use crate::error::Fault;
use crate::gpu::kernel::{MAX_ROWS, MAX_UNITS, MIN_UNITS, Tiling, WORKGROUP_BYTES};

/// The planner takes small workgroups only if they reduce the time of a step to less than this fraction,
/// because another kernel may have to be compiled for them.
const WORTHWHILE: f64 = 0.9;

/// Returns the planner's choice of tilings for a strategy.
///
/// # Errors
///
/// [`ErrorKind::TooLarge`] if the strategy is `scan` and the hidden state does not fit into workgroup memory.
pub(super) fn choose(request: &Request<'_>, strategy: Strategy) -> Result<Choice, Error> {
    let strategy = if strategy == Strategy::Auto { Strategy::Step } else { strategy };
    let stages = stages(request.config, strategy).into_iter().map(|stage| {
        let large = whole(request, &stage);
        match stage.is_recurrent() {
            true if stage.loops() => looping(request, &large),
            true => Ok(step(request, large)),
            false => Ok(large),
        }
    });
    Ok(Choice { strategy, stages: stages.collect::<Result<_, _>>()? })
}

/// Returns a stage with enough invocations for all items of its first product, up to the maximum.
pub(super) fn whole(request: &Request<'_>, stage: &Stage) -> Stage {
    stage.with(Tiling::new(stage.products[0].invocations(), stage.rows(request.rows, request.steps)))
}

/// Returns the tiling of a step. Workgroups are small if that keeps more cores busy.
fn step(request: &Request<'_>, large: Stage) -> Stage {
    let small = large.with(Tiling { units: MIN_UNITS, ..large.tiling });
    let expected_us = |stage| cost::recurrent_us(request, stage);
    if expected_us(&small) < WORTHWHILE * expected_us(&large) { small } else { large }
}

/// Returns the fastest tiling of a loop, as the cost model expects: as many rows as fit into workgroup
/// memory and keep the cores busy, and the weights in workgroup memory, too, if that is faster.
fn looping(request: &Request<'_>, large: &Stage) -> Result<Stage, Error> {
    let timed = loops(request, large).into_iter().map(|stage| (cost::recurrent_us(request, &stage), stage));
    let best = timed.min_by(|(a, _), (b, _)| a.total_cmp(b));
    best.map(|(_, stage)| stage).ok_or_else(|| {
        Error::from(Fault::TooLarge {
            what: "bytes of hidden state in workgroup memory (strategy scan)".into(),
            needed: loop_bytes(request, &large.with(Tiling { rows: 1, ..large.tiling })),
            limit: loop_limit(request),
        })
    })
}

/// Returns the tilings of a loop that fit into workgroup memory.
pub(super) fn loops(request: &Request<'_>, large: &Stage) -> Vec<Stage> {
    let units = if large.tiling.units > MIN_UNITS { &[MAX_UNITS, MIN_UNITS][..] } else { &[MIN_UNITS] };
    // For a software driver, workgroup memory is not faster than other memory.
    let places = if request.capabilities.software { &[false][..] } else { &[false, true] };
    let mut tilings = Vec::new();
    for &units in units {
        for rows in [1, 4, MAX_ROWS].into_iter().filter(|&rows| rows <= large.tiling.rows) {
            tilings.extend(places.iter().map(|&on_chip| large.with(Tiling { units, rows, on_chip })));
        }
    }
    tilings.retain(|stage| loop_bytes(request, stage) <= loop_limit(request));
    tilings
}

fn loop_limit(request: &Request<'_>) -> u64 {
    u64::from(WORKGROUP_BYTES.min(request.capabilities.max_compute_workgroup_storage_size))
}

/// Returns the bytes of workgroup memory of a loop.
fn loop_bytes(request: &Request<'_>, stage: &Stage) -> u64 {
    stage.memory(request.precision).map_or(0, |memory| memory.bytes(request.precision))
}
