// Elman RNN: one gate, h' = act(W_ih x + b_ih + W_hh h + b_hh).

const GATES = 1u;
const HAS_CELL_STATE = false;
// The sum that the hidden product of the last gate goes to.
const LAST_HIDDEN_SUM = 0u;
// ReLU instead of tanh.
override RELU: bool = false;

fn cell(sums: vec4<f32>, previous: Unit) -> Unit {
    if RELU {
        return Unit(act_relu(sums.x), 0.0);
    }
    return Unit(act_tanh(sums.x), 0.0);
}
