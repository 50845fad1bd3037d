//! The number of invocations in a workgroup, and the number of rows that each of them computes.

use std::fmt;

use super::{First, Kind, Request, Second, Strategy, cost, on_chip};
use crate::Error;

/// The maximum number of invocations in a workgroup.
pub(in crate::gpu) const MAX_UNITS: u32 = 64;
/// The minimum number of invocations in a workgroup.
pub(in crate::gpu) const MIN_UNITS: u32 = 16;
/// The maximum number of rows of an invocation, MAX_ROWS in the shaders. A workgroup must not have fewer
/// invocations than rows, because one invocation prepares each row.
pub(in crate::gpu) const MAX_ROWS: u32 = 8;
/// The maximum number of bytes of workgroup memory of a kernel: WebGPU's default limit
/// (<https://www.w3.org/TR/webgpu/#limits>) minus the bytes that GL drivers reserve.
pub(in crate::gpu) const WORKGROUP_BYTES: u32 = 16_352;
/// The bytes of workgroup memory of the step kernel for eight rows: TILE vec4s and a start for each row. A
/// device with less cannot run any plan.
pub(in crate::gpu) const MIN_WORKGROUP_BYTES: u32 = MAX_ROWS * (64 * 16 + 4);

/// The planner takes small workgroups only if they reduce the time of a step to less than this fraction,
/// because another kernel may have to be compiled for them.
const WORTHWHILE: f64 = 0.9;

/// The number of invocations in a workgroup, and the number of rows of each invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) struct Tiling {
    pub(in crate::gpu) units: u32,
    pub(in crate::gpu) rows: u32,
    /// Whether `scan` keeps the recurrent weights in workgroup memory.
    pub(in crate::gpu) on_chip: bool,
}

impl Tiling {
    /// Returns one of a few tilings, so that few kernels are compiled: 16 or 64 invocations, and one or
    /// eight rows.
    fn new(invocations: usize, rows: usize) -> Self {
        Tiling {
            units: if invocations <= MIN_UNITS as usize { MIN_UNITS } else { MAX_UNITS },
            rows: if rows <= 1 { 1 } else { MAX_ROWS },
            on_chip: false,
        }
    }
}

/// Writes `64x8` or `64x8 on chip`.
impl fmt::Display for Tiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}{}", self.units, self.rows, if self.on_chip { " on chip" } else { "" })
    }
}

/// Returns the tiling of each kind of kernel that a strategy uses.
///
/// # Errors
///
/// [`Error::TooLarge`] if the strategy is `scan` and the hidden state does not fit into workgroup memory.
pub(super) fn choose(request: &Request<'_>, strategy: Strategy) -> Result<Vec<(Kind, Tiling)>, Error> {
    let config = request.config;
    let input_product = || {
        let columns = config.cell.gates() * config.hidden_size;
        Tiling::new(columns.div_ceil(4), request.rows.saturating_mul(request.steps))
    };
    let mut tilings = match strategy {
        Strategy::Auto | Strategy::Step => vec![(Kind::Step, step(request, Strategy::Step))],
        Strategy::ProjectStep => {
            vec![(Kind::InputProduct, input_product()), (Kind::Step, step(request, strategy))]
        }
        Strategy::Scan => vec![(Kind::InputProduct, input_product()), (Kind::Scan, scan(request)?)],
    };
    if let Some(second) = Second::of(config)
        && strategy != Strategy::Scan
    {
        tilings.push((second.kind, Tiling::new(second.columns.div_ceil(4), request.rows)));
    }
    Ok(tilings)
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
    best.ok_or_else(|| Error::TooLarge {
        what: "bytes of hidden state in workgroup memory (strategy scan)".into(),
        needed: scan_bytes(request, Tiling { rows: 1, ..whole(request, Strategy::Scan) }),
        limit: scan_limit(request),
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
