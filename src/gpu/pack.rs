//! Weights in the layout that the kernels read.
//!
//! Each direction of each layer has `W_ih`, `W_hh`, the biases, the peepholes if there are any, and `W_hr`,
//! one after the other.
//!
//! A matrix `[G*H, K]` is packed as elements `[quad][gate][unit]`. An element has four weights: those of
//! one unit and one gate for four neighbouring inputs. It is a vec4 of f32, or two words of halves.
//! Neighbouring invocations have neighbouring units, so they read neighbouring elements.
//!
//! K is padded with zeros like the vectors: the input of an upper layer is the hidden state of each
//! direction below, each in whole quads.
//!
//! The biases are four f32 for each unit: the initial values of its sums.
//!
//! Weights of a direction that are too large for one buffer are packed for ranges of units, each in this layout with the
//! units of its range in place of all.

use std::ops::Range;

use half::f16;
use ndarray::{Array1, ArrayView2, Axis};

use crate::{Cell, Config, DirectionWeights, Precision};

/// Returns the number of vec4s that hold a number of floats.
pub(super) fn quads(floats: usize) -> usize {
    floats.div_ceil(4)
}

/// Returns the number of elements of one direction of a layer. An element has `quad_bytes` bytes.
pub(super) fn elements(config: &Config, precision: Precision, layer: usize) -> usize {
    let h = config.hidden_size;
    config.cell.gates() * h * input_quads(config, layer) + recurrent_elements(config, precision)
}

/// Returns the number of elements of one unit of a direction of a layer without a projection.
pub(super) fn elements_of_unit(config: &Config, precision: Precision, layer: usize) -> usize {
    // Each part is a multiple of H.
    elements(config, precision, layer) / config.hidden_size
}

/// Returns the number of elements from `W_hh` on.
pub(super) fn recurrent_elements(config: &Config, precision: Precision) -> usize {
    let h = config.hidden_size;
    // Peepholes follow the biases, and have the same size.
    let vectors = if config.peepholes { 2 * h } else { h };
    let biases = vectors * size_of::<[f32; 4]>() / precision.quad_bytes();
    let projection = config.proj_size * quads(h);
    config.cell.gates() * h * quads(config.hidden_output_size()) + biases + projection
}

/// Returns the number of quads in an input vector of a layer.
pub(super) fn input_quads(config: &Config, layer: usize) -> usize {
    match layer {
        0 => quads(config.input_size),
        _ => config.directions() * quads(config.hidden_output_size()),
    }
}

/// Appends the packed weights of some units of one direction of a layer, `quad_bytes` for each of their elements
/// ([`elements`] for all units). The caller reserves their memory.
pub(super) fn pack(
    config: &Config,
    precision: Precision,
    layer: usize,
    weights: &DirectionWeights,
    units: Range<usize>,
    packed: &mut Vec<u8>,
) {
    let h = config.hidden_size;
    let inputs = if layer == 0 { config.input_size } else { config.hidden_output_size() };
    for of_direction in weights.weight_ih.axis_chunks_iter(Axis(1), inputs) {
        pack_matrix(&of_direction, h, &units, precision, packed);
    }
    pack_matrix(&weights.weight_hh.view(), h, &units, precision, packed);
    for unit in units.clone() {
        packed.extend_from_slice(bytemuck::bytes_of(&start_of_sums(config, weights, unit)));
    }
    if let Some(weight_ch) = &weights.weight_ch {
        for unit in units {
            let peepholes = [weight_ch[unit], weight_ch[h + unit], weight_ch[2 * h + unit], 0.0];
            packed.extend_from_slice(bytemuck::bytes_of(&peepholes));
        }
    }
    if let Some(weight_hr) = &weights.weight_hr {
        let outputs = config.proj_size;
        pack_matrix(&weight_hr.view(), outputs, &(0..outputs), precision, packed);
    }
}

