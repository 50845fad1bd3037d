//! The products of a step. Some layers have a second one, which needs all of what the first one gave: a projection, or the
//! gate n of a GRU that resets before the recurrent product.

use super::dispatch::Kind;
use super::{Strategy, quads};
use crate::Config;

/// How the first product goes to invocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gpu) struct First {
    /// What invocations share: units, or columns where a unit's are made apart.
    pub(in crate::gpu) columns: usize,
    /// How many of those an invocation has.
    pub(in crate::gpu) each: usize,
    /// Gates of W_hh that it reads.
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

    /// Sums for each column: an invocation that has a whole unit computes all of its gates.
    pub(in crate::gpu) fn sums(&self, config: &Config) -> usize {
        self.gates * config.hidden_size / self.columns
    }

    /// Invocations for one row.
    pub(in crate::gpu) fn invocations(&self) -> usize {
        self.columns.div_ceil(self.each)
    }
}

/// The second product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gpu) struct Second {
    /// Its kernel, where it is a dispatch of its own.
    pub(in crate::gpu) kind: Kind,
    /// Its columns; it has H terms.
    pub(in crate::gpu) columns: usize,
    /// Vectors of H that the first product leaves for it: what is multiplied, and for a GRU z and, unless that was computed
    /// before, the input's share of n.
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

    /// Quads of its weights.
    pub(in crate::gpu) fn weights(&self, config: &Config) -> usize {
        self.columns * quads(config.hidden_size)
    }
}
