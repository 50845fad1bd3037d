//! The second product of a step, which needs all of what the first one gave: a projection, or the gate n of a GRU that resets
//! before the recurrent product.

use super::dispatch::Kind;
use super::quads;
use crate::Config;

/// A second product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gpu) struct Second {
    /// Its kernel, where it is a dispatch of its own.
    pub(in crate::gpu) kind: Kind,
    /// Its columns; it has H terms.
    pub(in crate::gpu) columns: usize,
    /// Vectors of H that the first product leaves for it: what is multiplied, and for a GRU z and the input's share of n.
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
