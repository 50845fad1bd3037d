// Elman RNN: one gate, h' = act(W_ih x + b_ih + W_hh h + b_hh). The four sums belong to four units.

const GATES = 1u;
const COLUMNS = 4u;
const UNITS_EACH = 4u;
const HAS_CELL_STATE = false;
const NEEDS_HIDDEN_STATE = false;
// Whether the activation is ReLU; otherwise it is tanh.
override RELU: bool = false;

fn outputs() -> u32 {
    return dims.hidden_size;
}

fn cell(sums: vec4<f32>, previous: Unit, index: u32, unit: u32) -> Unit {
    if RELU {
        return Unit(act_relu(sums.x), 0.0);
    }
    return Unit(act_tanh(sums.x), 0.0);
}
