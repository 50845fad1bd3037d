//! The choice of a strategy and of tilings.

use super::stage::Stage;
use crate::Config;
use crate::Strategy;
#[cfg(test)]
use crate::gpu::kernel::Tiling;

/// A strategy, and the stages of each layer with their tilings. A request and a choice determine a plan.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::gpu) struct Choice {
    /// The strategy, never `Auto`.
    pub(in crate::gpu) strategy: Strategy,
    pub(super) stages: Vec<Stage>,
}

impl Choice {
    /// Returns the tiling of each stage.
    #[cfg(test)]
    pub(in crate::gpu) fn tilings(&self) -> impl Iterator<Item = Tiling> {
        self.stages.iter().map(|stage| stage.tiling)
    }

    /// Returns the stages that compute a chunk of steps (`true`) or one step (`false`) in a dispatch.
    pub(super) fn paced(&self, of_chunk: bool) -> impl Iterator<Item = (usize, &Stage)> {
        self.stages.iter().enumerate().filter(move |(_, stage)| stage.is_of_chunk() == of_chunk)
    }

    /// Returns whether the layers of a stack share dispatches, each one step behind the layer below it. A
    /// layer that computes chunks or has two directions needs the whole sequence of the layer below.
    pub(super) fn is_diagonal(&self, config: &Config) -> bool {
        !config.bidirectional && self.paced(true).next().is_none()
    }

    /// Returns whether a stage loops over the steps of a chunk.
    pub(super) fn loops(&self) -> bool {
        self.stages.iter().any(Stage::loops)
    }
}
