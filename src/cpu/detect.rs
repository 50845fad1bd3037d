//! The instruction sets that this machine has.

use std::str::FromStr;

use super::simd::Set;
#[cfg(doc)]
use crate::ErrorKind;
use crate::error::Fault;
use crate::instructions::ALL;
use crate::{CpuInstructions, Error};

/// The environment variable that sets the instruction set of all layers of a process.
const VARIABLE: &str = "WGPU_RNN_CPU";

impl CpuInstructions {
    /// Returns the sets that this machine has, the narrowest first.
    pub fn available() -> impl DoubleEndedIterator<Item = Self> {
        ALL.into_iter().map(|(instructions, _)| instructions).filter(|&one| Set::of(one).is_some())
    }

    /// Returns the set that a layer uses by default. It is the one that the environment variable
    /// `WGPU_RNN_CPU` names, such as `avx2` (for comparisons), or else the widest set of this machine.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the variable names no instruction set, or one that this machine does not
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
}

/// Returns the set that the environment variable names.
fn named(name: &str) -> Result<CpuInstructions, Error> {
    let known = name.parse().ok().filter(|&instructions| Set::of(instructions).is_some());
    known.ok_or_else(|| unsupported(&format!("{VARIABLE}={name}")))
}

fn unsupported(found: &str) -> Error {
    let available: Vec<_> = CpuInstructions::available().map(CpuInstructions::name).collect();
    Error::from(Fault::Instructions { available: available.join(", "), found: found.into() })
}

impl FromStr for CpuInstructions {
    type Err = Error;

    /// # Errors
    ///
    /// [`ErrorKind::Config`] if there is no set of that name.
    fn from_str(name: &str) -> Result<Self, Error> {
        let found = ALL.iter().find(|(_, known)| *known == name);
        found.map(|&(instructions, _)| instructions).ok_or_else(|| unsupported(name))
    }
}
