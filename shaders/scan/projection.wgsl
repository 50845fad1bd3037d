// The second product of a step of `scan`: the projection, if the layer has one.

fn leave(turn: Turn, row: u32, to: Target, sums: vec4<f32>) {
    let stride = 4u * ((dims.hidden_size + 3u) / 4u);
    wide[row * stride + to.unit] = next_of(to, sums, 0.0);
}

// Computes the projected hidden state of every row.
fn second_product(turn: Turn, local: u32) {
    let size = dims.hidden_output_size;
    let quads = (dims.hidden_size + 3u) / 4u;
    // W_hr is the last of its direction's weights. Elements count from W_hh, which follows W_ih.
    let weight_ih = GATES * dims.hidden_size * input_quads(turn.index);
    let weight_hr = weights_in(turn.index) - weight_ih - size * quads;
    let rows = min(ROWS, dims.rows - turn.first_row);
    for (var first = 0u; first < size; first += 4u * UNITS) {
        let column = first + local;
        var sums = Sums();
        let product = Product(FROM_WIDE, quads, weight_hr, size);
        add_states(&sums, product, spread(column, size), 0u, column < size);
        for (var row = 0u; row < rows; row++) {
            let own = row_of(&sums, row);
            for (var each = 0u; column + each * UNITS < size && each < 4u; each++) {
                finish_projection(turn, row, column + each * UNITS, column_of(own, each));
            }
        }
    }
}

fn finish_projection(turn: Turn, row: u32, unit: u32, value: f32) {
    let at = row * 4u * dims.hidden_quads + unit;
    let to = target_of(turn, row, unit);
    let place = place_of(to.index, to.row, to.step);
    if place.valid {
        states[turn.next + at] = value;
        write_output(to, place.time, value);
    } else {
        states[turn.next + at] = states[turn.now + at];
        write_output(to, to.step, 0.0);
    }
}
