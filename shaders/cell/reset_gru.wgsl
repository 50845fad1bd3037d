// The first product of a GRU that resets before the recurrent product, n = tanh(W_in x + b_in + W_hn (r h) +
// b_hn). The cell returns r h, and the argument of z in place of a cell state. The fourth sum is the input's share of n with
// the biases.

const GATES = 3u;
const UNITS_EACH = 1u;
const HAS_CELL_STATE = false;
const NEEDS_HIDDEN_STATE = true;
const COLUMNS = 3u;

fn outputs() -> u32 {
    return dims.hidden_size;
}

fn cell(sums: vec4<f32>, previous: Unit, index: u32, unit: u32) -> Unit {
    return Unit(act_times(gate_f(index, sums.x), previous.h), sums.y);
}
