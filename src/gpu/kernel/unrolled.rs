//! The text of products with weights in registers. It depends on the number of quads, because registers cannot
//! be indexed at run time: the text names each of them.

use std::fmt::Write;

/// The number of lanes of a subgroup, LANES in `registers/product.wgsl`, and of quads that they hold of a row.
pub(in crate::gpu) const LANES: u32 = 8;
/// The number of quads in a block, BLOCK in `product.wgsl`.
const BLOCK: usize = 4;
/// The most products of a quad with a row's vector. For one row of an LSTM, LLVM 15 takes about 3 s for 64 quads and 9 s
/// for 128. It took 40 s for eight rows of 56 quads, whose products were a loop that indexes the registers at run time
/// (lavapipe of Mesa 22.3 on an AMD EPYC, Zen 3).
const MOST: u32 = 128;

/// What the text of a product depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) struct Unrolled {
    /// The number of quads of each vector.
    quads: u32,
}

impl Unrolled {
    pub(in crate::gpu) fn new(quads: u32) -> Self {
        Unrolled { quads }
    }

    /// Returns whether drivers compile the product of some rows in seconds.
    pub(in crate::gpu) fn compiles(quads: u32, rows: u32) -> bool {
        quads.saturating_mul(rows) <= MOST
    }

    /// Returns the words that tell kernels apart which differ only in this text.
    pub(in crate::gpu) fn name(self) -> String {
        format!("{} quads", self.quads)
    }

    /// Returns the text that `registers/product.wgsl` needs.
    pub(in crate::gpu) fn text(self) -> String {
        let quads = self.quads;
        let (keep, add) = (shifting(quads as usize), products(quads as usize));
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

/// Returns the products of all quads.
fn products(quads: usize) -> String {
    let lanes = LANES as usize;
    (0..quads).step_by(lanes).map(|first| of_lanes(first, lanes.min(quads - first))).collect()
}

/// Returns the products of the quads from `first` on, one for each of some lanes.
fn of_lanes(first: usize, lanes: usize) -> String {
    let mut text = format!("    hold(&held, start, {first}u, own);\n");
    for lane in 0..lanes {
        let _ = writeln!(text, "    add_quad(&partial, &held, (*w)[{}], {lane}u);", first + lane);
        if lane % BLOCK == BLOCK - 1 || lane == lanes - 1 {
            let _ = writeln!(text, "    end_block(sums, &partial);");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_end_where_those_of_other_products_do() {
        let text = products(9);
        let found: Vec<&str> = text.lines().filter_map(|line| line.trim().split('(').next()).collect();
        let (hold, quad, end) = (&["hold"][..], ["add_quad"; 4], &["end_block"][..]);
        assert_eq!(found, [hold, &quad, end, &quad, end, hold, &quad[..1], end].concat());
    }

    #[test]
    fn every_quad_is_multiplied_once() {
        for quads in 1..40 {
            let text = products(quads);
            for quad in 0..quads {
                assert_eq!(text.matches(&format!("(*w)[{quad}], {}u", quad % LANES as usize)).count(), 1);
            }
            assert_eq!(text.matches("add_quad").count(), quads);
        }
    }
}
