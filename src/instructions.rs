//! The instruction sets of CPUs and their names.

use std::fmt;
use std::str::FromStr;

use crate::{Error, cpu};

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
///     let options = LayerOptions::default().instructions(instructions);
///     let layer = Layer::with_options(&weights, Backend::Cpu, &options)?;
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
const ALL: [(CpuInstructions, &str); 6] = [
    (CpuInstructions::Scalar, "scalar"),
    (CpuInstructions::Simd128, "simd128"),
    (CpuInstructions::Sse2, "sse2"),
    (CpuInstructions::Avx2, "avx2"),
    (CpuInstructions::Avx512, "avx512"),
    (CpuInstructions::Neon, "neon"),
];

/// The environment variable that sets the instruction set of all layers of a process.
const VARIABLE: &str = "WGPU_RNN_CPU";

impl CpuInstructions {
    /// Returns the sets that this machine has, the narrowest first.
    pub fn available() -> impl DoubleEndedIterator<Item = Self> {
        ALL.into_iter().map(|(instructions, _)| instructions).filter(|&one| cpu::has(one))
    }

    /// Returns the set that a layer uses by default. It is the one that the environment variable
    /// `WGPU_RNN_CPU` names, such as `avx2` (for comparisons), or else the widest set of this machine.
    ///
    /// # Errors
    ///
    /// [`Error::Instructions`] if the variable names no instruction set, or one that this machine does not
    /// have.
    pub fn best() -> Result<Self, Error> {
        match std::env::var_os(VARIABLE) {
            Some(name) if !name.is_empty() => named(&name.to_string_lossy()),
            _ => Ok(Self::widest()),
        }
    }

    /// Returns the widest set of this machine.
    pub(crate) fn widest() -> Self {
        Self::available().next_back().unwrap_or(CpuInstructions::Scalar)
    }

    /// Returns the error for a set that this machine lacks.
    pub(crate) fn missing(self) -> Error {
        unsupported(self.name())
    }

    fn name(self) -> &'static str {
        ALL.iter().find(|(instructions, _)| *instructions == self).map_or("", |(_, name)| name)
    }
}

/// Returns the set that the environment variable names.
fn named(name: &str) -> Result<CpuInstructions, Error> {
    let known = name.parse().ok().filter(|&instructions| cpu::has(instructions));
    known.ok_or_else(|| unsupported(&format!("{VARIABLE}={name}")))
}

fn unsupported(found: &str) -> Error {
    let available: Vec<_> = CpuInstructions::available().map(CpuInstructions::name).collect();
    Error::Instructions { available: available.join(", "), found: found.into() }
}

/// Formats the name that [`FromStr`] parses.
impl fmt::Display for CpuInstructions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for CpuInstructions {
    type Err = Error;

    /// # Errors
    ///
    /// [`Error::Instructions`] if there is no set of that name.
    fn from_str(name: &str) -> Result<Self, Error> {
        let found = ALL.iter().find(|(_, known)| *known == name);
        found.map(|&(instructions, _)| instructions).ok_or_else(|| unsupported(name))
    }
}
