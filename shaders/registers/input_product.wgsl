// `input_product` with the weights in registers: the workgroups of a column divide the tiles of rows among
// themselves.

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
    let across = (columns + 4u * UNITS - 1u) / (4u * UNITS);
    let place = group.x + group.y * groups.x;
    let parts = groups.x * groups.y / across;
    if place >= parts * across {
        return;
    }
    let index = params.first + group.z;
    let column = (place % across) * 4u * UNITS + local;
    let offsets = spread(column, columns);
    let weight_ih = weights_of(index);
    let bias = weight_ih + columns * (QUADS + dims.hidden_quads);
    let start = vec4<f32>(
        bias_of(bias, offsets.x),
        bias_of(bias, offsets.y),
        bias_of(bias, offsets.z),
        bias_of(bias, offsets.w),
    );
    var w = Weights();
    load_weights(&w, weight_ih, columns, offsets, input_quads(index));

    let own_row = lane();
    for (var first = (place / across) * ROWS; first < rows; first += parts * ROWS) {
        var sums = Sums();
        for (var row = 0u; row < ROWS; row++) {
            sums[row] = start;
        }
        var vector = NOWHERE;
        if own_row < ROWS {
            vector = row_start(index, first + own_row, rows, QUADS);
        }
        add_vectors(&w, &sums, vector);
        let last = min(ROWS, rows - first);
        for (var row = 0u; row < last; row++) {
            let own = row_of(&sums, row);
            let at = gates_start(index, first + row) * columns;
            for (var each = 0u; column + each * UNITS < columns && each < 4u; each++) {
                next_hidden[at + column + each * UNITS] = column_of(own, each);
            }
        }
    }
}

// A quad of a row's vector. `start` is the start of the vector of the lane's own row.
fn held_quad(start: u32, row: u32, quad: u32) -> vec4<f32> {
    let of_row = subgroupShuffle(start, row);
    if of_row == NOWHERE {
        return vec4<f32>();
    }
    return input[of_row + quad];
}
