// Elman RNN: one gate, h' = f(W_ih x + b_ih + W_hh h + b_hh). The four sums belong to four units.

const GATES = 1u;
const COLUMNS = 4u;
const UNITS_EACH = 4u;
const HAS_CELL_STATE = false;
const NEEDS_HIDDEN_STATE = false;

fn outputs() -> u32 {
    return dims.hidden_size;
}

fn cell(sums: vec4<f32>, previous: Unit, index: u32, unit: u32) -> Unit {
    return Unit(act_f(index, sums.x), 0.0);
}
