// GRU with any activation functions, otherwise the same as gru.wgsl.

const GATES = 3u;
const COLUMNS = 3u;
const UNITS_EACH = 1u;
const HAS_CELL_STATE = false;
const NEEDS_HIDDEN_STATE = true;

fn outputs() -> u32 {
    return dims.hidden_size;
}

fn cell(sums: vec4<f32>, previous: Unit, index: u32, unit: u32) -> Unit {
    let r = act_f(index, sums.x);
    let z = act_f(index, sums.y);
    let n = act_g(index, fma(r, sums.z, sums.w));
    return Unit(fma(z, previous.h, (1.0 - z) * n), 0.0);
}
