// The places of the input products' biases, vectors and results.

// A column's bias: the component of its gate in its unit's biases.
fn bias_of(bias: u32, column: u32) -> f32 {
    return start_of_sums(bias, column % dims.hidden_size)[column / dims.hidden_size];
}

fn row_start(index: u32, row: u32, rows: u32, quads: u32) -> u32 {
    let batch_row = row % dims.rows;
    let place = place_of(index, batch_row, params.chunk + row / dims.rows);
    if row >= rows || !place.valid {
        return NOWHERE;
    }
    return (batch_row * dims.steps + place.time) * quads;
}

// The position of a row's vector in the gates.
fn gates_start(index: u32, row: u32) -> u32 {
    return ((row / dims.rows) * dims.directions + direction_of(index)) * dims.rows + row % dims.rows;
}
