//! The sizes of the arrays that `scan` keeps in workgroup memory: the hidden state, and the recurrent weights
//! if they fit.

use super::products::Second;
use super::request::{Request, small};
use crate::gpu::kernel::{ScanMemory, Tiling, WORKGROUP_BYTES};
use crate::gpu::pack::{self, quads};
use crate::{Config, Precision};

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
