// The second product of one time step of a GRU that resets before the recurrent product: W_hn times r h,
// which the step kernel stored. It gives the gate n and with it the new hidden state.

const GATES = 3u;
const COLUMNS = 4u;
// True if the input products were computed ahead.
override HOISTED: bool = false;

@compute @workgroup_size(UNITS)
fn candidate(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    second(group, groups, local);
}

fn outputs() -> u32 {
    return dims.hidden_size;
}

fn product_of(index: u32) -> Product {
    let columns = GATES * dims.hidden_size;
    let weight_hh = weights_of(index) + columns * input_quads(index);
    return Product(FROM_INPUT, dims.hidden_quads, weight_hh, columns);
}

// The columns of the gate n of four units in the matrix.
fn columns_of(unit: u32) -> vec4<u32> {
    return spread(unit, dims.hidden_size) + 2u * dims.hidden_size;
}

// The start of the vectors that the step kernel stored for a row: r h, the argument of z, and the input's share of n unless
// `gates` has it.
fn left_start(index: u32, row: u32) -> u32 {
    if !place_of(index, row, step_of(index)).valid {
        return NOWHERE;
    }
    return 3u * (index * dims.rows + row) * dims.hidden_quads;
}

fn finish(to: Target, of_hidden: f32) {
    let unit = to.unit;
    let place = place_of(to.index, to.row, to.step);
    let at = own_hidden(to);
    let h = hidden[at / 4u][at % 4u];
    if place.valid {
        let own = first_unit() + unit;
        let left = left_start(to.index, to.row) + own / 4u;
        let z = gate_f(to.index, input[left + dims.hidden_quads][own % 4u]);
        var of_input = 0.0;
        if HOISTED {
            of_input = gates[gates_of(to.index, to.row, to.step) + 2u * dims.hidden_size + unit];
        } else {
            of_input = input[left + 2u * dims.hidden_quads][own % 4u];
        }
        let n = act_g(to.index, of_hidden + of_input);
        let value = fma(z.value, z.scale * h, (1.0 - z.value) * n);
        next_hidden[at] = value;
        write_output(to, place.time, value);
    } else {
        next_hidden[at] = h;
        write_output(to, to.step, 0.0);
    }
}
