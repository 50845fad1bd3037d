//! The tiling of a kernel, and what it takes of workgroup memory.

use std::fmt;

use super::Override;
use crate::Precision;

/// The number of invocations of a large workgroup. Kernels with weights in registers, in parts, in tiles or in blocks have
/// their own numbers.
pub(in crate::gpu) const MAX_UNITS: u32 = 64;
/// The number of invocations of a small workgroup.
pub(in crate::gpu) const MIN_UNITS: u32 = 16;
/// The maximum number of rows of an invocation, MAX_ROWS in the shaders. A workgroup must not have fewer
/// invocations than rows, because one invocation prepares each row.
pub(in crate::gpu) const MAX_ROWS: u32 = 8;
/// The maximum number of bytes of workgroup memory of a kernel: WebGPU's default limit
/// (<https://www.w3.org/TR/webgpu/#limits>) minus the bytes that GL drivers reserve.
pub(in crate::gpu) const WORKGROUP_BYTES: u32 = 16_352;
/// The bytes of workgroup memory for each row in `product/workgroup.wgsl`: TILE vec4s and a start.
pub(in crate::gpu) const TILE_BYTES: u32 = 64 * 16 + 4;
/// The invocations of a workgroup of `tiles/input_product.wgsl`.
pub(in crate::gpu) const TILED_UNITS: u32 = 256;
/// The invocations and the rows of each of them in `tiles/step.wgsl`. A tile of 64 rows, as in the input product, would
/// leave most cores of a large GPU idle.
pub(in crate::gpu) const TILED_STEP_UNITS: u32 = 128;
pub(in crate::gpu) const TILED_STEP_ROWS: u32 = 4;
/// The number of invocations of a tile with the same item, each for other rows: UNITS / ITEMS in `product/tiles.wgsl`.
const TILED_DOWN: u32 = 8;
/// The invocations of a workgroup of `product/blocks.wgsl`, HALF there, and the items that they share.
pub(in crate::gpu) const BLOCKS_UNITS: u32 = 256;
const BLOCKS_ITEMS: u32 = 16;
/// The blocks of an item that they compute at once: AT_ONCE in `product/blocks.wgsl`.
pub(in crate::gpu) const BLOCKS_AT_ONCE: u32 = BLOCKS_UNITS / BLOCKS_ITEMS;
/// The bytes of workgroup memory of `product/blocks.wgsl`.
pub(in crate::gpu) const BLOCKS_BYTES: u32 = 2 * 16 * BLOCKS_UNITS;
/// The bytes of workgroup memory of the step kernel for eight rows. A device with less cannot run any plan.
pub(in crate::gpu) const MIN_WORKGROUP_BYTES: u32 = MAX_ROWS * TILE_BYTES;

/// Returns the bytes of workgroup memory of `product/tiles.wgsl`: for each invocation, a quad of the vectors and two of
/// the weights.
pub(in crate::gpu) fn tiled_bytes(units: u32) -> u32 {
    3 * 16 * units
}

/// The number of invocations in a workgroup, and the number of rows of each invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) struct Tiling {
    pub(in crate::gpu) units: u32,
    pub(in crate::gpu) rows: u32,
    pub(in crate::gpu) weights: WeightsIn,
}

/// Where an invocation reads weights that it needs more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) enum WeightsIn {
    /// Their buffer.
    Buffer,
    /// Workgroup memory, which has all recurrent weights of a direction. Only `scan` does so.
    Workgroup,
    /// Registers, which have the weights of the invocation's columns.
    Registers,
    /// Registers of the invocations that share an item, each of which has the weights of a part of the terms. Only
    /// `scan` on hardware does so.
    Parts,
    /// Workgroup memory, which has a block of the weights and of the vectors at a time. Only the input product and
    /// `step` on hardware do so.
    Tiles,
    /// Their buffer. The invocations that share an item each read a block of its terms at a time. Only `step` and its second
    /// product on hardware do so.
    Blocks,
}

impl Tiling {
    /// Returns one of a few tilings, so that few kernels are compiled: 16 or 64 invocations, and one or
    /// eight rows.
    pub(in crate::gpu) fn new(invocations: usize, rows: usize) -> Self {
        Tiling {
            units: if invocations <= MIN_UNITS as usize { MIN_UNITS } else { MAX_UNITS },
            rows: if rows <= 1 { 1 } else { MAX_ROWS },
            weights: WeightsIn::Buffer,
        }
    }

    /// Returns the number of invocations of a workgroup that compute different items of the same rows.
    pub(in crate::gpu) fn across(self) -> u32 {
        match self.weights {
            WeightsIn::Tiles => self.units / TILED_DOWN,
            WeightsIn::Blocks => BLOCKS_ITEMS,
            WeightsIn::Buffer | WeightsIn::Workgroup | WeightsIn::Registers | WeightsIn::Parts => self.units,
        }
    }

    /// Returns the number of rows of a workgroup.
    pub(in crate::gpu) fn rows_of_workgroup(self) -> u32 {
        match self.weights {
            WeightsIn::Tiles => self.rows * TILED_DOWN,
            _ => self.rows,
        }
    }
}

/// Writes `64x8`, `64x8 on chip`, `64x8 in registers`, `256x1 in parts`, `128x4 in tiles` or `256x1 in blocks`.
impl fmt::Display for Tiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weights = match self.weights {
            WeightsIn::Buffer => "",
            WeightsIn::Workgroup => " on chip",
            WeightsIn::Registers => " in registers",
            WeightsIn::Parts => " in parts",
            WeightsIn::Tiles => " in tiles",
            WeightsIn::Blocks => " in blocks",
        };
        write!(f, "{}x{}{weights}", self.units, self.rows)
    }
}

/// The sizes of `scan`'s arrays. The planner uses few sizes, a small and a large one if possible, so that
/// layers of similar sizes share a pipeline.
#[derive(Clone, Copy, Debug)]
pub(in crate::gpu) struct ScanMemory {
    /// The number of floats of one hidden state of a workgroup's rows. There are two hidden states.
    pub(in crate::gpu) state: u32,
    /// The number of floats of the vectors that a step's second product multiplies; 1 if there is none.
    pub(in crate::gpu) wide_state: u32,
    /// The number of weight elements in workgroup memory; 1 if the weights are read from their buffer.
    pub(in crate::gpu) kept: u32,
}

impl ScanMemory {
    /// Returns the overrides of `scan.wgsl` for the sizes.
    pub(in crate::gpu) fn overrides(&self) -> [Override; 3] {
        [("STATE", self.state), ("WIDE_STATE", self.wide_state), ("KEPT", self.kept)]
            .map(|(name, size)| Override::new(name, size))
    }

    /// Returns the total number of bytes.
    pub(in crate::gpu) fn bytes(&self, precision: Precision) -> u64 {
        let floats = 2 * u64::from(self.state) + u64::from(self.wide_state);
        4 * floats + precision.quad_bytes() as u64 * u64::from(self.kept)
    }
}
