//! Reads the machine code of the CPU backend's loops, for every instruction set, whether this machine has it or not, and
//! checks that it is what the loops were written for: the multiply-adds of a tile on whole registers, each value loaded once,
//! and all sums in registers. Nothing runs: these are instructions, not timings.
//!
//! ```text
//! cpu-code [--expect SET,..] [--mca CORE,..] FILE.s..     exits with 1 where a loop is not as designed
//! ```
//!
//! `scripts/cpu-code` has the compiler write the files, and runs this.

mod aarch64;
mod assembly;
mod elementwise;
mod instruction;
mod loops;
mod mca;
mod product;
mod report;
mod symbols;
mod table;
mod turn;
mod wasm;
mod x86;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use mca::Core;
use symbols::Set;

/// Checks the machine code of wgpu-rnn's loops on the CPU.
#[derive(Debug, Parser)]
struct Arguments {
    /// Instruction sets whose loops must be there.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "SET,..")]
    expect: Vec<Set>,
    /// Prints the cycles that llvm-mca finds for the loops, on these processors by LLVM's names.
    #[arg(long, value_delimiter = ',', value_name = "CORE,..")]
    mca: Vec<String>,
    /// The compiler's assembly of the library, with symbols mangled as `v0`.
    #[arg(required = true, value_name = "FILE.s")]
    files: Vec<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cpu-code: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether all is as it should be.
fn run(arguments: &Arguments) -> Result<bool> {
    let read =
        |file: &PathBuf| std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()));
    let files = arguments.files.iter().map(read).collect::<Result<Vec<_>>>()?;
    let report = report::report(&files, &arguments.expect);
    if report.products.is_empty() && report.misses.is_empty() {
        bail!("no loop of the library is in these files");
    }
    let mut sets: Vec<Set> = report.products.iter().map(|product| product.design.set).collect();
    sets.dedup();
    let cores =
        arguments.mca.iter().map(|name| Core::new(name, sets.iter().copied())).collect::<Result<Vec<_>>>()?;
    table::print(&report, &cores)?;
    Ok(report.misses.is_empty())
}
