//! How many invocations a workgroup has and how many rows each of them computes.

use super::{Kind, Request, Strategy, cost, on_chip};
use crate::Error;

/// Invocations of a workgroup at most.
pub(in crate::gpu) const MAX_UNITS: u32 = 64;
/// Rows of an invocation at most: MAX_ROWS of the shaders. A workgroup has at least as many invocations, since each row is
/// prepared by one.
pub(in crate::gpu) const MAX_ROWS: u32 = 8;
/// Bytes of workgroup memory that any kernel may take: the baseline's limit
/// (<https://www.w3.org/TR/webgpu/#limits>), less what GL drivers keep for themselves.
pub(in crate::gpu) const WORKGROUP_BYTES: u32 = 16_352;
/// What the step kernel takes for eight rows, without which nothing can run: TILE vec4s and a start each.
pub(in crate::gpu) const MIN_WORKGROUP_BYTES: u32 = MAX_ROWS * (64 * 16 + 4);

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
            units: if invocations <= 16 { 16 } else { MAX_UNITS },
            rows: if rows <= 1 { 1 } else { MAX_ROWS },
            on_chip: false,
        }
    }
}

/// The tiling of each kind of kernel that a strategy uses.
///
/// # Errors
///
/// [`Error::TooLarge`] if the hidden state does not fit a workgroup's memory, which only `scan` needs.
pub(super) fn choose(request: &Request<'_>, strategy: Strategy) -> Result<Vec<(Kind, Tiling)>, Error> {
    let config = request.config;
    // An invocation has all gates of one unit, or four columns where there is one gate.
    let each = if config.cell.gates() == 1 { 4 } else { 1 };
    let step = Tiling::new(config.hidden_size.div_ceil(each), request.rows);
    let project = || {
        let columns = config.cell.gates() * config.hidden_size;
        Tiling::new(columns.div_ceil(4), request.rows.saturating_mul(request.steps))
    };
    let mut tilings = match strategy {
        Strategy::Auto | Strategy::Step => vec![(Kind::Step, step)],
        Strategy::ProjectStep => vec![(Kind::Project, project()), (Kind::Step, step)],
        Strategy::Scan => vec![(Kind::Project, project()), (Kind::Scan, scan(request, step)?)],
    };
    if config.proj_size > 0 && strategy != Strategy::Scan {
        tilings.push((Kind::Projection, Tiling::new(config.proj_size.div_ceil(4), request.rows)));
    }
    Ok(tilings)
}

/// As many rows as fit into workgroup memory and keep the cores busy, the weights beside them if that is faster.
fn scan(request: &Request<'_>, step: Tiling) -> Result<Tiling, Error> {
    let limit = u64::from(WORKGROUP_BYTES.min(request.capabilities.max_compute_workgroup_storage_size));
    let rows = [1, 4, MAX_ROWS].into_iter().filter(|&rows| rows <= step.rows);
    let candidates = rows.flat_map(|rows| [false, true].map(|on_chip| Tiling { rows, on_chip, ..step }));
    let fitting = candidates.filter(|tiling| scan_bytes(request, *tiling) <= limit);
    let best =
        fitting.min_by(|a, b| cost::scan_step_us(request, *a).total_cmp(&cost::scan_step_us(request, *b)));
    best.ok_or_else(|| Error::TooLarge {
        what: "bytes of hidden state in workgroup memory (strategy scan)".into(),
        needed: scan_bytes(request, Tiling { rows: 1, on_chip: false, ..step }),
        limit,
    })
}

/// Bytes of workgroup memory of `scan`.
fn scan_bytes(request: &Request<'_>, tiling: Tiling) -> u64 {
    on_chip::scan_memory(request, tiling).bytes(request.precision)
}
