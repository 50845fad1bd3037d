//! The arrays that `scan` keeps in workgroup memory: the hidden state, and the recurrent weights if they
//! fit.

use super::tiling::{Tiling, WORKGROUP_BYTES};
use super::{Request, Second, quads, small};
use crate::gpu::pack;
use crate::{Config, Precision};

/// The sizes of `scan`'s arrays. The planner uses few sizes, a small and a large one if possible, so that
/// layers of similar sizes share a pipeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::gpu) struct ScanMemory {
    /// The number of floats of one hidden state of a workgroup's rows. There are two hidden states.
    pub(in crate::gpu) state: u32,
    /// The number of floats of the vectors that a step's second product multiplies; 1 if there is none.
    pub(in crate::gpu) wide_state: u32,
    /// The number of weight elements in workgroup memory; 1 if the weights are read from their buffer.
    pub(in crate::gpu) kept: u32,
}

impl ScanMemory {
    /// Returns the total number of bytes.
    pub(in crate::gpu) fn bytes(&self, precision: Precision) -> u64 {
        let floats = 2 * u64::from(self.state) + u64::from(self.wide_state);
        4 * floats + precision.quad_bytes() as u64 * u64::from(self.kept)
    }
}

/// Returns the sizes of the arrays that a tiling of `scan` needs.
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

/// Returns the number of weight elements of a direction that are kept: all that fit in addition to small
/// states, or more if the direction has more.
fn kept(config: &Config, precision: Precision) -> u32 {
    let room = (WORKGROUP_BYTES - SMALL_STATES) as usize / precision.quad_bytes();
    small(pack::recurrent_elements(config, precision).max(room))
}

/// The maximum number of bytes of small states, and the padding with which drivers align arrays.
const SMALL_STATES: u32 = 2048 + 32;
