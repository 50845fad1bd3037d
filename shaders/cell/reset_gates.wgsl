// The first product of a GRU that resets before the recurrent product, if the input products were computed
// ahead: the arguments of the gates r and z of all units. An invocation computes four columns.

const GATES = 3u;
const COLUMNS = 4u;
const UNITS_EACH = 4u;
const HAS_CELL_STATE = false;
const NEEDS_HIDDEN_STATE = true;

fn outputs() -> u32 {
    return 2u * dims.hidden_size;
}

fn cell(sums: vec4<f32>, previous: Unit, index: u32, unit: u32) -> Unit {
    return Unit(sums.x, 0.0);
}
