// `input_product` for many rows: a workgroup computes a tile of TALL rows and WIDE columns, and an invocation
// four columns of ROWS rows. The workgroup loads each weight and each vector once for the whole tile, a block of
// quads at a time.

const GATES = 1u;
const COLUMNS = 4u;
// G, the number of gates of the layer's cell.
override CELL_GATES: u32 = 1u;

// Number of invocations with the same rows. The columns of an invocation lie so far apart.
const ACROSS = 32u;
// Number of columns and of rows of a tile.
const WIDE = 128u;
const TALL = 64u;

// A block of the vectors, [row][quad], and of the weights, [quad][column].
var<workgroup> vectors: array<vec4<f32>, 256>;
var<workgroup> columns_of_tile: array<vec4<f32>, 512>;

@compute @workgroup_size(UNITS)
fn input_product(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let columns = CELL_GATES * dims.hidden_size;
    let rows = params.count * dims.rows;
    let across = (columns + WIDE - 1u) / WIDE;
    let place = group.x + group.y * groups.x;
    let first_row = (place / across) * TALL;
    if first_row >= rows {
        return;
    }
    let first_column = (place % across) * WIDE;
    let index = params.first + group.z;
    let quads = input_quads(index);
    let weight_ih = weights_of(index);
    let bias = weight_ih + columns * (quads + dims.hidden_quads);

    // The invocation's quad of a block's vectors, and its column of the weights.
    let vector = row_start(index, first_row + local / BLOCK, rows, quads);
    let is_vector = vector != NOWHERE;
    let own_quad = local % BLOCK;
    let own_column = weight_ih + min(first_column + local % WIDE, columns - 1u);
    let own_row = (local / ACROSS) * ROWS;
    let column = local % ACROSS;
    let apart = ACROSS * vec4<u32>(0u, 1u, 2u, 3u);
    let offsets = min(vec4<u32>(first_column + column) + apart, vec4<u32>(columns - 1u));
    let start = vec4<f32>(
        bias_of(bias, offsets.x),
        bias_of(bias, offsets.y),
        bias_of(bias, offsets.z),
        bias_of(bias, offsets.w),
    );
    var sums = Sums();
    for (var row = 0u; row < ROWS; row++) {
        sums[row] = start;
    }
    for (var next = 0u; next < quads + BLOCK; next += BLOCK) {
        // The loads of the next block come before the products of this one, so that a compiler can hide their latency.
        // Beyond the last quad they repeat it, since a branch would end in a wait.
        let x = input[select(0u, vector + min(next + own_quad, quads - 1u), is_vector)];
        let quad = next + local / WIDE;
        let w0 = weights[own_column + min(quad, quads - 1u) * columns];
        let w1 = weights[own_column + min(quad + 2u, quads - 1u) * columns];
        if next > 0u {
            add_block(&sums, min(BLOCK, quads + BLOCK - next), own_row, column);
        }
        workgroupBarrier();
        vectors[local] = select(vec4<f32>(), x, is_vector);
        columns_of_tile[local] = unpack(w0);
        columns_of_tile[local + 2u * WIDE] = unpack(w1);
        workgroupBarrier();
    }
    for (var row = 0u; row < ROWS && first_row + own_row + row < rows; row++) {
        let own = row_of(&sums, row);
        let at = gates_start(index, first_row + own_row + row) * columns + first_column + column;
        for (var each = 0u; first_column + column + each * ACROSS < columns && each < 4u; each++) {
            next_hidden[at + each * ACROSS] = column_of(own, each);
        }
    }
}

// Adds the products of the block in workgroup memory, which has `count` quads.
fn add_block(sums: ptr<function, Sums>, count: u32, own_row: u32, column: u32) {
    var partial = Sums();
    for (var quad = 0u; quad < count; quad++) {
        let at = quad * WIDE + column;
        let w = mat4x4<f32>(
            columns_of_tile[at],
            columns_of_tile[at + ACROSS],
            columns_of_tile[at + 2u * ACROSS],
            columns_of_tile[at + 3u * ACROSS],
        );
        for (var row = 0u; row < ROWS; row++) {
            partial[row] = dots(w, vectors[(own_row + row) * BLOCK + quad], partial[row]);
        }
    }
    for (var row = 0u; row < ROWS; row++) {
        (*sums)[row] += partial[row];
    }
}
