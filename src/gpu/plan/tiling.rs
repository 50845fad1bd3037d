//! How many invocations a workgroup has and how many rows each of them computes.

use std::fmt;

use super::{First, Kind, Request, Second, Strategy, cost, on_chip};
use crate::Error;

/// Invocations of a workgroup at most.
pub(in crate::gpu) const MAX_UNITS: u32 = 64;
/// Invocations of a workgroup at least.
pub(in crate::gpu) const MIN_UNITS: u32 = 16;
/// Rows of an invocation at most: MAX_ROWS of the shaders. A workgroup has at least as many invocations, since each row is
/// prepared by one.
pub(in crate::gpu) const MAX_ROWS: u32 = 8;
/// Bytes of workgroup memory that any kernel may take: the baseline's limit
/// (<https://www.w3.org/TR/webgpu/#limits>), less what GL drivers keep for themselves.
pub(in crate::gpu) const WORKGROUP_BYTES: u32 = 16_352;
/// What the step kernel takes for eight rows, without which nothing can run: TILE vec4s and a start each.
pub(in crate::gpu) const MIN_WORKGROUP_BYTES: u32 = MAX_ROWS * (64 * 16 + 4);

/// The part of its time that a step has to take with small workgroups, for which another kernel may have to be compiled.
const WORTHWHILE: f64 = 0.9;

/// A workgroup's invocations and each one's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) struct Tiling {
    pub(in crate::gpu) units: u32,
    pub(in crate::gpu) rows: u32,
    /// Whether `scan` keeps the recurrent weights in workgroup memory.
    pub(in crate::gpu) on_chip: bool,
}

impl Tiling {
    /// Few sizes, so that few kernels are compiled: 16 or 64 invocations; one row or eight.
    fn new(invocations: usize, rows: usize) -> Self {
        Tiling {
            units: if invocations <= MIN_UNITS as usize { MIN_UNITS } else { MAX_UNITS },
            rows: if rows <= 1 { 1 } else { MAX_ROWS },
            on_chip: false,
        }
    }
}

/// `64x8`, or `64x8 on chip`.
impl fmt::Display for Tiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}{}", self.units, self.rows, if self.on_chip { " on chip" } else { "" })
    }
}

/// The tiling of each kind of kernel that a strategy uses.
///
/// # Errors
///
/// [`Error::TooLarge`] if the hidden state does not fit a workgroup's memory, which only `scan` needs.
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

/// The tiling of a step of the layer: small workgroups where they keep more cores busy.
pub(super) fn step(request: &Request<'_>, strategy: Strategy) -> Tiling {
    let large = whole(request, strategy);
    let small = Tiling { units: MIN_UNITS, ..large };
    let expected_us = |tiling| cost::step_us(request, strategy, tiling);
    if expected_us(small) < WORTHWHILE * expected_us(large) { small } else { large }
}

/// The tiling with an invocation for all columns of the first product.
pub(super) fn whole(request: &Request<'_>, strategy: Strategy) -> Tiling {
    Tiling::new(First::of(request.config, strategy).invocations(), request.rows)
}

/// As many rows as fit into workgroup memory and keep the cores busy, the weights beside them if that is faster.
fn scan(request: &Request<'_>) -> Result<Tiling, Error> {
    let expected_us = |tiling: &Tiling| cost::scan_step_us(request, *tiling);
    let best = scans(request).into_iter().min_by(|a, b| expected_us(a).total_cmp(&expected_us(b)));
    best.ok_or_else(|| Error::TooLarge {
        what: "bytes of hidden state in workgroup memory (strategy scan)".into(),
        needed: scan_bytes(request, Tiling { rows: 1, ..whole(request, Strategy::Scan) }),
        limit: scan_limit(request),
    })
}

/// The tilings of `scan` that fit into workgroup memory.
pub(super) fn scans(request: &Request<'_>) -> Vec<Tiling> {
    let step = whole(request, Strategy::Scan);
    let units = if step.units > MIN_UNITS { &[MAX_UNITS, MIN_UNITS][..] } else { &[MIN_UNITS] };
    // To a driver on the CPU all memory is the same.
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

/// Bytes of workgroup memory of `scan`.
fn scan_bytes(request: &Request<'_>, tiling: Tiling) -> u64 {
    on_chip::scan_memory(request, tiling).bytes(request.precision)
}
