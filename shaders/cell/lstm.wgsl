// LSTM: gates i f g o, c' = f c + i g, h' = o h(c'). The gates i, f and o have the activation f, and the
// gate g has the activation g. INPUT_FORGET sets f = 1 - i. PEEPHOLES adds the weighted cell state to gates:
// i and f read the cell state before the step, o reads the one after it.

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
    var peephole = vec4<f32>();
    if PEEPHOLES {
        let bias = weights_of(index) + GATES * dims.hidden_size * (input_quads(index) + dims.hidden_quads);
        // The peepholes follow the biases of all units, in the order i f o.
        peephole = start_of_sums(bias, dims.hidden_size + unit);
        seen.x = fma(peephole.x, previous.c, sums.x);
        seen.y = fma(peephole.y, previous.c, sums.y);
    }
    let i = gate_f(index, seen.x);
    var f = Gate(1.0 - i.value, 1.0);
    if !INPUT_FORGET {
        f = gate_f(index, seen.y);
    }
    let g = act_g(index, sums.z);
    let c = fma(f.value, f.scale * previous.c, act_times(i, g));
    if PEEPHOLES {
        seen.w = fma(peephole.z, c, sums.w);
    }
    let o = gate_f(index, seen.w);
    return Unit(act_times(o, act_h(index, c)), c);
}
