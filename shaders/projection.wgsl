// The projection of an LSTM at one time step: W_hr times the vectors that the step kernel stored. The result
// is the new hidden state.

@compute @workgroup_size(UNITS)
fn projection(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let columns = dims.hidden_output_size;
    let tile = tile_of(group, groups, columns, 4u * UNITS, dims.rows);
    if !tile.inside {
        return;
    }
    let index = params.first + group.z;
    let column = tile.column + local;
    let quads = (dims.hidden_size + 3u) / 4u;
    // W_hr is the last of its direction's weights.
    let weight_hr = weights_of(index) + weights_in(index) - columns * quads;

    var sums = Sums();
    let busy = column < columns;
    let offsets = spread(column, columns);
    let product = Product(FROM_INPUT, quads, weight_hr, columns);
    if ROWS == 1u {
        if busy {
            add_single(&sums, product, offsets, left_start(index, tile.row, quads));
        }
    } else {
        var start = NOWHERE;
        let row = prepared_row(local);
        if row < ROWS {
            start = left_start(index, tile.row + row, quads);
        }
        add_product(&sums, product, offsets, start, busy, local);
    }
    if busy {
        let rows = min(ROWS, dims.rows - tile.row);
        for (var row = 0u; row < rows; row++) {
            let own = row_of(&sums, row);
            for (var each = 0u; column + each * UNITS < columns && each < 4u; each++) {
                let to = Target(index, tile.row + row, step_of(index), column + each * UNITS);
                finish(to, column_of(own, each));
            }
        }
    }
}
