//! Counts the instructions that lavapipe takes for the kernels, under valgrind, and compares them with limits. A count
//! is the same on a busy machine as on a quiet one, unlike a time. It is the difference between calls with few and with
//! many steps, for each multiply-add, so it includes what the host does for a step.
//!
//! ```text
//! kernel-counts [PATTERN]     cases with PATTERN in their names, otherwise all; exits with 1 above a limit
//! ```
//!
//! It needs valgrind, lavapipe, and an x86-64 processor. `VK_DRIVER_FILES` names another lavapipe than the system's.

mod cases;
mod valgrind;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use cases::{CASES, Case};
use wgpu_rnn::{AdapterChoice, Gpu};

/// The argument of the process that valgrind runs.
const COUNTED: &str = "--counted";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next().unwrap_or_default();
    let result = match &*first {
        COUNTED => run_all(&arguments.next().unwrap_or_default()).map(|()| true),
        pattern => check_all(pattern),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("kernel-counts: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Returns the cases with a pattern in their names.
fn wanted(pattern: &str) -> impl Iterator<Item = &'static Case> {
    CASES.iter().filter(move |case| case.name.contains(pattern))
}

/// Opens lavapipe.
fn open() -> Result<Gpu> {
    Gpu::new(&AdapterChoice::Name("llvmpipe".to_owned())).context("lavapipe is needed")
}

/// Runs the cases under valgrind, which counts.
fn run_all(pattern: &str) -> Result<()> {
    let gpu = open()?;
    wanted(pattern).try_for_each(|case| case.run(&gpu))
}

/// Prints the counts of the cases. Returns whether all are within their limits.
fn check_all(pattern: &str) -> Result<bool> {
    ensure!(wanted(pattern).next().is_some(), "no case is called {pattern}");
    let driver = open()?.device().adapter_info().driver_info;
    let counts = valgrind::counts(&[COUNTED, pattern])?;
    let count =
        |name: String| counts.get(&name).copied().with_context(|| format!("valgrind did not count {name}"));
    println!("{driver}\n{:<28} {:>12} {:>7}", "case", "instructions", "limit");
    let mut within = true;
    for case in wanted(pattern) {
        let [few, many] = [count(case.few())?, count(case.many())?];
        let each = (many as f64 - few as f64) / case.multiply_adds();
        let limit = case.limit(&driver);
        let exceeds = limit.is_some_and(|limit| each > limit);
        let limit = limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
        println!("{:<28} {each:>12.2} {limit:>7}{}", case.name, if exceeds { "  EXCEEDED" } else { "" });
        within &= !exceeds;
    }
    Ok(within)
}
