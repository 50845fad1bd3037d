//! Weights in the layout that the kernels read.
//!
//! For each direction of each layer: `W_ih`, `W_hh`, the biases, `W_hr`, one behind the other. A matrix `[G*H, K]` is
//! packed as `[quad][gate][unit]` of vec4: one unit's weights for one gate and four neighbouring inputs, so that
//! neighbouring invocations, which have neighbouring units, read neighbouring vec4s. K is padded with zeros as the vectors
//! are: the input of an upper layer is the hidden state of each direction below, each in whole quads. The biases are one
//! vec4 a unit: what each of its sums starts with.

use ndarray::{Array1, ArrayView2, Axis};

use super::plan::quads;
use crate::{Cell, Config, DirectionWeights};

/// vec4s of one direction of a layer.
pub(super) fn vec4s(config: &Config, layer: usize) -> usize {
    let h = config.hidden_size;
    let inputs = input_quads(config, layer) + quads(config.hidden_output_size());
    let projection = if config.proj_size > 0 { config.proj_size * quads(h) } else { 0 };
    config.cell.gates() * h * inputs + h + projection
}

/// Quads of a layer's input vectors.
pub(super) fn input_quads(config: &Config, layer: usize) -> usize {
    match layer {
        0 => quads(config.input_size),
        _ => config.directions() * quads(config.hidden_output_size()),
    }
}

/// The packed weights of one direction of a layer.
pub(super) fn pack(config: &Config, layer: usize, weights: &DirectionWeights) -> Vec<[f32; 4]> {
    let mut packed = Vec::new();
    let inputs = if layer == 0 { config.input_size } else { config.hidden_output_size() };
    for of_direction in weights.weight_ih.axis_chunks_iter(Axis(1), inputs) {
        pack_matrix(&of_direction, &mut packed);
    }
    pack_matrix(&weights.weight_hh.view(), &mut packed);
    packed.extend((0..config.hidden_size).map(|unit| start_of_sums(config, weights, unit)));
    if let Some(weight_hr) = &weights.weight_hr {
        pack_matrix(&weight_hr.view(), &mut packed);
    }
    packed
}

fn pack_matrix(matrix: &ArrayView2<'_, f32>, packed: &mut Vec<[f32; 4]>) {
    let (rows, inputs) = matrix.dim();
    for quad in 0..quads(inputs) {
        // PyTorch's rows are [gate][unit] already.
        packed.extend(
            (0..rows)
                .map(|row| [0, 1, 2, 3].map(|k| matrix.get([row, 4 * quad + k]).copied().unwrap_or(0.0))),
        );
    }
}

/// What the sums of a unit start with: the two biases folded into one, except the GRU's for n, whose hidden part is the
/// fourth sum.
fn start_of_sums(config: &Config, weights: &DirectionWeights, unit: usize) -> [f32; 4] {
    let h = config.hidden_size;
    let of =
        |bias: &Option<Array1<f32>>, gate: usize| bias.as_ref().map_or(0.0, |bias| bias[gate * h + unit]);
    let both = |gate| of(&weights.bias_ih, gate) + of(&weights.bias_hh, gate);
    match config.cell {
        Cell::Rnn(_) => [both(0), 0.0, 0.0, 0.0],
        Cell::Lstm => [both(0), both(1), both(2), both(3)],
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
                let packed = pack(&config, layer, direction);
                assert_eq!(packed.len(), vec4s(&config, layer), "{config}");
                // The last unit's last gate for the last input of W_ih, behind which comes padding.
                let inputs = direction.weight_ih.ncols();
                let in_vector = if layer == 0 { inputs } else { config.hidden_output_size() };
                let last = packed[(input_quads(&config, layer) - 1) * g * h + (g - 1) * h + (h - 1)];
                assert_eq!(last[(in_vector - 1) % 4], direction.weight_ih[[g * h - 1, inputs - 1]]);
                assert!(last[(in_vector - 1) % 4 + 1..].iter().all(|&padding| padding == 0.0));
            }
        }
    }
}
