//! The products of a step. Some layers have a second one, which needs the whole result of the first one: a
//! projection, or the gate n of a GRU that resets before the recurrent product.

use super::strategy::Strategy;
use crate::Config;
use crate::gpu::kernel::Kind;
use crate::gpu::pack::quads;

/// The division of the first product among invocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gpu) struct First {
    /// The number of work items: hidden units, or single gate columns if different invocations compute the
    /// gates of a unit.
    pub(in crate::gpu) columns: usize,
    /// The number of work items of each invocation.
    pub(in crate::gpu) each: usize,
    /// The number of gates of W_hh that the product reads.
    pub(in crate::gpu) gates: usize,
}

impl First {
    pub(in crate::gpu) fn of(config: &Config, strategy: Strategy) -> Self {
        let (units, gates) = (config.hidden_size, config.cell.gates());
        if config.resets_before() && strategy.is_hoisted() {
            First { columns: 2 * units, each: 4, gates: 2 }
        } else {
            First { columns: units, each: if gates == 1 { 4 } else { 1 }, gates }
        }
    }

    /// Returns the number of sums for each work item. For a whole unit, an invocation computes all gates.
    pub(in crate::gpu) fn sums(&self, config: &Config) -> usize {
        self.gates * config.hidden_size / self.columns
    }

    /// Returns the number of invocations for one row.
    pub(in crate::gpu) fn invocations(&self) -> usize {
        self.columns.div_ceil(self.each)
    }
}

/// The second product of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gpu) struct Second {
    /// The kernel, if the product is a dispatch of its own.
    pub(in crate::gpu) kind: Kind,
    /// The number of columns. Each one has H terms.
    pub(in crate::gpu) columns: usize,
    /// The number of vectors of H elements that the first product stores for the second one: the vector that
    /// is multiplied, and for a GRU also z and the input's share of n (unused if the input products are
    /// computed ahead).
    pub(in crate::gpu) vectors: usize,
}

impl Second {
    pub(in crate::gpu) fn of(config: &Config) -> Option<Self> {
        if config.proj_size > 0 {
            Some(Second { kind: Kind::Projection, columns: config.proj_size, vectors: 1 })
        } else if config.resets_before() {
            Some(Second { kind: Kind::Candidate, columns: config.hidden_size, vectors: 3 })
        } else {
            None
        }
    }

    /// Returns the number of quads of the product's weights.
    pub(in crate::gpu) fn weights(&self, config: &Config) -> usize {
        self.columns * quads(config.hidden_size)
    }
}
