//! The instruction sets of CPUs and their names.

use std::fmt;

/// An instruction set that the CPU backend has loops for.
///
/// A layer uses the widest set of the machine ([`CpuInstructions::best`]), unless
/// [`LayerOptions::instructions`](crate::LayerOptions::instructions) names another. Results differ in their
/// last bits between sets, since SSE2, WebAssembly and scalar code have no fused multiply-add.
///
/// ```
/// use wgpu_rnn::{Backend, Config, CpuInstructions, Layer, LayerOptions, Weights};
///
/// let weights = Weights::seeded(Config::gru(40, 64), 0)?;
/// for instructions in CpuInstructions::available() {
///     let options = LayerOptions { instructions: Some(instructions), ..LayerOptions::default() };
///     let layer = Layer::new(&weights, (Backend::Cpu, options))?;
///     println!("{instructions}: {layer:?}");
/// }
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CpuInstructions {
    /// Scalar code without vectors, for processors that no other set supports.
    Scalar,
    /// WebAssembly's vectors of 128 bits.
    Simd128,
    /// SSE2, which every x86-64 processor has: vectors of 128 bits.
    Sse2,
    /// AVX2 and FMA, which is x86-64-v3: vectors of 256 bits. Intel's Haswell (2013), AMD's Zen and newer.
    Avx2,
    /// AVX-512 as in Intel's Ice Lake (2019), AMD's Zen 4 (2022) and newer: vectors of 512 bits. Older
    /// Xeons, from Skylake on, use [`CpuInstructions::Avx2`], because they lower their clock when they
    /// compute with such vectors.
    Avx512,
    /// NEON, which every 64-bit Arm processor has: vectors of 128 bits.
    Neon,
}

/// All sets with their names, the narrowest first.
pub(crate) const ALL: [(CpuInstructions, &str); 6] = [
    (CpuInstructions::Scalar, "scalar"),
    (CpuInstructions::Simd128, "simd128"),
    (CpuInstructions::Sse2, "sse2"),
    (CpuInstructions::Avx2, "avx2"),
    (CpuInstructions::Avx512, "avx512"),
    (CpuInstructions::Neon, "neon"),
];

impl CpuInstructions {
    /// Returns the name, such as `avx2`.
    pub(crate) fn name(self) -> &'static str {
        ALL.iter().find(|(instructions, _)| *instructions == self).map_or("", |(_, name)| name)
    }
}

/// Formats the name that [`FromStr`](std::str::FromStr) parses.
impl fmt::Display for CpuInstructions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
