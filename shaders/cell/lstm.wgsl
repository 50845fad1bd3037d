// LSTM: gates i f g o, c' = σ(f) c + σ(i) tanh(g), h' = σ(o) tanh(c').

const GATES = 4u;
const COLUMNS = 4u;
const UNITS_EACH = 1u;
const HAS_CELL_STATE = true;
const NEEDS_HIDDEN_STATE = false;

fn outputs() -> u32 {
    return dims.hidden_size;
}

fn cell(sums: vec4<f32>, previous: Unit, index: u32, unit: u32) -> Unit {
    let i = act_sigmoid(sums.x);
    let f = act_sigmoid(sums.y);
    let g = act_tanh(sums.z);
    let o = act_sigmoid(sums.w);
    let c = fma(f, previous.c, i * g);
    return Unit(o * act_tanh(c), c);
}
