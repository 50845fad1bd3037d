// The second product of a step of `scan`: the gate n of a GRU that resets before the recurrent product.

// Stores the gates. A column is r or z of a unit. r h goes into `wide`, where the second product reads it; z
// goes into the place of the next state.
fn leave(
    index: u32,
    batch_row: u32,
    row: u32,
    column: u32,
    step: u32,
    sums: vec4<f32>,
    now: u32,
    next: u32,
) {
    let at = row * 4u * dims.hidden_quads + column % dims.hidden_size;
    let gate = next_of(index, batch_row, column, step, sums, 0.0);
    if column < dims.hidden_size {
        wide[at] = gate * states[now + at];
    } else {
        states[next + at] = gate;
    }
}

fn second_product(index: u32, first_row: u32, step: u32, now: u32, next: u32, local: u32) {
    let units = dims.hidden_size;
    let rows = min(ROWS, dims.rows - first_row);
    for (var first = 0u; first < units; first += COLUMNS * UNITS) {
        let unit = first + local;
        let offsets = spread(unit, units) + 2u * units;
        var sums = Sums();
        add_states(&sums, FROM_WIDE, 0u, dims.hidden_quads, 0u, GATES * units, offsets, unit < units);
        for (var row = 0u; row < rows; row++) {
            let own = row_of(&sums, row);
            for (var each = 0u; unit + each * UNITS < units && each < COLUMNS; each++) {
                finish_unit(index, first_row + row, row, unit + each * UNITS, step, column_of(own, each), now, next);
            }
        }
    }
}

fn finish_unit(
    index: u32,
    batch_row: u32,
    row: u32,
    unit: u32,
    step: u32,
    of_hidden: f32,
    now: u32,
    next: u32,
) {
    let at = row * 4u * dims.hidden_quads + unit;
    let h = states[now + at];
    let place = place_of(index, batch_row, step);
    if place.valid {
        let of_input = gates[gates_of(index, batch_row, step) + 2u * dims.hidden_size + unit];
        let n = act_g(index, of_hidden + of_input);
        let z = states[next + at];
        let value = fma(z, h, (1.0 - z) * n);
        states[next + at] = value;
        write_output(index, batch_row, unit, place.time, value);
    } else {
        states[next + at] = h;
        write_output(index, batch_row, unit, step, 0.0);
    }
}
