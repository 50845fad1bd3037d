//! What `scan` keeps in a workgroup's memory: the hidden state, and the recurrent weights where they fit.

use super::tiling::{Tiling, WORKGROUP_BYTES};
use super::{Request, Second, quads, small};
use crate::gpu::pack;
use crate::{Config, Precision};

/// The sizes of `scan`'s arrays. There are few, small ones and all that fits, so that layers of like sizes share a
/// pipeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::gpu) struct ScanMemory {
    /// Floats of one hidden state of a workgroup's rows; there are two.
    pub(in crate::gpu) state: u32,
    /// Floats of what a step's second product multiplies, 1 where there is none.
    pub(in crate::gpu) wide_state: u32,
    /// Elements of weights, 1 where they are read from memory.
    pub(in crate::gpu) kept: u32,
}

impl ScanMemory {
    /// Bytes in all.
    pub(in crate::gpu) fn bytes(&self, precision: Precision) -> u64 {
        let floats = 2 * u64::from(self.state) + u64::from(self.wide_state);
        4 * floats + precision.quad_bytes() as u64 * u64::from(self.kept)
    }
}

/// The arrays that a tiling of `scan` needs.
pub(in crate::gpu) fn scan_memory(request: &Request<'_>, tiling: Tiling) -> ScanMemory {
    let config = request.config;
    let two_products = Second::of(config).is_some();
    let (small_state, large_state) = if two_products { (160, 1360) } else { (256, 2032) };
    let floats = |size: usize| {
        let needed = 4 * quads(size) * tiling.rows as usize;
        if needed <= small_state { small(small_state) } else { small(needed.max(large_state)) }
    };
    ScanMemory {
        state: floats(config.hidden_output_size()),
        wide_state: if two_products { floats(config.hidden_size) } else { 1 },
        kept: if tiling.on_chip { kept(config, request.precision) } else { 1 },
    }
}

/// Elements of the weights of a direction: what is left beside small states, or more if that is not enough.
fn kept(config: &Config, precision: Precision) -> u32 {
    let room = (WORKGROUP_BYTES - SMALL_STATES) as usize / precision.quad_bytes();
    small(pack::recurrent_elements(config, precision).max(room))
}

/// Bytes that small states take at most, and what drivers align arrays to.
const SMALL_STATES: u32 = 2048 + 32;