/// Appends the rows of some units of each gate. PyTorch's rows are `[gate][unit]`, with `all` units.
fn pack_matrix(
    matrix: &ArrayView2<'_, f32>,
    all: usize,
    units: &Range<usize>,
    precision: Precision,
    packed: &mut Vec<u8>,
) {
    let (rows, inputs) = matrix.dim();
    for quad in 0..quads(inputs) {
        for row in (0..rows).step_by(all).flat_map(|gate| gate + units.start..gate + units.end) {
            let weights = [0, 1, 2, 3].map(|k| matrix.get([row, 4 * quad + k]).copied().unwrap_or(0.0));
            match precision {
                Precision::F32 => packed.extend_from_slice(bytemuck::bytes_of(&weights)),
                Precision::F16 => {
                    let halves = weights.map(|weight| f16::from_f32(weight).to_bits());
                    packed.extend_from_slice(bytemuck::bytes_of(&halves));
                }
            }
        }
    }
}

/// Returns the initial values of a unit's sums. Each is the sum of the two biases, except for n of a GRU
/// whose r multiplies the hidden part after its product: there the hidden part is the fourth sum, and each
/// of the two sums starts with its own bias.
fn start_of_sums(config: &Config, weights: &DirectionWeights, unit: usize) -> [f32; 4] {
    let h = config.hidden_size;
    let of =
        |bias: &Option<Array1<f32>>, gate: usize| bias.as_ref().map_or(0.0, |bias| bias[gate * h + unit]);
    let both = |gate| of(&weights.bias_ih, gate) + of(&weights.bias_hh, gate);
    match config.cell {
        Cell::RnnTanh | Cell::RnnRelu => [both(0), 0.0, 0.0, 0.0],
        Cell::Lstm => [both(0), both(1), both(2), both(3)],
        Cell::Gru if config.resets_before() => [both(0), both(1), both(2), 0.0],
        Cell::Gru => [both(0), both(1), of(&weights.bias_ih, 2), of(&weights.bias_hh, 2)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Weights;

    #[test]
    fn packed_weights_are_as_long_as_planned_and_in_place() {
        for config in [
            Config::rnn(5, 3).num_layers(2),
            Config::gru(4, 6).bidirectional(true).num_layers(3),
            Config::lstm(7, 5).proj_size(2).num_layers(2).bias(false),
        ] {
            let weights = Weights::seeded(config, 7).unwrap();
            let (h, g) = (config.hidden_size, config.cell.gates());
            for (index, direction) in weights.directions().iter().enumerate() {
                let layer = index / config.directions();
                let mut packed = Vec::new();
                pack(&config, Precision::F32, layer, direction, 0..h, &mut packed);
                assert_eq!(packed.len(), 16 * elements(&config, Precision::F32, layer), "{config}");
                // The weight of W_ih for the last gate, unit and input. Padding follows it.
                let inputs = direction.weight_ih.ncols();
                let in_vector = if layer == 0 { inputs } else { config.hidden_output_size() };
                let quad = (input_quads(&config, layer) - 1) * g * h + (g - 1) * h + (h - 1);
                let last: [f32; 4] = bytemuck::pod_read_unaligned(&packed[16 * quad..][..16]);
                assert_eq!(last[(in_vector - 1) % 4], direction.weight_ih[[g * h - 1, inputs - 1]]);
                assert!(last[(in_vector - 1) % 4 + 1..].iter().all(|&padding| padding == 0.0));

                let mut halves = Vec::new();
                pack(&config, Precision::F16, layer, direction, 0..h, &mut halves);
                assert_eq!(halves.len(), 8 * elements(&config, Precision::F16, layer), "{config}");
                let half: [u16; 4] = bytemuck::pod_read_unaligned(&halves[8 * quad..][..8]);
                assert_eq!(half, last.map(|weight| f16::from_f32(weight).to_bits()));
                let biases = |packed: &[u8], bytes| {
                    let end = packed.len() - bytes * config.proj_size * quads(h);
                    packed[end - 16 * h..end].to_vec()
                };
                assert_eq!(biases(&halves, 8), biases(&packed, 16), "biases are f32");
            }
        }
    }
}
