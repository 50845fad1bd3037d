// GRU: gates r z n. The hidden product of n stays apart, since r multiplies it with its bias:
// n = tanh(W_in x + b_in + r (W_hn h + b_hn)), h' = (1 - z) n + z h.

const GATES = 3u;
const HAS_CELL_STATE = false;
// The sum that the hidden product of the last gate goes to.
const LAST_HIDDEN_SUM = 3u;

fn cell(sums: vec4<f32>, previous: Unit) -> Unit {
    let r = act_sigmoid(sums.x);
    let z = act_sigmoid(sums.y);
    let n = act_tanh(fma(r, sums.w, sums.z));
    return Unit(fma(z, previous.h, (1.0 - z) * n), 0.0);
}
