//! The instruction sets that the inner loops are compiled for, and the choice between them at run time.
//!
//! The loops are plain Rust that the compiler vectorises: a [`Kernel`] is inlined into one function for each
//! instruction set. `pulp` would do the same and brings eight crates along, one of them given up by its author;
//! `multiversion` cannot tell a kernel's helpers which copy they are part of.

/// What a kernel may know about the instructions that it is compiled for.
pub(super) trait Level: Copy {
    /// The most rows of a tile.
    const ROWS: usize;

    /// `a * b + c`, in one rounding where that is one instruction.
    fn mul_add(a: f32, b: f32, c: f32) -> f32;

    /// Takes tiles of `height` rows, 1 to [`Level::ROWS`], with as many panels as fit the registers beside them.
    fn tiles(height: usize, tiles: impl Tiles);
}

/// What a [`Level`] chooses tiles for.
pub(super) trait Tiles {
    /// Takes all rows, `ROWS` at once, and `PANELS` panels at once.
    fn tile<L: Level, const ROWS: usize, const PANELS: usize>(self);
}

/// A loop to be compiled for every instruction set. `run` must be `#[inline(always)]`, and so must what it calls.
pub(super) trait Kernel {
    fn run<L: Level>(self);
}

/// An instruction set that this machine has: only [`Instructions::available`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instructions(Set);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    /// What every machine of the target has.
    Baseline,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512F.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Instructions {
    /// The widest that this machine has.
    pub(super) fn best() -> Self {
        Self::available().last().unwrap_or(Instructions(Set::Baseline))
    }

    /// All that this machine has, the widest last.
    pub(super) fn available() -> impl DoubleEndedIterator<Item = Self> {
        let sets = [
            Some(Set::Baseline),
            #[cfg(target_arch = "x86_64")]
            (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Set::Avx2),
            #[cfg(target_arch = "x86_64")]
            (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("fma")).then_some(Set::Avx512),
        ];
        sets.into_iter().flatten().map(Instructions)
    }

    /// Runs the copy of `kernel` that is compiled for these instructions.
    #[inline]
    #[allow(
        unsafe_code,
        reason = "code for instructions that not every machine has can be called in no other way; with AVX2 an LSTM's \
                  forward pass takes 0.34 to 0.74 of the time with SSE2 (Zen 3, one thread)"
    )]
    pub(super) fn run(self, kernel: impl Kernel) {
        match self.0 {
            Set::Baseline => kernel.run::<Baseline>(),
            // SAFETY: `available` made this value after it had found AVX2 and FMA.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { run_avx2(kernel) },
            // SAFETY: `available` made this value after it had found AVX-512F and FMA.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { run_avx512(kernel) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2(kernel: impl Kernel) {
    kernel.run::<Avx2>();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,fma")]
fn run_avx512(kernel: impl Kernel) {
    kernel.run::<Avx512>();
}

/// Sixteen registers of four lanes, no fused multiply-add: SSE2, and what a compiler makes of it elsewhere.
#[cfg(not(target_arch = "aarch64"))]
#[derive(Clone, Copy)]
struct Baseline;

#[cfg(not(target_arch = "aarch64"))]
impl Level for Baseline {
    const ROWS: usize = 2;

    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }

    #[inline(always)]
    fn tiles(height: usize, tiles: impl Tiles) {
        match height {
            2 => tiles.tile::<Self, 2, 1>(),
            _ => tiles.tile::<Self, 1, 2>(),
        }
    }
}

/// Tiles of up to twelve vectors of eight lanes, or twenty-four of four.
#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
#[inline(always)]
fn tiles_up_to_six<L: Level>(height: usize, tiles: impl Tiles) {
    match height {
        6 => tiles.tile::<L, 6, 1>(),
        5 => tiles.tile::<L, 5, 1>(),
        4 => tiles.tile::<L, 4, 1>(),
        3 => tiles.tile::<L, 3, 2>(),
        2 => tiles.tile::<L, 2, 2>(),
        _ => tiles.tile::<L, 1, 4>(),
    }
}

/// NEON: thirty-two registers of four lanes.
#[cfg(target_arch = "aarch64")]
#[derive(Clone, Copy)]
struct Baseline;

#[cfg(target_arch = "aarch64")]
impl Level for Baseline {
    const ROWS: usize = 6;

    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }

    #[inline(always)]
    fn tiles(height: usize, tiles: impl Tiles) {
        tiles_up_to_six::<Self>(height, tiles);
    }
}

/// Sixteen registers of eight lanes: twelve sums, two weights and an input, or eight sums where more are not to be had,
/// as many as two units with a latency of four keep in flight.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
struct Avx2;

#[cfg(target_arch = "x86_64")]
impl Level for Avx2 {
    const ROWS: usize = 6;

    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }

    #[inline(always)]
    fn tiles(height: usize, tiles: impl Tiles) {
        tiles_up_to_six::<Self>(height, tiles);
    }
}

/// Thirty-two registers of sixteen lanes.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
struct Avx512;

#[cfg(target_arch = "x86_64")]
impl Level for Avx512 {
    const ROWS: usize = 8;

    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }

    #[inline(always)]
    fn tiles(height: usize, tiles: impl Tiles) {
        match height {
            8 => tiles.tile::<Self, 8, 2>(),
            7 => tiles.tile::<Self, 7, 2>(),
            6 => tiles.tile::<Self, 6, 2>(),
            5 => tiles.tile::<Self, 5, 2>(),
            4 => tiles.tile::<Self, 4, 4>(),
            3 => tiles.tile::<Self, 3, 4>(),
            2 => tiles.tile::<Self, 2, 4>(),
            _ => tiles.tile::<Self, 1, 4>(),
        }
    }
}
