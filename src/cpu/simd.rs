//! Vectors, the instruction sets that the loops are compiled for, and the tiles of each.
//!
//! The vectors are those of `fearless_simd`. They have sixteen lanes on each instruction set, so that a loop
//! is written once. The crate has no dependencies, and its callers need no unsafe code. `pulp` has no SSE2
//! and depends on eight crates, one of them abandoned by its author; `wide` chooses the instruction set at
//! compile time; `rten-simd` has nothing between AVX2 and scalar code.

use bytemuck::{Pod, Zeroable};
use fearless_simd::{Level, f32x16, prelude::*};

use crate::CpuInstructions;

/// The number of lanes of a vector, units of a block and columns of a panel.
pub(crate) const PANEL: usize = 16;

/// A value for each unit of a block, in one or more registers.
pub(super) type Vector<S> = f32x16<S>;

/// A vector in memory. It is aligned to a cache line, so that no load crosses two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Block(pub(super) [f32; PANEL]);

impl Block {
    #[inline(always)]
    pub(super) fn load<S: Simd>(&self, simd: S) -> Vector<S> {
        Vector::load_array_ref(simd, &self.0)
    }

    #[inline(always)]
    pub(super) fn store<S: Simd>(&mut self, vector: Vector<S>) {
        vector.store_array(&mut self.0);
    }
}

/// A loop that is compiled for every instruction set. `run` must be `#[inline(always)]`, and so must the
/// functions that it calls, except through [`Simd::vectorize`]: code that is not inlined is not compiled for
/// the instruction set.
pub(super) trait Kernel {
    fn run<S: Simd>(self, simd: S);
}

/// Defines each instruction set, the token that proves that the machine has it, and the way to get the
/// token.
macro_rules! sets {
    ($(#[$target:meta] $set:ident: $token:ty = $of:expr;)*) => {
        /// An instruction set that this machine has.
        #[derive(Clone, Copy, Debug)]
        pub(super) enum Set {
            $(#[$target] $set($token),)*
        }

        impl Set {
            /// Returns the set, or `None` if the machine does not have it.
            pub(super) fn of(instructions: CpuInstructions) -> Option<Self> {
                match instructions {
                    $(#[$target] CpuInstructions::$set => $of(Level::new()).map(Set::$set),)*
                    _ => None,
                }
            }

            /// Runs the copy of `kernel` that is compiled for these instructions.
            #[inline]
            pub(super) fn run(self, kernel: impl Kernel) {
                match self {
                    $(#[$target] Set::$set(simd) => simd.vectorize(#[inline(always)] || kernel.run(simd)),)*
                }
            }
        }
    };
}

sets! {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    Sse2: fearless_simd::x86::Sse2 = Level::as_sse2;
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    Avx2: fearless_simd::x86::Avx2 = Level::as_avx2;
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    Avx512: fearless_simd::x86::Avx512 = Level::as_avx512;
    #[cfg(target_arch = "aarch64")]
    Neon: fearless_simd::aarch64::Neon = Level::as_neon;
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128: fearless_simd::wasm32::WasmSimd128 = Level::as_wasm_simd128;
    #[cfg(not(any(
        target_arch = "x86",
        target_arch = "x86_64",
        target_arch = "aarch64",
        all(target_arch = "wasm32", target_feature = "simd128")
    )))]
    Scalar: fearless_simd::Fallback = |level| match level {
        Level::Fallback(scalar) => Some(scalar),
        _ => None,
    };
}

/// The work that is split into tiles.
pub(super) trait Tiles {
    /// Processes all rows, `ROWS` at once, and `PANELS` panels at once; the remaining panels `FEWER` at
    /// once, and then one at a time.
    fn tile<S: Simd, const ROWS: usize, const PANELS: usize, const FEWER: usize>(self, simd: S);
}

/// Returns the maximum number of rows of a tile.
pub(super) const fn tile_rows<S: Simd>() -> usize {
    match S::f32s::LEN {
        16 => 4,
        8 => 6,
        _ if cfg!(target_arch = "aarch64") => 6,
        _ => 2,
    }
}

/// The number of terms that are summed in registers before they are added to the total. The rounding error
/// then grows with the square root of two short sums instead of one long sum. With 128, products would take
/// about 3 % less time, and the largest error of the golden case `rnn_wide` would be 4.8e-7 instead of
/// 3.6e-7.
pub(super) const BLOCK_TERMS: usize = 64;

/// Returns the number of terms of a tile's panels that are used for all rows before the next ones are read,
/// a multiple of [`BLOCK_TERMS`] that fits into the nearest caches. With AVX-512 they take 24 KiB of a
/// first-level cache of 32 KiB (Zen 4) or 48 KiB (Ice Lake).
pub(super) const fn tile_terms<S: Simd>() -> usize {
    if S::f32s::LEN == 16 { 64 } else { 512 }
}

/// Runs tiles of `height` rows, 1 to [`tile_rows`], with the largest number of panels for which the
/// registers suffice.
///
/// Registers hold the sums, the weights of a term and an input. Of sixteen registers with eight lanes,
/// twelve hold sums; of thirty-two with sixteen or with four lanes, twenty-four do. Two units with a latency
/// of four keep eight sums in flight, so that with fewer sums the latency limits the speed. SSE2 and
/// WebAssembly also need a register for each product.
#[inline(always)]
pub(super) fn tiles<S: Simd>(simd: S, height: usize, tiles: impl Tiles) {
    match (S::f32s::LEN, height) {
        (16, 4) => tiles.tile::<S, 4, 6, 2>(simd),
        (16, 3) => tiles.tile::<S, 3, 6, 2>(simd),
        (16, 2) => tiles.tile::<S, 2, 6, 2>(simd),
        (16, _) => tiles.tile::<S, 1, 6, 2>(simd),
        (4, 2) if !cfg!(target_arch = "aarch64") => tiles.tile::<S, 2, 1, 1>(simd),
        (4, _) if !cfg!(target_arch = "aarch64") => tiles.tile::<S, 1, 2, 1>(simd),
        (_, 6) => tiles.tile::<S, 6, 1, 1>(simd),
        (_, 5) => tiles.tile::<S, 5, 1, 1>(simd),
        (_, 4) => tiles.tile::<S, 4, 1, 1>(simd),
        // Two panels would need seventeen registers.
        (8, 3) => tiles.tile::<S, 3, 1, 1>(simd),
        (_, 3) => tiles.tile::<S, 3, 2, 1>(simd),
        (_, 2) => tiles.tile::<S, 2, 2, 1>(simd),
        (_, _) => tiles.tile::<S, 1, 4, 1>(simd),
    }
}

/// Returns the number of panels that a tile processes at once if there are `rows` rows.
pub(super) fn tile_panels(set: Set, rows: usize) -> usize {
    let mut panels = 1;
    set.run(TilePanels { rows, panels: &mut panels });
    panels
}

struct TilePanels<'a> {
    rows: usize,
    panels: &'a mut usize,
}

impl Kernel for TilePanels<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        tiles(simd, self.rows.min(tile_rows::<S>()), self);
    }
}

impl Tiles for TilePanels<'_> {
    #[inline(always)]
    fn tile<S: Simd, const ROWS: usize, const PANELS: usize, const FEWER: usize>(self, _simd: S) {
        *self.panels = PANELS;
    }
}
