//! Vectors, the instruction sets that the loops are compiled for, and the tiles of each.
//!
//! The vectors are `fearless_simd`'s, which have sixteen lanes on each instruction set, so that a loop is written once. It has
//! no dependencies, and what it gives has no unsafe code for its callers. `pulp` has no SSE2 and brings eight crates along, one
//! of them given up by its author; `wide` chooses when it is compiled; `rten-simd` has nothing between AVX2 and scalar code.

use bytemuck::{Pod, Zeroable};
use fearless_simd::{Level, f32x16, prelude::*};

use crate::CpuInstructions;

/// Lanes of a vector: units of a block, and columns of a panel.
pub(crate) const PANEL: usize = 16;

/// A value for each unit of a block, in as many registers as that takes.
pub(super) type Vector<S> = f32x16<S>;

/// A vector in memory. It begins where a cache line does, so that no load needs two of them.
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

/// A loop to be compiled for every instruction set. `run` must be `#[inline(always)]`, and so must what it calls, other than
/// through [`Simd::vectorize`]: code that is not inlined knows nothing of the instruction set.
pub(super) trait Kernel {
    fn run<S: Simd>(self, simd: S);
}

/// Each instruction set, what proves that the machine has it, and how to get that.
macro_rules! sets {
    ($(#[$target:meta] $set:ident: $token:ty = $of:expr;)*) => {
        /// An instruction set that this machine has.
        #[derive(Clone, Copy, Debug)]
        pub(super) enum Set {
            $(#[$target] $set($token),)*
        }

        impl Set {
            /// None where the machine does not have it.
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

/// What tiles are chosen for.
pub(super) trait Tiles {
    /// Takes all rows, `ROWS` at once, and `PANELS` panels at once; then `FEWER`, of those that are left, and then one.
    fn tile<S: Simd, const ROWS: usize, const PANELS: usize, const FEWER: usize>(self, simd: S);
}

/// The most rows of a tile.
pub(super) const fn tile_rows<S: Simd>() -> usize {
    match S::f32s::LEN {
        16 => 4,
        8 => 6,
        _ if cfg!(target_arch = "aarch64") => 6,
        _ => 2,
    }
}

/// Terms that are summed in registers before they join the total: rounding then grows with the square root of two short
/// sums instead of one long one. With 128 products would take some 3 % less time, and the largest error of the golden case
/// `rnn_wide` would be 4.8e-7 instead of 3.6e-7.
pub(super) const BLOCK_TERMS: usize = 64;

/// Terms of a tile's panels that are used for all rows before the next ones are read, a multiple of [`BLOCK_TERMS`]: what the
/// nearest caches hold. With AVX-512 they are 24 KiB, of the 32 (Zen 4) or 48 (Ice Lake) that the first one has.
pub(super) const fn tile_terms<S: Simd>() -> usize {
    if S::f32s::LEN == 16 { 64 } else { 512 }
}

/// Takes tiles of `height` rows, 1 to [`tile_rows`], with as many panels as fit the registers beside them.
///
/// Registers hold the sums, the weights of a term and an input: of sixteen with eight lanes, twelve are sums; of thirty-two
/// with sixteen lanes or with four, twenty-four. Eight sums are what two units with a latency of four keep in flight, so that
/// fewer are bound by it. SSE2 and WebAssembly need a register for each product, too.
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

/// Panels that a tile of rows takes at once, where there are `rows` rows.
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
