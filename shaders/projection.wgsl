// The projection of an LSTM at one time step: W_hr times the vectors that the step kernel stored. The result
// is the new hidden state.

const GATES = 1u;
const COLUMNS = 4u;

@compute @workgroup_size(UNITS)
fn projection(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    second(group, groups, local);
}

fn outputs() -> u32 {
    return dims.hidden_output_size;
}

fn product_of(index: u32) -> Product {
    let columns = outputs();
    let quads = (dims.hidden_size + 3u) / 4u;
    // W_hr is the last of its direction's weights.
    let weight_hr = weights_of(index) + weights_in(index) - columns * quads;
    return Product(FROM_INPUT, quads, weight_hr, columns);
}

// The columns of four outputs in the matrix.
fn columns_of(output: u32) -> vec4<u32> {
    return spread(output, outputs());
}

// The start of the vector that the step kernel stored for a row; NOWHERE after the row's end.
fn left_start(index: u32, row: u32) -> u32 {
    if !place_of(index, row, step_of(index)).valid {
        return NOWHERE;
    }
    return (index * dims.rows + row) * ((dims.hidden_size + 3u) / 4u);
}

fn finish(to: Target, value: f32) {
    let place = place_of(to.index, to.row, to.step);
    let at = own_hidden(to);
    if place.valid {
        next_hidden[at] = value;
        write_output(to, place.time, value);
    } else {
        next_hidden[at] = hidden[at / 4u][at % 4u];
        write_output(to, to.step, 0.0);
    }
}
