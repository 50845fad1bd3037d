// LSTM with any activation functions. INPUT_FORGET sets f = 1 - i. PEEPHOLES adds the weighted cell state to
// gates: i and f read the cell state before the step, o reads the one after it.

const GATES = 4u;
const COLUMNS = 4u;
const UNITS_EACH = 1u;
const HAS_CELL_STATE = true;
const NEEDS_HIDDEN_STATE = false;
override INPUT_FORGET: bool = false;
override PEEPHOLES: bool = false;

fn outputs() -> u32 {
    return dims.hidden_size;
}

fn cell(sums: vec4<f32>, previous: Unit, index: u32, unit: u32) -> Unit {
    var seen = sums;
    var weight_co = 0.0;
    if PEEPHOLES {
        let bias = weights_of(index) + GATES * dims.hidden_size * (input_quads(index) + dims.hidden_quads);
        // The peepholes follow the biases of all units, in the order i f o.
        let peephole = start_of_sums(bias, dims.hidden_size + unit);
        seen.x = fma(peephole.x, previous.c, sums.x);
        seen.y = fma(peephole.y, previous.c, sums.y);
        weight_co = peephole.z;
    }
    let i = act_f(index, seen.x);
    var f = 1.0 - i;
    if !INPUT_FORGET {
        f = act_f(index, seen.y);
    }
    let g = act_g(index, sums.z);
    let c = fma(f, previous.c, i * g);
    let o = act_f(index, fma(weight_co, c, sums.w));
    return Unit(o * act_h(index, c), c);
}
