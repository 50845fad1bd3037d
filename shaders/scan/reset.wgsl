// The second product of a step of `scan`: the gate n of a GRU that resets before the recurrent product.

// Stores the gates. The targets are columns, r or z of a unit. r h goes into `wide`, where the second product reads it;
// the argument of z goes into the place of the next state.
fn leave(turn: Turn, row: u32, to: Target, sums: vec4<f32>) {
    let at = row * 4u * dims.hidden_quads + to.unit % dims.hidden_size;
    let argument = next_of(to, sums, 0.0);
    if to.unit < dims.hidden_size {
        wide[at] = act_times(gate_f(to.index, argument), states[turn.now + at]);
    } else {
        states[turn.next + at] = argument;
    }
}

fn second_product(turn: Turn, local: u32) {
    let units = dims.hidden_size;
    let rows = min(ROWS, dims.rows - turn.first_row);
    for (var first = 0u; first < units; first += COLUMNS * UNITS) {
        let unit = first + local;
        let offsets = spread(unit, units) + 2u * units;
        var sums = Sums();
        let product = Product(FROM_WIDE, dims.hidden_quads, 0u, GATES * units);
        add_states(&sums, product, offsets, 0u, unit < units);
        for (var row = 0u; row < rows; row++) {
            let own = row_of(&sums, row);
            for (var each = 0u; unit + each * UNITS < units && each < COLUMNS; each++) {
                finish_unit(turn, row, unit + each * UNITS, column_of(own, each));
            }
        }
    }
}

fn finish_unit(turn: Turn, row: u32, unit: u32, of_hidden: f32) {
    let at = row * 4u * dims.hidden_quads + unit;
    let h = states[turn.now + at];
    let to = target_of(turn, row, unit);
    let place = place_of(to.index, to.row, to.step);
    if place.valid {
        let of_input = gates[gates_of(to.index, to.row, to.step) + 2u * dims.hidden_size + unit];
        let n = act_g(to.index, of_hidden + of_input);
        let z = gate_f(to.index, states[turn.next + at]);
        let value = fma(z.value, z.scale * h, (1.0 - z.value) * n);
        states[turn.next + at] = value;
        write_output(to, place.time, value);
    } else {
        states[turn.next + at] = h;
        write_output(to, to.step, 0.0);
    }
}
