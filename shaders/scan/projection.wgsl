// The second product of a step of `scan`: the projection, if the layer has one.

fn leave(
    index: u32,
    batch_row: u32,
    row: u32,
    unit: u32,
    step: u32,
    sums: vec4<f32>,
    now: u32,
    next: u32,
) {
    let stride = 4u * ((dims.hidden_size + 3u) / 4u);
    wide[row * stride + unit] = next_of(index, batch_row, unit, step, sums, 0.0);
}

// Computes the projected hidden state of every row.
fn second_product(index: u32, first_row: u32, step: u32, now: u32, next: u32, local: u32) {
    let size = dims.hidden_output_size;
    let quads = (dims.hidden_size + 3u) / 4u;
    // W_hr is the last of its direction's weights.
    let weight_hr = weights_of(index) + weights_in(index) - size * quads - weight_hh;
    let rows = min(ROWS, dims.rows - first_row);
    for (var first = 0u; first < size; first += 4u * UNITS) {
        let column = first + local;
        var sums = Sums();
        add_states(&sums, FROM_WIDE, 0u, quads, weight_hr, size, spread(column, size), column < size);
        for (var row = 0u; row < rows; row++) {
            let own = row_of(&sums, row);
            for (var each = 0u; column + each * UNITS < size && each < 4u; each++) {
                let value = column_of(own, each);
                finish_projection(index, first_row + row, row, column + each * UNITS, step, value, now, next);
            }
        }
    }
}

fn finish_projection(
    index: u32,
    batch_row: u32,
    row: u32,
    unit: u32,
    step: u32,
    value: f32,
    now: u32,
    next: u32,
) {
    let at = row * 4u * dims.hidden_quads + unit;
    let place = place_of(index, batch_row, step);
    if place.valid {
        states[next + at] = value;
        write_output(index, batch_row, unit, place.time, value);
    } else {
        states[next + at] = states[now + at];
        write_output(index, batch_row, unit, step, 0.0);
    }
}
