//! The text of products with weights in registers. It depends on the number of quads, because registers cannot
//! be indexed at run time: the text names each of them.

use std::fmt::Write;

/// The number of lanes of a subgroup, LANES in `registers/product.wgsl`, and of quads that they hold of a row.
pub(in crate::gpu) const LANES: u32 = 8;
/// The number of quads in a block, BLOCK in `product.wgsl`.
const BLOCK: usize = 4;
/// The most products of a quad with a row's vector that are written out. More take seconds to compile.
const MOST: usize = 128;

/// What the text of a product depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) struct Unrolled {
    /// The number of quads of each vector.
    quads: u32,
    /// Whether every product is written out, and the weights are in registers for sure. Otherwise the product
    /// is a loop, and the driver has the weights in memory of its own.
    whole: bool,
}

impl Unrolled {
    pub(in crate::gpu) fn new(quads: u32, rows: u32) -> Self {
        Unrolled { quads, whole: Unrolled::is_whole(quads, rows) }
    }

    /// Returns whether every product is written out, for a number of quads of each of some rows.
    pub(in crate::gpu) fn is_whole(quads: u32, rows: u32) -> bool {
        quads as usize * rows as usize <= MOST
    }

    /// Returns the words that tell kernels apart which differ only in this text.
    pub(in crate::gpu) fn name(self) -> String {
        format!("{}{} quads", if self.whole { "" } else { "loop of " }, self.quads)
    }

    /// Returns the text that `registers/product.wgsl` needs.
    pub(in crate::gpu) fn text(self) -> String {
        let Unrolled { quads, whole } = self;
        let keep = if whole { shifting(quads as usize) } else { "    (*w)[quad] = value;\n".to_owned() };
        let add = products(quads as usize, whole);
        format!(
            "
// Number of quads of each vector.
const QUADS = {quads}u;

// The weights of the invocation's columns.
alias Weights = array<mat4x4<f32>, QUADS>;

// Stores the weights of a quad. Quads must come in ascending order, and all of them.
fn keep(w: ptr<function, Weights>, quad: u32, value: mat4x4<f32>) {{
{keep}}}

// Multiplies each row's vector and adds the products to the row's sums.
fn add_vectors(w: ptr<function, Weights>, sums: ptr<function, Sums>, start: u32) {{
    let own = lane();
    var held = Sums();
    var partial = Sums();
{add}}}
"
        )
    }
}

/// Moves all weights one place down and puts the new ones into the last place.
fn shifting(quads: usize) -> String {
    let mut text = String::new();
    for quad in 1..quads {
        let _ = writeln!(text, "    (*w)[{}] = (*w)[{quad}];", quad - 1);
    }
    let _ = writeln!(text, "    (*w)[{}] = value;", quads - 1);
    text
}

/// Returns the products of all quads, as a loop over those that fill the lanes unless all are written out.
fn products(quads: usize, whole: bool) -> String {
    let lanes = LANES as usize;
    let full = if whole { 0 } else { quads / lanes * lanes };
    let mut text = String::new();
    if full > 0 {
        let _ = writeln!(text, "    for (var first = 0u; first < {full}u; first += LANES) {{");
        text += &of_lanes("        ", "first", lanes, |lane| format!("first + {lane}u"));
        text += "    }\n";
    }
    for first in (full..quads).step_by(lanes) {
        text += &of_lanes("    ", &format!("{first}u"), lanes.min(quads - first), |lane| {
            format!("{}", first + lane)
        });
    }
    text
}

/// Returns the products of the quads from `first` on, one for each of some lanes.
fn of_lanes(indent: &str, first: &str, lanes: usize, quad: impl Fn(usize) -> String) -> String {
    let mut text = format!("{indent}hold(&held, start, {first}, own);\n");
    for lane in 0..lanes {
        let _ = writeln!(text, "{indent}add_quad(&partial, &held, (*w)[{}], {lane}u);", quad(lane));
        if lane % BLOCK == BLOCK - 1 || lane == lanes - 1 {
            let _ = writeln!(text, "{indent}end_block(sums, &partial);");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_end_where_those_of_other_products_do() {
        let lines = |quads, whole| {
            let text = products(quads, whole);
            text.lines().map(|line| line.trim().split('(').next().unwrap_or_default().to_owned()).collect()
        };
        let quad = |count| vec!["add_quad".to_owned(); count];
        let end = vec!["end_block".to_owned()];
        let hold = vec!["hold".to_owned()];
        let found: Vec<String> = lines(9, true);
        assert_eq!(found, [&hold[..], &quad(4), &end, &quad(4), &end, &hold, &quad(1), &end].concat());
        let found: Vec<String> = lines(18, false);
        let looped = [&["for ".to_owned()][..], &hold, &quad(4), &end, &quad(4), &end, &["}".to_owned()]];
        assert_eq!(found, [looped.concat(), [hold, quad(2), end].concat()].concat());
    }

    #[test]
    fn every_quad_is_multiplied_once() {
        for quads in 1..40 {
            let text = products(quads, true);
            for quad in 0..quads {
                assert_eq!(text.matches(&format!("(*w)[{quad}], {}u", quad % LANES as usize)).count(), 1);
            }
            assert_eq!(text.matches("add_quad").count(), quads);
        }
    }
}
