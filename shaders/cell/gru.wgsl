// GRU: gates r z n, n = g(W_in x + b_in + r (W_hn h + b_hn)), h' = (1 - z) n + z h; r and z have the
// activation f. The third sum is the hidden state's share of n with its bias, which r multiplies. The fourth
// sum is the rest of n.

const GATES = 3u;
const COLUMNS = 3u;
const UNITS_EACH = 1u;
const HAS_CELL_STATE = false;
const NEEDS_HIDDEN_STATE = true;

fn outputs() -> u32 {
    return dims.hidden_size;
}

fn cell(sums: vec4<f32>, previous: Unit, index: u32, unit: u32) -> Unit {
    let r = gate_f(index, sums.x);
    let z = gate_f(index, sums.y);
    let n = act_g(index, fma(r.value, r.scale * sums.z, sums.w));
    return Unit(fma(z.value, z.scale * previous.h, (1.0 - z.value) * n), 0.0);
}
