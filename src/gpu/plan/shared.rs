//! Loops over steps whose invocations share the terms of each item (`parts/scan.wgsl`).

use crate::Precision;

/// The number of quads in a block, BLOCK in `product.wgsl`.
pub(super) const BLOCK: usize = 4;
/// The maximum number of blocks of an invocation, MOST_BLOCKS in `parts/scan.wgsl`.
const MOST_BLOCKS: usize = 3;
/// The maximum number of registers for the weights of an invocation. The compilers make 30 to 60 others, and RADV of
/// Mesa 22.3 spills beyond 128 in all.
const REGISTERS: usize = 72;
/// The number of floats of the state, and of sums of all items: STATE and PARTS in `parts/scan.wgsl`.
const STATE: usize = 320;
const PARTS: usize = 832;
/// The bytes of workgroup memory.
pub(super) const BYTES: u64 = (4 * STATE + 16 * PARTS) as u64;

/// How the invocations of a workgroup share the items of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shared {
    /// The number of items, each of which has invocations of its own: a unit, or four units of an RNN.
    items: usize,
    /// The number of invocations of an item.
    parts: usize,
    /// The number of blocks of quads of each of them.
    pub(super) blocks: usize,
}

impl Shared {
    /// Returns how some invocations share the items of some units, with sums over some quads. There is an invocation
    /// for each unit, whose elementwise part it computes.
    pub(super) fn new(units: usize, items: usize, quads: usize, invocations: u32) -> Option<Self> {
        let (blocks, invocations) = (quads.div_ceil(BLOCK), invocations as usize);
        let most = invocations.checked_div(items)?.min(blocks);
        if most == 0 || units > invocations {
            return None;
        }
        let each = blocks.div_ceil(most);
        Some(Shared { items, parts: blocks.div_ceil(each), blocks: each })
    }

    /// Returns the smallest workgroup, of two, with the fewest blocks for each invocation, if the weights of some
    /// columns for each item fit.
    pub(super) fn invocations(
        units: usize,
        (items, columns): (usize, usize),
        quads: usize,
        precision: Precision,
        most: u32,
    ) -> Option<u32> {
        let of = |count: u32| Some((Shared::new(units, items, quads, count)?.blocks, count));
        let (_, count) = [64, 256].into_iter().filter(|&count| count <= most).filter_map(of).min()?;
        Shared::new(units, items, quads, count)?.fits(columns, precision).then_some(count)
    }

    /// Returns whether the shader has room for the weights, the state and the sums.
    fn fits(self, columns: usize, precision: Precision) -> bool {
        let Shared { items, parts, blocks } = self;
        let registers = blocks * BLOCK * columns * precision.quad_bytes() / 4;
        let sums = (1 + (parts - 1) * blocks) * items;
        blocks <= MOST_BLOCKS
            && registers <= REGISTERS
            && parts * blocks * 4 * BLOCK <= STATE
            && sums <= PARTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_fit_as_long_as_their_weights_do() {
        let of = |units: usize, (items, columns), precision| {
            let quads = units.div_ceil(4);
            let count = Shared::invocations(units, (items, columns), quads, precision, 256)?;
            let Shared { parts, blocks, .. } = Shared::new(units, items, quads, count)?;
            Some((count, parts, blocks))
        };
        let lstm = |units, precision| of(units, (units, 4), precision);
        let gru = |units, precision| of(units, (units, 3), precision);
        let rnn = |units: usize, precision| of(units, (units.div_ceil(4), 4), precision);
        use Precision::{F16, F32};
        assert_eq!(lstm(8, F32), Some((64, 1, 1)));
        assert_eq!(lstm(32, F32), Some((64, 2, 1)));
        assert_eq!(lstm(64, F32), Some((256, 4, 1)));
        assert_eq!(lstm(65, F32), None, "two blocks are 128 registers");
        assert_eq!(lstm(85, F16), Some((256, 3, 2)));
        assert_eq!(lstm(86, F16), None, "three blocks are 96 registers");
        assert_eq!(gru(64, F32), Some((256, 4, 1)));
        assert_eq!(gru(96, F16), Some((256, 2, 3)));
        assert_eq!(gru(97, F16), None);
        assert_eq!(rnn(128, F32), Some((256, 8, 1)));
        assert_eq!(rnn(160, F16), Some((256, 5, 2)));
        assert_eq!(rnn(257, F16), None, "an invocation has one unit");
        assert_eq!(Shared::invocations(64, (64, 4), 16, F32, 128), None);
    }
}
