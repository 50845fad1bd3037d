//! The report, to be read.

use anyhow::Result;

use crate::mca::Core;
use crate::report::Report;
use crate::symbols::Set;

pub(crate) fn print(report: &Report, cores: &[Core]) -> Result<()> {
    let (known, unknown): (Vec<&Core>, Vec<&Core>) =
        cores.iter().partition(|core| core.peaks.values().any(Option::is_some));
    print!(
        "{:<8} {:>5} {:>6} {:>8} {:>10} {:>17}",
        "products", "tile", "unroll", "fma/term", "loads/term", "instructions/term"
    );
    known.iter().for_each(|core| print!("  {:>14}", core.name));
    println!();
    for product in &report.products {
        let (design, figures) = (product.design, product.figures);
        print!(
            "{:<8} {:>5} {:>6} {:>8.0} {:>10.1} {:>17.1}",
            design.set, design.tile, figures.terms, figures.mul_adds, figures.loads, figures.instructions
        );
        for core in &known {
            match core.speed(product)? {
                Some(speed) => print!("  {:>8.2} {:>3.0} %", speed.cycles, 100.0 * speed.share),
                None => print!("  {:>14}", "-"),
            }
        }
        println!();
    }
    for core in &known {
        let peaks = core
            .peaks
            .iter()
            .filter_map(|(set, peak)| Some(format!("{peak:.2} {}", Set::name(*set), peak = (*peak)?)));
        println!(
            "{}: llvm-mca's cycles for a term, and the share of the model's peak, in fma a cycle: {}",
            core.name,
            peaks.collect::<Vec<_>>().join(", ")
        );
    }
    unknown
        .iter()
        .for_each(|core| println!("{}: llvm-mca has no model of it for these instructions", core.name));
    println!();
    println!("{:<8} {:>5} {:>15} {:>18}", "cells", "cell", "divisions/block", "instructions/block");
    for cell in &report.cells {
        println!("{:<8} {:>5} {:>15} {:>18.1}", cell.set, cell.name, cell.divisions, cell.instructions);
    }
    report.misses.iter().for_each(|miss| println!("MISSED: {miss}"));
    let loops = report.products.len() + report.cells.len();
    println!("{loops} loops, {} misses\n", report.misses.len());
    Ok(())
}
