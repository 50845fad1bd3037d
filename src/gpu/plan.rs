//! Plans the dispatches and buffers of a forward pass. A plan is a pure function of the configuration, the
//! size of the batch and the device's capabilities.

mod bindings;
mod candidates;
mod cost;
mod dispatch;
mod endpoints;
mod loops;
mod memory;
mod on_chip;
mod parts;
mod pieces;
mod products;
mod report;
mod segments;
mod strategy;
mod tiling;

pub(super) use bindings::Bound;
pub(super) use candidates::Choice;
pub(super) use dispatch::{Dispatch, Kind, Sequence};
pub(super) use endpoints::Endpoints;
pub(super) use memory::{PassMemory, quads};
pub(super) use on_chip::{ScanMemory, scan_memory};
pub(super) use parts::{Part, parts};
pub(super) use pieces::Pieces;
pub(super) use products::{First, Second};
pub use report::{DispatchReport, PlanReport};
pub(super) use segments::Segment;
pub use strategy::Strategy;
#[cfg(test)]
pub(super) use tiling::{MAX_ROWS, WORKGROUP_BYTES};
pub(super) use tiling::{MAX_UNITS, MIN_WORKGROUP_BYTES, Tiling};

use std::fmt;

use super::Capabilities;
use super::kernel::KernelSpec;
use crate::{Config, Error, Precision};

/// The default budget in bytes for a workspace, without weights, input, output and state.
pub(crate) const BUDGET: u64 = 64 << 20;

/// The shape of a call, which is the key of cached workspaces and measurements: N (the rows of a piece), T,
/// the budget for the workspace in bytes, and the endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct CallShape {
    pub(super) rows: usize,
    pub(super) steps: usize,
    pub(super) budget: u64,
    pub(super) endpoints: Endpoints,
}

/// A forward pass over N rows and T steps.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) strategy: Strategy,
    /// N.
    pub(super) rows: u32,
    /// T.
    pub(super) steps: u32,
    /// The budget for the workspace, in bytes.
    pub(super) budget: u64,
    pub(super) endpoints: Endpoints,
    pub(super) bytes: PassMemory,
    /// The dispatches in order. Each one may read what earlier ones wrote.
    pub(super) dispatches: Vec<Dispatch>,
    /// The submissions, in order.
    pub(super) segments: Vec<Segment>,
    /// The kernel of each kind that the dispatches use.
    pub(super) variants: Vec<(Kind, KernelSpec)>,
    /// For each layer, the number of the hidden buffer, of two, that holds its final state.
    pub(super) final_parity: Vec<usize>,
    /// The time that the cost model expects, in microseconds.
    pub(super) expected_us: f64,
}

/// A request for a plan: everything that the plan depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) config: &'a Config,
    pub(super) precision: Precision,
    pub(super) parts: &'a [Part],
    pub(super) rows: usize,
    pub(super) steps: usize,
    pub(super) capabilities: &'a Capabilities,
    /// The budget for the workspace, in bytes.
    pub(super) budget: u64,
    /// Whether wgpu adds bounds checks to the kernels.
    pub(super) bounds_checks: bool,
    pub(super) endpoints: Endpoints,
}

#[cfg(test)]
impl<'a> Request<'a> {
    /// Returns a request for a forward pass from the host with the default budget and weights in f32.
    pub(super) fn usual(
        config: &'a Config,
        parts: &'a [Part],
        rows: usize,
        steps: usize,
        capabilities: &'a Capabilities,
    ) -> Self {
        let (precision, budget, bounds_checks, endpoints) = (Precision::F32, BUDGET, false, Endpoints::Host);
        Request { config, precision, parts, rows, steps, capabilities, budget, bounds_checks, endpoints }
    }
}

impl Plan {
    /// Plans a forward pass over at least one row and one step. For `Auto`, takes the strategy that the cost
    /// model expects to be the fastest.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] names what exceeds the limits, such as a buffer.
    pub(super) fn new(request: &Request<'_>, strategy: Strategy) -> Result<Self, Error> {
        if strategy != Strategy::Auto {
            return Plan::with_strategy(request, strategy);
        }
        let mut best: Result<Plan, Error> = Plan::with_strategy(request, Strategy::Step);
        for strategy in [Strategy::ProjectStep, Strategy::Scan] {
            if let Ok(plan) = Plan::with_strategy(request, strategy)
                && best.as_ref().map_or(true, |best| plan.expected_us < best.expected_us)
            {
                best = Ok(plan);
            }
        }
        best
    }

