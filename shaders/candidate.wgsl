// The second product of one time step of a GRU that resets before the recurrent product: W_hn times r h,
// which the step kernel stored. It gives the gate n and with it the new hidden state.

@compute @workgroup_size(UNITS)
fn candidate(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let units = dims.hidden_size;
    let tile = tile_of(group, groups, units, 4u * UNITS, dims.rows);
    if !tile.inside {
        return;
    }
    let index = params.first + group.z;
    let unit = tile.column + local;
    let quads = dims.hidden_quads;
    let columns = GATES * units;
    let weight_hh = weights_of(index) + columns * input_quads(index);

    var sums = Sums();
    let busy = unit < units;
    let offsets = spread(unit, units) + 2u * units;
    let product = Product(FROM_INPUT, quads, weight_hh, columns);
    if ROWS == 1u {
        if busy {
            add_single(&sums, product, offsets, left_start(index, tile.row));
        }
    } else {
        var start = NOWHERE;
        let row = prepared_row(local);
        if row < ROWS {
            start = left_start(index, tile.row + row);
        }
        add_product(&sums, product, offsets, start, busy, local);
    }
    if busy {
        let rows = min(ROWS, dims.rows - tile.row);
        for (var row = 0u; row < rows; row++) {
            let own = row_of(&sums, row);
            for (var each = 0u; unit + each * UNITS < units && each < 4u; each++) {
                let to = Target(index, tile.row + row, step_of(index), unit + each * UNITS);
                finish(to, column_of(own, each));
            }
        }
    }
}
