// The input products of a chunk of time steps, X·W_ihᵀ + b, for both directions (grid z) of a layer. A row
// is one step of one batch row. The result is stored as the gates that the recurrent kernels read.

const GATES = 1u;
const COLUMNS = 4u;
// G, the number of gates of the layer's cell.
override CELL_GATES: u32 = 1u;

@compute @workgroup_size(UNITS)
fn input_product(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let columns = CELL_GATES * dims.hidden_size;
    let rows = params.count * dims.rows;
    let tile = tile_of(group, groups, columns, 4u * UNITS, rows);
    if !tile.inside {
        return;
    }
    let index = params.first + group.z;
    let column = tile.column + local;
    let busy = column < columns;
    let offsets = spread(column, columns);
    let quads = input_quads(index);
    let weight_ih = weights_of(index);
    let product = Product(FROM_INPUT, quads, weight_ih, columns);
    let bias = weight_ih + columns * (quads + dims.hidden_quads);

    var sums = Sums();
    if busy {
        let start = vec4<f32>(
            bias_of(bias, offsets.x),
            bias_of(bias, offsets.y),
            bias_of(bias, offsets.z),
            bias_of(bias, offsets.w),
        );
        for (var row = 0u; row < ROWS; row++) {
            sums[row] = start;
        }
    }
    if ROWS == 1u {
        if busy {
            let start = row_start(index, tile.row, rows, quads);
            add_single(&sums, product, offsets, start);
        }
    } else {
        var start = NOWHERE;
        let row = prepared_row(local);
        if row < ROWS {
            start = row_start(index, tile.row + row, rows, quads);
        }
        add_product(&sums, product, offsets, start, busy, local);
    }
    if busy {
        let last = min(ROWS, rows - tile.row);
        for (var row = 0u; row < last; row++) {
            let own = row_of(&sums, row);
            let at = gates_start(index, tile.row + row) * columns;
            for (var each = 0u; column + each * UNITS < columns && each < 4u; each++) {
                next_hidden[at + column + each * UNITS] = column_of(own, each);
            }
        }
    }
}
