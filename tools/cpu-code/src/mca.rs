//! Cycles, by LLVM's models of processors.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::report::ProductLoop;
use crate::symbols::Set;

/// Turns that are looked at: enough for the first ones not to count.
const TURNS: u32 = 500;

/// What llvm-mca says where a model lacks the instructions, or where the processor is of another architecture.
const UNKNOWN: [&str; 3] = ["unsupported instruction", "not a recognized processor", "instruction requires"];

/// A processor's model.
pub(crate) struct Core {
    pub(crate) name: String,
    program: PathBuf,
    /// Multiply-adds of whole registers a cycle where none waits for anything. None where it lacks the instruction set.
    pub(crate) peaks: BTreeMap<Set, Option<f64>>,
}

/// A loop on a core.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Speed {
    /// For each term.
    pub(crate) cycles: f64,
    /// Of the model's peak.
    pub(crate) share: f64,
}

impl Core {
    pub(crate) fn new(name: &str, sets: impl IntoIterator<Item = Set>) -> Result<Self> {
        let mut core = Core { name: name.to_owned(), program: newest()?, peaks: BTreeMap::new() };
        for set in sets {
            if let Some((assembly, mul_adds)) = independent(set) {
                let peak = core.cycles(set, &assembly)?.map(|cycles| f64::from(mul_adds) / cycles);
                core.peaks.insert(set, peak);
            }
        }
        Ok(core)
    }

    pub(crate) fn speed(&self, product: &ProductLoop) -> Result<Option<Speed>> {
        let set = product.design.set;
        let Some(Some(peak)) = self.peaks.get(&set).copied() else { return Ok(None) };
        let cycles = self.cycles(set, &product.assembly)?;
        Ok(cycles.map(|cycles| {
            let cycles = cycles / f64::from(product.figures.terms);
            Speed { cycles, share: product.figures.mul_adds / cycles / peak }
        }))
    }

    /// Cycles of one turn.
    fn cycles(&self, set: Set, assembly: &str) -> Result<Option<f64>> {
        let triple = if set == Set::Neon { "aarch64" } else { "x86_64" };
        let mut process = Command::new(&self.program)
            .args([
                format!("-mtriple={triple}"),
                format!("-mcpu={}", self.name),
                format!("-iterations={TURNS}"),
            ])
            .args(["-instruction-info=0", "-resource-pressure=0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", self.program.display()))?;
        if let Some(mut input) = process.stdin.take() {
            // It reads nothing where it does not know the processor.
            let _ = input.write_all(assembly.as_bytes());
        }
        let output = process.wait_with_output()?;
        let (text, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if UNKNOWN.iter().any(|unknown| errors.contains(unknown)) {
            return Ok(None);
        }
        let cycles =
            text.lines().find_map(|line| line.strip_prefix("Total Cycles:")?.trim().parse::<f64>().ok());
        let Some(cycles) = cycles else { bail!("llvm-mca for {}: {errors}", self.name) };
        Ok(Some(cycles / f64::from(TURNS)))
    }
}

/// Multiply-adds that do not wait for each other, and their number.
fn independent(set: Set) -> Option<(String, u32)> {
    let line = |index: u32| match set {
        Set::Avx512 => format!("vfmadd231ps %zmm30, %zmm31, %zmm{index}\n"),
        Set::Avx2 => format!("vfmadd231ps %ymm14, %ymm15, %ymm{index}\n"),
        Set::Neon => format!("fmla v{index}.4s, v30.4s, v31.4s\n"),
        Set::Sse2 | Set::Simd128 => format!("mulps %xmm14, %xmm{index}\naddps %xmm15, %xmm{}\n", index + 7),
    };
    let count = match set {
        Set::Avx512 | Set::Neon => 24,
        Set::Avx2 => 12,
        Set::Sse2 => 7,
        // The engine chooses the instructions.
        Set::Simd128 => return None,
    };
    Some(((0..count).map(line).collect(), count))
}

/// The newest llvm-mca on PATH. Distributions have the version in the name.
fn newest() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let files = std::env::split_paths(&path).filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let programs = files.filter_map(|file| {
        let path = file.ok()?.path();
        let version = path.file_name()?.to_str()?.strip_prefix("llvm-mca")?.to_owned();
        // Without a version it is what the distribution has chosen, or the only one.
        let version = if version.is_empty() { 0 } else { version.strip_prefix('-')?.parse::<u32>().ok()? };
        Some((version, path))
    });
    let (_, program) = programs.max().context("there is no llvm-mca on PATH")?;
    Ok(program)
}
