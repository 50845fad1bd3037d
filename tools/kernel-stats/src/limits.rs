//! What a kernel must keep to.

use wgpu_rnn::{Precision, inspect::KernelSource};

use crate::asm::InnerLoop;
use crate::radv::Figures;

/// Bytes of one lane's weights for a multiply-add of the only row.
fn weight_bytes(kernel: &KernelSource) -> u32 {
    match kernel.precision {
        _ if kernel.on_chip => 0,
        Precision::F16 => 2,
        _ => 4,
    }
}

/// The most waits for memory in a turn of the loop over rows behind a product. The compilers make 40 at most, for
/// ONNX's LSTM with peepholes.
const MOST_WAITS: u32 = 40;

/// The loads of weights that a product starts before it waits: of four quads for a single row, and of two for several
/// rows, for each column.
fn loads_ahead(kernel: &KernelSource) -> u32 {
    // A GRU's unit has three columns; the kernels that compute single columns have four in each invocation.
    let by_unit = kernel.entry_point == "step" || kernel.entry_point == "scan";
    let columns = if by_unit && kernel.name.contains("GRU") { 3 } else { 4 };
    // Software drivers have no latency to hide, and hardware does not get the text that is for them alone.
    let is_for_software = kernel.overrides.contains(&("LOADS_AHEAD", 0.0));
    match kernel.rows {
        _ if kernel.on_chip || is_tiled(kernel) || is_for_software => 0,
        1 => 4 * columns,
        _ => 2 * columns,
    }
}

/// The least share of fma in the vector operations of a tile's products: of the input product, and of a step. An invocation
/// of a step has half as many rows. In a GRU it has three columns instead of four.
const SHARE_OF_TILE: (f64, f64) = (0.95, 0.9);
/// The most bytes from memory for each fma of a block of a tile, which has four quads, and the loads that start before
/// the first wait: a quad of the vectors and two of the weights.
const BLOCK_OF_TILE: (f64, u32) = (0.4, 3);
const QUADS_OF_BLOCK: u32 = 4;
/// The most registers of a kernel whose invocations share items, the most loads of one of its steps beside the gates',
/// and the most barriers.
const STEP_OF_SHARED: (u64, u32, u32) = (160, 1, 2);

fn is_tiled(kernel: &KernelSource) -> bool {
    kernel.name.contains("in tiles")
}

fn is_shared(kernel: &KernelSource) -> bool {
    kernel.name.contains("in parts")
}

fn is_in_blocks(kernel: &KernelSource) -> bool {
    kernel.name.contains("in blocks")
}

/// What is wrong with the loops with barriers of kernels that are held to more: over the blocks of a tile or of an
/// item, or over the steps of invocations that share items.
pub(crate) fn misses_around(kernel: &KernelSource, figures: &Figures, around: &[InnerLoop]) -> Vec<String> {
    let mut misses = Vec::new();
    if (is_tiled(kernel) || is_shared(kernel) || is_in_blocks(kernel)) && around.is_empty() {
        misses.push("no loop with barriers was found".into());
    }
    if is_in_blocks(kernel) {
        // The loads of a block, and one barrier for all blocks that are computed at once.
        let least = loads_ahead(kernel);
        for at_once in around {
            if at_once.in_flight < least || at_once.barriers > 1 {
                let InnerLoop { in_flight, barriers, .. } = at_once;
                misses.push(format!(
                    "{in_flight} loads before the first wait and {barriers} barriers: expected at least {least} and one"
                ));
            }
        }
    }
    if is_tiled(kernel) {
        let (most, least) = BLOCK_OF_TILE;
        for block in around {
            let bytes = f64::from(block.global_bytes) / f64::from(QUADS_OF_BLOCK * block.fma);
            if bytes > most {
                misses.push(format!("{bytes:.2} bytes from memory for each fma: more than {most}"));
            }
            if block.in_flight < least {
                misses.push(format!("{} loads of a block before a wait: less than {least}", block.in_flight));
            }
        }
    }
    if is_shared(kernel) {
        let (registers, beside, barriers) = STEP_OF_SHARED;
        let gates = [("LSTM", 4), ("GRU", 3)].into_iter().find(|(cell, _)| kernel.name.contains(cell));
        let loads = beside + gates.map_or(1, |(_, gates)| gates);
        let vgprs = figures.vgprs;
        if vgprs > registers {
            misses.push(format!("{vgprs} registers: more than {registers}"));
        }
        for step in around {
            if step.loads > loads || step.barriers > barriers {
                let InnerLoop { loads: got, barriers: found, .. } = step;
                misses.push(format!(
                    "{got} loads and {found} barriers a step: more than {loads} and {barriers}"
                ));
            }
        }
    }
    misses
}

