//! The kernel `copy`, which copies vectors between the caller's buffers and the layer's own, and its parameters.

use bytemuck::{Pod, Zeroable};

use super::{KernelSpec, Override, file};

/// The number of invocations in a workgroup.
const COPY_UNITS: u32 = 64;

impl KernelSpec {
    /// Returns the kernel `copy`.
    pub(in crate::gpu) fn copy(checked: bool) -> Self {
        KernelSpec {
            overrides: vec![Override::new("UNITS", COPY_UNITS)],
            ..KernelSpec::mover("copy", file!("copy"), COPY_UNITS, checked)
        }
    }
}

/// The struct `Vectors` of `copy.wgsl`, which documents the fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(in crate::gpu) struct Vectors {
    pub(in crate::gpu) first: u32,
    pub(in crate::gpu) count: u32,
    pub(in crate::gpu) from_size: u32,
    pub(in crate::gpu) to_size: u32,
    pub(in crate::gpu) most: u32,
    pub(in crate::gpu) padding: u32,
}

impl Vectors {
    /// Returns the number of workgroups along x, y and z, at most `side` each. Each workgroup copies one
    /// word per invocation; if the grid would be too large, there are fewer workgroups and they loop.
    pub(in crate::gpu) fn grid(&self, side: u32) -> [u32; 3] {
        let words = u64::from(self.count) * u64::from(self.to_size);
        let (tiles, side) = (words.div_ceil(u64::from(COPY_UNITS)), u64::from(side));
        let y = tiles.div_ceil(side).clamp(1, side);
        [tiles.div_ceil(y).min(side), y, 1].map(|side| u32::try_from(side).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_is_folded_and_cut() {
        let grid = |count, to_size, side| Vectors { count, to_size, ..Vectors::default() }.grid(side);
        assert_eq!(grid(1, 1, 65_535), [1, 1, 1]);
        assert_eq!(grid(13, 5, 65_535), [2, 1, 1]);
        assert_eq!(grid(64, 65_535, 65_535), [65_535, 1, 1]);
        assert_eq!(grid(64, 65_536, 65_535), [32_768, 2, 1]);
        assert_eq!(grid(1 << 16, 1 << 15, 3), [3, 3, 1]);
    }
}
