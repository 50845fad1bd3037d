//! Compiles every kernel of the library with Mesa's RADV driver on null hardware, for one GPU of each AMD generation, and
//! checks what the compiler made of it. Nothing runs and no GPU is needed: these are registers and instructions, not
//! timings.
//!
//! ```text
//! kernel-stats [PATTERN]     kernels with PATTERN in their names, otherwise all; exits with 1 on a miss
//! ```
//!
//! `finish` is the number of waits for memory in a turn of the loop over rows behind the products, and `flight` the number
//! of loads from memory that a turn of a product's loop starts before it waits for one.
//!
//! RADV comes with Debian's mesa-vulkan-drivers. `VK_DRIVER_FILES` names another installation's.

mod asm;
mod limits;
mod radv;
mod spirv;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::thread;

use anyhow::{Context, Result, bail};
use asm::InnerLoop;
use radv::Radv;

/// The families by all of their names: RDNA 3 is called gfx1100 in Mesa 22.3. RADV compiles for one of them a process.
const FAMILIES: [&[&str]; 4] = [&["navi31", "gfx1100"], &["navi21"], &["vega10"], &["polaris10"]];
/// What RADV is told the family by.
const FAMILY: &str = "RADV_FORCE_FAMILY";
/// Exit codes of the process for a family.
const MISSED: u8 = 1;
const UNKNOWN_FAMILY: u8 = 3;

fn main() -> ExitCode {
    let pattern = std::env::args().nth(1).unwrap_or_default();
    let result =
        if std::env::var_os(FAMILY).is_some() { one_family(&pattern) } else { every_family(&pattern) };
    result.unwrap_or_else(|error| {
        eprintln!("kernel-stats: {error:#}");
        ExitCode::from(2)
    })
}

/// Runs this program again for each family, all at the same time.
fn every_family(pattern: &str) -> Result<ExitCode> {
    let driver = driver()?;
    let driver = driver.as_deref();
    let outputs: Vec<Result<Output>> = thread::scope(|scope| {
        let started = FAMILIES.map(|names| scope.spawn(move || family(names, pattern, driver)));
        started
            .into_iter()
            .map(|family| family.join().unwrap_or_else(|_| bail!("a thread panicked")))
            .collect()
    });
    let mut missed = false;
    for (names, output) in FAMILIES.iter().zip(outputs) {
        let output = output?;
        io::stdout().write_all(&output.stdout)?;
        io::stderr().write_all(&output.stderr)?;
        match output.status.code() {
            Some(0) => {}
            Some(code) if code == i32::from(MISSED) => missed = true,
            _ => bail!("no figures for {}", names.join(" or ")),
        }
    }
    Ok(ExitCode::from(if missed { MISSED } else { 0 }))
}

/// Runs this program for the first name of a family that the driver knows.
fn family(names: &[&str], pattern: &str, driver: Option<&Path>) -> Result<Output> {
    let program = std::env::current_exe().context("where this program is")?;
    let mut last = None;
    for name in names {
        let mut command = Command::new(&program);
        command.arg(pattern).env(FAMILY, name);
        if let Some(driver) = driver {
            command.env("VK_DRIVER_FILES", driver).env("VK_ICD_FILENAMES", driver);
        }
        let output = command.output().with_context(|| format!("starting {} again", program.display()))?;
        let code = output.status.code();
        last = Some(output);
        // Mesa 22.3 aborts on a family that it does not know.
        if code.is_some_and(|code| code != i32::from(UNKNOWN_FAMILY)) {
            break;
        }
    }
    last.context("a family without a name")
}

/// RADV's description, unless the environment names a driver.
fn driver() -> Result<Option<PathBuf>> {
    if ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].iter().any(|name| std::env::var_os(name).is_some()) {
        return Ok(None);
    }
    let folder = "/usr/share/vulkan/icd.d";
    let files = std::fs::read_dir(folder).with_context(|| format!("looking for RADV in {folder}"))?;
    let mut found = files
        .filter_map(|file| Some(file.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("radeon_icd")));
    found.next().map(Some).with_context(|| format!("RADV is not installed: no radeon_icd*.json in {folder}"))
}

fn one_family(pattern: &str) -> Result<ExitCode> {
    let Some(radv) = Radv::new()? else {
        return Ok(ExitCode::from(UNKNOWN_FAMILY));
    };
    println!("{}", radv.name);
    println!(
        "{:<32} {:>5} {:>6} {:>7} {:>5} {:>5} {:>6}  {:>5} {:>9} {:>6}",
        "kernel", "VGPRs", "spills", "scratch", "waves", "code", "finish", "fma %", "bytes/fma", "flight"
    );
    let (mut count, mut missed) = (0, 0);
    for kernel in wgpu_rnn::inspect::kernels() {
        // Kernels with subgroups are for drivers on the CPU alone.
        if kernel.subgroups || !kernel.name.contains(pattern) {
            continue;
        }
        let compiled = spirv::compile(&kernel).and_then(|spirv| radv.compile(&spirv));
        let figures = compiled.with_context(|| format!("compiling {}", kernel.name))?;
        let loops = asm::products(&figures.assembly);
        let waits = asm::finishes(&figures.assembly).iter().map(|each| each.waits).max().unwrap_or(0);
        print!(
            "{:<32} {:>5} {:>6} {:>7} {:>5} {:>5} {:>6} ",
            kernel.name,
            figures.vgprs,
            figures.spills,
            figures.scratch,
            figures.occupancy,
            figures.code,
            waits
        );
        for product in &loops {
            let InnerLoop { in_flight, .. } = product;
            print!(" {:>5.0} {:>9.2} {in_flight:>6}", 100.0 * product.fma_share(), product.bytes_per_fma());
        }
        println!();
        let mut misses = limits::misses(&kernel, &figures, &loops, waits);
        misses.extend(limits::misses_around(&kernel, &figures, &asm::with_barriers(&figures.assembly)));
        for miss in &misses {
            println!("    MISSED: {miss}");
        }
        count += 1;
        missed += usize::from(!misses.is_empty());
    }
    println!("{count} kernels, {missed} beyond the limits\n");
    if count == 0 {
        bail!("no kernel is called {pattern}");
    }
    Ok(ExitCode::from(if missed > 0 { MISSED } else { 0 }))
}