/// What is wrong, in words. `waits` is the number of waits in the loop over rows behind the products.
pub(crate) fn misses(
    kernel: &KernelSource,
    figures: &Figures,
    loops: &[InnerLoop],
    waits: u32,
) -> Vec<String> {
    let mut misses = Vec::new();
    let mut expect = |holds: bool, miss: String| {
        if !holds {
            misses.push(miss);
        }
    };
    expect(figures.spills == 0, format!("{} registers are spilled", figures.spills));
    expect(figures.scratch == 0, format!("{} bytes of scratch", figures.scratch));
    if !kernel.is_product || is_shared(kernel) || is_in_blocks(kernel) {
        return misses;
    }
    expect(!loops.is_empty(), "no loop with products was found".into());
    // A product's first loop has whole blocks, and the second one the rest.
    let (in_flight, least) =
        (loops.iter().map(|each| each.in_flight).max().unwrap_or(0), loads_ahead(kernel));
    expect(in_flight >= least, format!("{in_flight} loads before the first wait: less than {least}"));
    expect(waits <= MOST_WAITS, format!("{waits} waits in the loop over rows: more than {MOST_WAITS}"));
    if is_tiled(kernel) {
        let (of_input, of_step) = SHARE_OF_TILE;
        let least = if kernel.entry_point == "input_product" { of_input } else { of_step };
        for found in loops {
            let (share, bytes) = (found.fma_share(), found.global_bytes);
            expect(
                share >= least && bytes == 0,
                format!("{share:.2} fma, {bytes} bytes from memory: expected at least {least} and none"),
            );
        }
        return misses;
    }
    for found in loops {
        if kernel.rows == 1 {
            let (bytes, fma) = (found.global_bytes, found.fma + found.products);
            let most = weight_bytes(kernel) * fma;
            expect(
                bytes <= most,
                format!("{bytes} bytes from memory for {fma} fma: more than the weights' {most}"),
            );
            continue;
        }
        let (share, bytes) =
            if kernel.entry_point == "input_product" && kernel.rows >= 8 { (0.7, 1.5) } else { (0.6, 2.5) };
        let (got_share, got_bytes) = (found.fma_share(), found.bytes_per_fma());
        expect(
            got_share >= share,
            format!("{got_share:.2} of the vector operations are fma: less than {share}"),
        );
        expect(got_bytes <= bytes, format!("{got_bytes:.2} bytes loaded for each fma: more than {bytes}"));
    }
    misses
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Figures =
        Figures { vgprs: 120, spills: 0, scratch: 0, occupancy: 8, code: 4000, assembly: String::new() };

    fn kernel(entry_point: &str, rows: u32) -> KernelSource {
        let mut all = wgpu_rnn::inspect::kernels().into_iter();
        let wanted = |kernel: &KernelSource| {
            (kernel.entry_point, kernel.rows, kernel.precision) == (entry_point, rows, Precision::F32)
        };
        all.find(wanted).expect("a kernel")
    }

    fn of_loop(fma: u32, vector: u32, global_bytes: u32, workgroup_bytes: u32) -> InnerLoop {
        InnerLoop { fma, vector, global_bytes, workgroup_bytes, in_flight: 16, ..InnerLoop::default() }
    }

    #[test]
    fn a_step_of_shared_items_is_bounded() {
        let mut all = wgpu_rnn::inspect::kernels().into_iter();
        let kernel = all.find(|kernel| is_shared(kernel) && kernel.name.contains("LSTM")).expect("a kernel");
        let good = InnerLoop { loads: 5, barriers: 2, ..InnerLoop::default() };
        let count = |figures: &Figures, around: &[InnerLoop]| misses_around(&kernel, figures, around).len();
        assert_eq!(count(&GOOD, &[good]), 0);
        assert_eq!(count(&GOOD, &[]), 1);
        assert_eq!(count(&GOOD, &[InnerLoop { loads: 6, ..good }]), 1);
        assert_eq!(count(&GOOD, &[InnerLoop { barriers: 3, ..good }]), 1);
        assert_eq!(count(&Figures { vgprs: 161, ..GOOD }, &[good]), 1);
        assert_eq!(misses(&kernel, &Figures { scratch: 4, ..GOOD }, &[], 0).len(), 1);
    }

    #[test]
    fn blocks_of_an_item_are_loaded_at_once() {
        let mut all = wgpu_rnn::inspect::kernels().into_iter();
        let in_blocks = |kernel: &KernelSource| is_in_blocks(kernel) && kernel.name.contains("LSTM");
        let kernel = all.find(in_blocks).expect("a kernel");
        let good = InnerLoop { in_flight: 16, barriers: 1, ..InnerLoop::default() };
        let count = |around: &[InnerLoop]| misses_around(&kernel, &GOOD, around).len();
        assert_eq!(count(&[good, good]), 0);
        assert_eq!(count(&[]), 1);
        assert_eq!(count(&[good, InnerLoop { in_flight: 15, ..good }]), 1);
        assert_eq!(count(&[InnerLoop { barriers: 2, ..good }]), 1);
        assert_eq!(misses(&kernel, &Figures { spills: 1, ..GOOD }, &[], 0).len(), 1);
    }

    #[test]
    fn a_tile_is_held_to_more() {
        let mut all = wgpu_rnn::inspect::kernels().into_iter();
        let step =
            all.clone().find(|kernel| is_tiled(kernel) && kernel.entry_point == "step").expect("a step");
        let kernel = all.find(is_tiled).expect("a kernel");
        assert_eq!(misses(&step, &GOOD, &[of_loop(48, 53, 0, 112)], 18).len(), 0);
        assert_eq!(misses(&step, &GOOD, &[of_loop(48, 54, 0, 112)], 18).len(), 1);
        let count = |found: InnerLoop| misses(&kernel, &GOOD, &[found], 18).len();
        assert_eq!(count(of_loop(128, 134, 0, 192)), 0);
        assert_eq!(count(of_loop(128, 135, 0, 192)), 1);
        assert_eq!(count(of_loop(128, 134, 4, 192)), 1);
        let good = InnerLoop { in_flight: 3, ..of_loop(128, 199, 48, 192) };
        let around = |found: &[InnerLoop]| misses_around(&kernel, &GOOD, found).len();
        assert_eq!(around(&[good]), 0);
        assert_eq!(around(&[]), 1);
        assert_eq!(around(&[InnerLoop { global_bytes: 208, ..good }]), 1);
        assert_eq!(around(&[InnerLoop { in_flight: 2, ..good }]), 1);
    }

    #[test]
    fn each_limit_is_seen_when_it_is_missed() {
        let count = |kernel: &KernelSource, figures: &Figures, found: InnerLoop| {
            misses(kernel, figures, &[found], 18).len()
        };
        let (input_product, step, single) =
            (kernel("input_product", 8), kernel("step", 8), kernel("step", 1));
        assert_eq!(count(&input_product, &GOOD, of_loop(128, 140, 64, 128)), 0);
        assert_eq!(count(&input_product, &GOOD, of_loop(128, 183, 64, 129)), 2, "69.9 %, 1.508 bytes");
        assert_eq!(count(&step, &GOOD, of_loop(96, 160, 48, 192)), 0);
        assert_eq!(count(&step, &GOOD, of_loop(96, 161, 48, 193)), 2);
        assert_eq!(count(&single, &GOOD, of_loop(16, 99, 64, 64)), 0);
        assert_eq!(count(&single, &GOOD, of_loop(16, 20, 68, 0)), 1);
        let (mut halves, mut on_chip) = (single.clone(), single);
        (halves.precision, on_chip.on_chip) = (Precision::F16, true);
        assert_eq!(count(&halves, &GOOD, of_loop(16, 20, 32, 0)), 0);
        assert_eq!(count(&halves, &GOOD, of_loop(16, 20, 34, 0)), 1);
        assert_eq!(count(&on_chip, &GOOD, of_loop(16, 20, 0, 64)), 0);
        assert_eq!(count(&on_chip, &GOOD, of_loop(16, 20, 4, 64)), 1);
        let few = |in_flight, waits| {
            misses(&step, &GOOD, &[InnerLoop { in_flight, ..of_loop(96, 108, 48, 128) }], waits).len()
        };
        assert_eq!([few(8, 40), few(5, 40), few(8, 41)], [0, 1, 1]);
        assert_eq!(count(&step, &Figures { spills: 1, ..GOOD }, of_loop(96, 108, 48, 128)), 1);
        assert_eq!(count(&step, &Figures { scratch: 4, ..GOOD }, of_loop(96, 108, 48, 128)), 1);
        assert_eq!(misses(&step, &GOOD, &[], 18).len(), 2);
        assert_eq!(misses(&kernel("gather", 1), &GOOD, &[], 0).len(), 0);
        assert_eq!(misses(&kernel("gather", 1), &Figures { spills: 1, ..GOOD }, &[], 0).len(), 1);
    }
}
