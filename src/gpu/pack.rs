//! Weights in the layout that the kernels read.
//!
//! For each direction of each layer: `W_ih`, `W_hh`, the biases, `W_hr`, one behind the other. A matrix `[G*H, K]` is
//! packed as `[quad][gate][unit]` of vec4: one unit's weights for one gate and four neighbouring inputs, so that
//! neighbouring invocations, which have neighbouring units, read neighbouring vec4s. K is padded to a multiple of 4 with
//! zeros. The biases are one vec4 a unit: what each of its sums starts with.

use ndarray::{Array1, Array2};

use crate::{Cell, Config, DirectionWeights};

/// vec4s of one direction of a layer.
pub(super) fn vec4s(config: &Config, layer: usize) -> usize {
    let (h, h_out) = (config.hidden_size, config.hidden_output_size());
    let quads = |inputs: usize| inputs.div_ceil(4);
    let inputs = quads(config.layer_input_size(layer)) + quads(h_out);
    let projection = if config.proj_size > 0 { config.proj_size * quads(h) } else { 0 };
    config.cell.gates() * h * inputs + h + projection
}

/// The packed weights of one direction of a layer.
pub(super) fn pack(config: &Config, weights: &DirectionWeights) -> Vec<[f32; 4]> {
    let mut packed = Vec::new();
    pack_matrix(&weights.weight_ih, &mut packed);
    pack_matrix(&weights.weight_hh, &mut packed);
    packed.extend((0..config.hidden_size).map(|unit| start_of_sums(config, weights, unit)));
    if let Some(weight_hr) = &weights.weight_hr {
        pack_matrix(weight_hr, &mut packed);
    }
    packed
}

fn pack_matrix(matrix: &Array2<f32>, packed: &mut Vec<[f32; 4]>) {
    let (rows, inputs) = matrix.dim();
    for quad in 0..inputs.div_ceil(4) {
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
                let packed = pack(&config, direction);
                assert_eq!(packed.len(), vec4s(&config, index / config.directions()), "{config}");
                // The last unit's last gate for the last input of W_ih, behind which comes padding.
                let inputs = direction.weight_ih.ncols();
                let last = packed[(inputs - 1) / 4 * g * h + (g - 1) * h + (h - 1)];
                assert_eq!(last[(inputs - 1) % 4], direction.weight_ih[[g * h - 1, inputs - 1]]);
                assert!(last[(inputs - 1) % 4 + 1..].iter().all(|&padding| padding == 0.0));
            }
        }
    }
}
