// A row of a projection: where its vector starts, and its new hidden state.

const GATES = 1u;
const COLUMNS = 4u;

// The start of the vector that the step kernel stored for a row; NOWHERE after the row's end.
fn left_start(index: u32, row: u32, quads: u32) -> u32 {
    if !place_of(index, row, step_of(index)).valid {
        return NOWHERE;
    }
    return (index * dims.rows + row) * quads;
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