    fn with_strategy(request: &Request<'_>, strategy: Strategy) -> Result<Self, Error> {
        Plan::of(request, &Choice::new(request, strategy)?)
    }

    /// Plans a forward pass with a given choice of strategy and tilings.
    ///
    /// # Errors
    ///
    /// The same as for [`Plan::new`].
    pub(super) fn of(request: &Request<'_>, choice: &Choice) -> Result<Self, Error> {
        let Choice { strategy, ref tilings } = *choice;
        let bytes = PassMemory::fitting(request, strategy, tilings)?;
        let expected_us = cost::expected_us(request, strategy, tilings, &bytes);
        let of_cell =
            |&(kind, tiling): &(Kind, Tiling)| (kind, KernelSpec::new(kind, request, strategy, tiling));
        let exchanges = |&kind: &Kind| (kind, KernelSpec::exchange(kind, request.bounds_checks));
        let variants = tilings.iter().map(of_cell).chain(request.endpoints.kernels().iter().map(exchanges));
        let mut plan = Plan {
            strategy,
            rows: small(request.rows),
            steps: small(request.steps),
            budget: request.budget,
            endpoints: request.endpoints,
            bytes,
            dispatches: Vec::new(),
            segments: Vec::new(),
            variants: variants.collect(),
            final_parity: Vec::new(),
            expected_us,
        };
        dispatch::list(&mut plan, request, tilings)?;
        endpoints::add(&mut plan, request);
        plan.segments = segments::cut(&plan, request);
        Ok(plan)
    }

    /// Returns the largest number of rows, up to the request's, that fit the limits at once.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] if not even one row fits.
    pub(super) fn rows_at_once(request: &Request<'_>, strategy: Strategy) -> Result<usize, Error> {
        let fits = |rows| Plan::fits(&Request { rows, ..*request }, strategy);
        if fits(request.rows).is_ok() {
            return Ok(request.rows);
        }
        fits(1)?;
        let (mut most, mut too_many) = (1, request.rows);
        while too_many - most > 1 {
            let middle = most + (too_many - most) / 2;
            if fits(middle).is_ok() { most = middle } else { too_many = middle }
        }
        Ok(most)
    }

    fn fits(request: &Request<'_>, strategy: Strategy) -> Result<(), Error> {
        let one = |strategy| {
            let tilings = tiling::choose(request, strategy)?;
            PassMemory::fitting(request, strategy, &tilings).map(|_| ())
        };
        match strategy {
            // The simplest strategy needs the least memory.
            Strategy::Auto => {
                one(Strategy::Step).or_else(|error| one(Strategy::ProjectStep).map_err(|_| error))
            }
            _ => one(strategy),
        }
    }

    pub(super) fn size(&self) -> CallShape {
        CallShape {
            rows: self.rows as usize,
            steps: self.steps as usize,
            budget: self.budget,
            endpoints: self.endpoints,
        }
    }

    /// Returns the entry point and the tiling of each kernel.
    pub(super) fn kernels(&self) -> impl Iterator<Item = (&'static str, Tiling)> {
        self.variants.iter().map(|(_, variant)| (variant.entry_point(), variant.tiling()))
    }

    /// Returns the kernel of a kind.
    pub(super) fn variant(&self, kind: Kind) -> Option<KernelSpec> {
        self.variants.iter().find(|(of, _)| *of == kind).map(|(_, variant)| *variant)
    }
}

/// `scan (input_product 64x8, scan 64x4)`.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kernels = self.kernels().map(|(kernel, tiling)| format!("{kernel} {tiling}"));
        write!(f, "{} ({})", self.strategy, kernels.collect::<Vec<_>>().join(", "))
    }
}

/// Converts a size to 32 bits. [`PassMemory::fitting`] checks that every index fits into 32 bits.
pub(super) fn small(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
