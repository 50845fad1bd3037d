// One time step of the directions of one or more layers (grid z): both matrix products, the biases and the activation.

// The hidden state goes through a projection next: it is written before projection, and not to the output.
override PROJECTED: bool = false;

// A unit's part of the state.
struct Unit {
    h: f32,
    c: f32,
}

@compute @workgroup_size(UNITS)
fn step(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let tile = tile_of(group, groups, shape.hidden_size);
    if !tile.inside {
        return;
    }
    let index = moment.first + group.z;
    let unit = tile.unit + local;
    let layer = layer_of(index);

    // A layer of one direction reads the hidden state of the layer below, which was at this step one dispatch ago.
    let from_below = layer > 0u && shape.directions == 1u;
    let features = select(shape.input_size, shape.directions * shape.hidden_output_size, layer > 0u);
    let units = shape.hidden_size;
    let weight_ih = weights_of(index);
    let weight_hh = weight_ih + GATES * units * ((features + 3u) / 4u);
    let bias = weight_hh + GATES * units * ((shape.hidden_output_size + 3u) / 4u);

    var sums: array<vec4<f32>, MAX_ROWS>;
    if unit < units {
        for (var row = 0u; row < ROWS; row++) {
            sums[row] = weights[bias + unit];
        }
    }
    if local < ROWS {
        let row = tile.row + local;
        let place = place_of(index, row);
        let in_input = (row * shape.steps + place.time) * features;
        let in_hidden = ((index - 1u) * shape.rows + row) * features;
        starts[local] = select(NOWHERE, select(in_input, in_hidden, from_below), place.valid);
    }
    add_product(&sums, select(FROM_INPUT, FROM_HIDDEN, from_below), features, weight_ih, units, unit, GATES - 1u, local);
    // The product's last barrier came after the last look at `starts`.
    if local < ROWS {
        let row = tile.row + local;
        let valid = place_of(index, row).valid;
        starts[local] = select(NOWHERE, (index * shape.rows + row) * shape.hidden_output_size, valid);
    }
    add_product(&sums, FROM_HIDDEN, shape.hidden_output_size, weight_hh, units, unit, LAST_HIDDEN_SUM, local);

    if unit < units {
        for (var row = 0u; row < ROWS; row++) {
            finish(index, tile.row + row, unit, sums[row]);
        }
    }
}

fn finish(index: u32, row: u32, unit: u32, sums: vec4<f32>) {
    if row >= shape.rows {
        return;
    }
    let place = place_of(index, row);
    if !place.valid {
        if !PROJECTED {
            carry_hidden(index, row, unit);
        }
        return;
    }
    let at = (index * shape.rows + row) * shape.hidden_size + unit;
    var previous = Unit(0.0, 0.0);
    if !PROJECTED {
        previous.h = hidden[at];
    }
    if HAS_CELL_STATE {
        previous.c = cell_state[at];
    }
    let next = cell(sums, previous);
    if HAS_CELL_STATE {
        cell_state[at] = next.c;
    }
    if PROJECTED {
        next_hidden[at] = next.h;
    } else {
        write_hidden(index, row, unit, place.time, next.h);
    }
}
