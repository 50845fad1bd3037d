// The hidden state of a projected LSTM at one time step: W_hr times what the step kernel left.

const GATES = 1u;

@compute @workgroup_size(UNITS)
fn projection(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let units = shape.hidden_output_size;
    let tile = tile_of(group, groups, units);
    if !tile.inside {
        return;
    }
    let index = moment.first + group.z;
    let unit = tile.unit + local;

    var sums: array<vec4<f32>, MAX_ROWS>;
    if local < ROWS {
        let row = tile.row + local;
        let valid = place_of(index, row).valid;
        starts[local] = select(NOWHERE, (index * shape.rows + row) * shape.hidden_size, valid);
    }
    // W_hr ends the weights of its direction.
    let end = weights_of(index) + select(shape.first_layer_weights, shape.upper_layer_weights, layer_of(index) > 0u);
    let weight_hr = end - units * ((shape.hidden_size + 3u) / 4u);
    add_product(&sums, FROM_INPUT, shape.hidden_size, weight_hr, units, unit, 0u, local);

    if unit < units {
        for (var row = 0u; row < ROWS; row++) {
            finish(index, tile.row + row, unit, sums[row].x);
        }
    }
}

fn finish(index: u32, row: u32, unit: u32, value: f32) {
    if row >= shape.rows {
        return;
    }
    let place = place_of(index, row);
    if place.valid {
        write_hidden(index, row, unit, place.time, value);
    } else {
        carry_hidden(index, row, unit);
    }
}
