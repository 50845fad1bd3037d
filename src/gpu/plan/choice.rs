//! The choice of a strategy and of tilings.

use super::strategy::Strategy;
use crate::gpu::kernel::{Kind, Tiling};

/// A strategy and tilings. A request and a choice determine a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gpu) struct Choice {
    /// The strategy, never `Auto`.
    pub(super) strategy: Strategy,
    /// The tiling of each kind of kernel that the strategy uses.
    pub(super) tilings: Vec<(Kind, Tiling)>,
}

impl Choice {
    /// Returns the tiling of a kind of kernel, or `None` if the strategy does not use it.
    pub(super) fn tiling(&self, kind: Kind) -> Option<Tiling> {
        self.tilings.iter().find(|(of, _)| *of == kind).map(|(_, tiling)| *tiling)
    }
}
