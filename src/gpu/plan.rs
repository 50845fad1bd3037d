//! Plans the dispatches and buffers of a forward pass. A plan is a pure function of the configuration, the
//! size of the batch and the device's capabilities.

mod bindings;
mod candidates;
mod choice;
mod cost;
mod dispatch;
mod exchange;
mod family;
mod inspect;
mod loops;
mod machine;
mod memory;
mod parts;
mod pieces;
mod report;
mod request;
mod segments;
mod shared;
mod stage;
mod stages;
mod tiling;
mod transfers;

pub(super) use bindings::{Bound, Saved, Sequence};
pub(super) use choice::Choice;
pub(super) use dispatch::Dispatch;
pub(super) use family::allowed;
#[cfg(test)]
pub(super) use inspect::planned;
pub use inspect::{KernelSource, kernels};
pub(super) use memory::PassMemory;
pub(super) use parts::{Part, parts};
pub(super) use pieces::Pieces;
pub use report::{DispatchReport, PlanReport};
pub(super) use request::{CallShape, Endpoints, Request, small};
pub(super) use segments::Segment;

use std::fmt;

use super::kernel::KernelSpec;
#[cfg(doc)]
use crate::ErrorKind;
use crate::options::BUDGET;
use crate::{Error, Strategy};

/// A forward pass over N rows and T steps.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) choice: Choice,
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
    /// The kernels that the dispatches use: those of the stages, then those of a session.
    pub(super) kernels: Vec<KernelSpec>,
    /// The sets of buffers that the dispatches bind.
    pub(super) bindings: Vec<[Bound; 10]>,
    /// For each layer, the number of the hidden buffer, of two, that holds its final state.
    pub(super) final_parity: Vec<usize>,
    /// The time that the cost model expects, in microseconds.
    pub(super) expected_us: f64,
    /// The share of a call in the time to compile the kernels, as far as plans differ in it.
    compiling_us: f64,
}

impl Plan {
    /// Plans a forward pass over at least one row and one step. For `Auto`, takes the strategy of the layer's
    /// family that the cost model expects to be the fastest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] names what exceeds the limits, such as a buffer.
    pub(super) fn new(request: &Request<'_>, strategy: Strategy) -> Result<Self, Error> {
        let plans = family::allowed(request, strategy).iter().map(|&one| Plan::with_strategy(request, one));
        let faster = |best: Result<Plan, Error>, plan: Result<Plan, Error>| match (&best, &plan) {
            (Ok(found), Ok(plan)) if plan.cost_us() >= found.cost_us() => best,
            (Ok(_), Err(_)) | (Err(_), Err(_)) => best,
            _ => plan,
        };
        plans.reduce(faster).unwrap_or_else(|| Plan::with_strategy(request, Strategy::Step))
    }

    fn with_strategy(request: &Request<'_>, strategy: Strategy) -> Result<Self, Error> {
        Plan::of(request, &tiling::choose(request, strategy)?)
    }

    /// Plans a forward pass with a given choice of strategy and tilings.
    ///
    /// # Errors
    ///
    /// The same as for [`Plan::new`].
    pub(super) fn of(request: &Request<'_>, choice: &Choice) -> Result<Self, Error> {
        let bytes = PassMemory::fitting(request, choice)?;
        let mut list = dispatch::list(request, choice, bytes.chunk)?;
        let mut kernels: Vec<KernelSpec> = choice.stages.iter().map(|stage| stage.kernel(request)).collect();
        exchange::add(&mut list, request, kernels.len())?;
        kernels.extend(exchange::kernels(request));
        Ok(Plan {
            choice: choice.clone(),
            rows: small(request.rows),
            steps: small(request.steps),
            budget: request.budget,
            endpoints: request.endpoints,
            bytes,
            segments: segments::cut(request, &bytes, &list),
            dispatches: list.dispatches,
            kernels,
            bindings: list.bindings,
            final_parity: list.final_parity,
            expected_us: cost::expected_us(request, choice, bytes.chunk),
            compiling_us: cost::compiling_us(&choice.stages),
        })
    }

    /// Returns the time by which plans are chosen.
    fn cost_us(&self) -> f64 {
        self.expected_us + self.compiling_us
    }

    /// Returns the largest number of rows, up to the request's, that fit the limits at once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] if not even one row fits.
    pub(super) fn rows_at_once(request: &Request<'_>, strategy: Strategy) -> Result<usize, Error> {
        // They do not depend on the number of rows.
        let strategies = family::allowed(request, strategy);
        let fits = |rows| Plan::fits(&Request { rows, ..*request }, strategies);
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

    /// Checks that one of the strategies fits the limits.
    fn fits(request: &Request<'_>, strategies: &[Strategy]) -> Result<(), Error> {
        let one = |strategy| PassMemory::fitting(request, &tiling::choose(request, strategy)?).map(|_| ());
        let all = strategies.iter().map(|&strategy| one(strategy));
        all.reduce(|found, next| found.or_else(|error| next.map_err(|_| error))).unwrap_or(Ok(()))
    }

    pub(super) fn size(&self) -> CallShape {
        CallShape {
            rows: self.rows as usize,
            steps: self.steps as usize,
            budget: self.budget,
            endpoints: self.endpoints,
        }
    }
}

/// `scan (input_product 64x8, scan 64x4)`.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kernels = self.kernels.iter().map(|kernel| format!("{} {}", kernel.entry_point, kernel.tiling));
        write!(f, "{} ({})", self.choice.strategy, kernels.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests;
