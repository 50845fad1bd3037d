//! All loops of some files, and what is wrong with them.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::assembly::{self, Architecture, Function};
use crate::elementwise::CELLS;
use crate::loops;
use crate::product::{Design, Figures};
use crate::symbols::{self, Part, Set, Tile};
use crate::turn::{Turn, unwanted};

#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) products: Vec<ProductLoop>,
    pub(crate) cells: Vec<CellLoop>,
    /// What is wrong, in words.
    pub(crate) misses: Vec<String>,
}

/// A loop over the terms of a product.
#[derive(Debug)]
pub(crate) struct ProductLoop {
    pub(crate) design: Design,
    pub(crate) figures: Figures,
    pub(crate) assembly: String,
}

/// The loop of a cell's elementwise part.
#[derive(Debug)]
pub(crate) struct CellLoop {
    pub(crate) set: Set,
    pub(crate) name: &'static str,
    /// For each block of units.
    pub(crate) divisions: usize,
    pub(crate) instructions: f64,
}

/// The functions that hold loops of the library.
#[derive(Default)]
struct Found<'a> {
    products: BTreeMap<(Set, Tile), Vec<Function<'a>>>,
    /// By cell. A cell that is inlined where others are, too, has no name here.
    cells: BTreeMap<(Set, Option<String>), Vec<Function<'a>>>,
}

impl<'a> Found<'a> {
    fn add(&mut self, assembly: &'a str) {
        let baseline = match Architecture::of(assembly) {
            Architecture::X86 => Set::Sse2,
            Architecture::Aarch64 => Set::Neon,
            Architecture::Wasm => Set::Simd128,
        };
        for function in assembly::functions(assembly) {
            let functions = match symbols::part(function.symbol) {
                Some(Part::Product(set, tile)) => self.products.entry((set, tile)).or_default(),
                Some(Part::Elementwise(set, cell)) => self.cells.entry((set, Some(cell))).or_default(),
                Some(Part::Cells) => self.cells.entry((baseline, None)).or_default(),
                None => continue,
            };
            functions.push(function);
        }
    }
}

/// Looks at every loop of the library in these files, which must have those of the `expected` sets.
pub(crate) fn report(files: &[String], expected: &[Set]) -> Report {
    let mut found = Found::default();
    files.iter().for_each(|file| found.add(file));
    let mut report = Report::default();
    for set in Set::ALL {
        let is_there = found.products.keys().any(|&(other, _)| other == set);
        if is_there {
            products(set, &found, &mut report);
            cells(set, &found, &mut report);
        } else if expected.contains(&set) {
            report.misses.push(format!("{set}: no loop for this instruction set"));
        }
    }
    report
}

fn products(set: Set, found: &Found<'_>, report: &mut Report) {
    let main = set.main_tile();
    if !found.products.contains_key(&(set, main)) {
        report.misses.push(format!("{set} {main}: there is no such tile, which is to do most of the work"));
    }
    let of_set = found.products.iter().filter(|((other, _), _)| *other == set);
    for (&(set, tile), functions) in of_set {
        wholes(set, tile, functions, report);
        let design = Design { set, tile };
        let mut is_missing = true;
        for instructions in functions.iter().flat_map(|function| loops::innermost(&function.code())) {
            let turn = Turn::new(instructions.iter().copied(), set.lanes());
            if !turn.multiplies {
                continue;
            }
            is_missing = false;
            let misses = design.misses(&turn);
            report.misses.extend(misses.into_iter().map(|miss| format!("{set} {tile}: {miss}")));
            let assembly = instructions.iter().map(|instruction| format!("{}\n", instruction.text)).collect();
            report.products.push(ProductLoop { design, figures: design.figures(&turn), assembly });
        }
        if is_missing {
            report.misses.push(format!("{set} {tile}: no loop that multiplies"));
        }
    }
}

fn cells(set: Set, found: &Found<'_>, report: &mut Report) {
    let of_set = found.cells.iter().filter(|((other, _), _)| *other == set);
    for ((_, name), functions) in of_set {
        wholes(set, name.as_deref().unwrap_or("cells"), functions, report);
    }
    for cell in CELLS {
        let own = found.cells.get(&(set, Some(cell.name.to_owned())));
        let inlined = found.cells.get(&(set, None)).filter(|_| own.is_none());
        let turns =
            own.or(inlined).into_iter().flatten().flat_map(|function| loops::innermost(&function.code()));
        let turns = turns.map(|instructions| Turn::new(instructions, set.lanes()));
        // Among other cells' loops its count of divisions tells a cell's own.
        let blocks = |turn: &Turn<'_>| cell.blocks(set, turn).filter(|&blocks| own.is_some() || blocks == 1);
        let Some((turn, blocks)) = turns.filter_map(|turn| blocks(&turn).map(|blocks| (turn, blocks))).next()
        else {
            let (name, divisions, lanes) = (cell.name, cell.divisions(set), set.lanes());
            report.misses.push(format!(
                "{set} {name}: no loop with the divisions of {lanes} floats that a block of units has: {divisions}"
            ));
            continue;
        };
        let calls = unwanted(&turn.calls, "calls");
        report.misses.extend(calls.map(|miss| format!("{set} {}: {miss}", cell.name)));
        let instructions = f64::from(turn.instructions) / blocks as f64;
        report.cells.push(CellLoop { set, name: cell.name, divisions: cell.divisions(set), instructions });
    }
}

/// What no function may have, in a loop or not.
fn wholes(set: Set, name: impl Display, functions: &[Function<'_>], report: &mut Report) {
    for function in functions {
        let turn = Turn::new(loops::instructions(&function.code()), set.lanes());
        let kinds = [
            unwanted(&turn.scalar, "operations on single floats"),
            unwanted(&turn.narrow, "operations on vectors that fill no register"),
        ];
        report.misses.extend(kinds.into_iter().flatten().map(|miss| format!("{set} {name}: {miss}")));
    }
}
