//! The choice of the number of invocations in a workgroup, and of the number of rows that each of them computes.

use super::choice::Choice;
use super::products::{First, Second};
use super::request::Request;
use super::strategy::Strategy;
use super::{cost, on_chip};
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::error::Fault;
use crate::gpu::kernel::{Kind, MAX_ROWS, MAX_UNITS, MIN_UNITS, Tiling, WORKGROUP_BYTES};

/// The planner takes small workgroups only if they reduce the time of a step to less than this fraction,
/// because another kernel may have to be compiled for them.
const WORTHWHILE: f64 = 0.9;

/// Returns the planner's choice of tilings for a strategy.
///
/// # Errors
///
/// [`ErrorKind::TooLarge`] if the strategy is `scan` and the hidden state does not fit into workgroup memory.
pub(super) fn choose(request: &Request<'_>, strategy: Strategy) -> Result<Choice, Error> {
    let config = request.config;
    let input_product = || {
        let columns = config.cell.gates() * config.hidden_size;
        Tiling::new(columns.div_ceil(4), request.rows.saturating_mul(request.steps))
    };
    let mut tilings = match strategy {
        Strategy::Auto | Strategy::Step => vec![(Kind::Step, step(request, Strategy::Step))],
        Strategy::HoistedStep => {
            vec![(Kind::InputProduct, input_product()), (Kind::Step, step(request, strategy))]
        }
        Strategy::Scan => vec![(Kind::InputProduct, input_product()), (Kind::Scan, scan(request)?)],
    };
    if let Some(second) = Second::of(config)
        && strategy != Strategy::Scan
    {
        tilings.push((second.kind, Tiling::new(second.columns.div_ceil(4), request.rows)));
    }
    Ok(Choice { strategy, tilings })
}

/// Returns the tiling of a step. Workgroups are small if that keeps more cores busy.
pub(super) fn step(request: &Request<'_>, strategy: Strategy) -> Tiling {
    let large = whole(request, strategy);
    let small = Tiling { units: MIN_UNITS, ..large };
    let expected_us = |tiling| cost::step_us(request, strategy, tiling);
    if expected_us(small) < WORTHWHILE * expected_us(large) { small } else { large }
}

/// Returns the tiling with enough invocations for all columns of the first product, up to the maximum.
pub(super) fn whole(request: &Request<'_>, strategy: Strategy) -> Tiling {
    Tiling::new(First::of(request.config, strategy).invocations(), request.rows)
}

/// Returns the fastest tiling of `scan`, as the cost model expects: as many rows as fit into workgroup
/// memory and keep the cores busy, and the weights in workgroup memory, too, if that is faster.
fn scan(request: &Request<'_>) -> Result<Tiling, Error> {
    let expected_us = |tiling: &Tiling| cost::scan_step_us(request, *tiling);
    let best = scans(request).into_iter().min_by(|a, b| expected_us(a).total_cmp(&expected_us(b)));
    best.ok_or_else(|| {
        Error::from(Fault::TooLarge {
            what: "bytes of hidden state in workgroup memory (strategy scan)".into(),
            needed: scan_bytes(request, Tiling { rows: 1, ..whole(request, Strategy::Scan) }),
            limit: scan_limit(request),
        })
    })
}

/// Returns the tilings of `scan` that fit into workgroup memory.
pub(super) fn scans(request: &Request<'_>) -> Vec<Tiling> {
    let step = whole(request, Strategy::Scan);
    let units = if step.units > MIN_UNITS { &[MAX_UNITS, MIN_UNITS][..] } else { &[MIN_UNITS] };
    // For a software driver, workgroup memory is not faster than other memory.
    let places = if request.capabilities.software { &[false][..] } else { &[false, true] };
    let mut tilings = Vec::new();
    for &units in units {
        for rows in [1, 4, MAX_ROWS] {
            tilings.extend(places.iter().map(|&on_chip| Tiling { units, rows, on_chip }));
        }
    }
    tilings.retain(|tiling| tiling.rows <= step.rows && scan_bytes(request, *tiling) <= scan_limit(request));
    tilings
}

fn scan_limit(request: &Request<'_>) -> u64 {
    u64::from(WORKGROUP_BYTES.min(request.capabilities.max_compute_workgroup_storage_size))
}

/// Returns the bytes of workgroup memory of `scan`.
fn scan_bytes(request: &Request<'_>, tiling: Tiling) -> u64 {
    on_chip::scan_memory(request, tiling).bytes(request.precision)
}
