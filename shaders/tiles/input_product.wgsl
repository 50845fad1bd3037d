// `input_product` for many rows: a workgroup computes a tile of TALL rows and WIDE columns, and an invocation
// four columns of ROWS rows, as in `product/tiles.wgsl`.

const GATES = 1u;
const COLUMNS = 4u;
// G, the number of gates of the layer's cell.
override CELL_GATES: u32 = 1u;

// Number of columns and of rows of a tile.
const WIDE = 128u;
const TALL = 64u;
// A block of the tile.
var<workgroup> vectors: array<vec4<f32>, 256>;
var<workgroup> weights_of_tile: array<vec4<f32>, 512>;

@compute @workgroup_size(UNITS)
fn input_product(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let columns = CELL_GATES * dims.hidden_size;
    let rows = params.count * dims.rows;
    let tile = tall_tile_of(group, groups, columns, WIDE, rows, TALL);
    if !tile.inside {
        return;
    }
    let index = params.first + group.z;
    let quads = input_quads(index);
    let weight_ih = weights_of(index);
    let bias = weight_ih + columns * (quads + dims.hidden_quads);

    let column = tile.column + local % ITEMS;
    let offsets = spread(column, columns);
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
    let product = Product(FROM_INPUT, quads, weight_ih, columns);
    let loaded = min(tile.column + loaded_column(local) * ITEMS + local % ITEMS, columns - 1u);
    add_tile(&sums, product, loaded, row_start(index, tile.row + loaded_row(local), rows, quads), local);

    let own_row = tile.row + own_row_of(local);
    for (var row = 0u; row < ROWS && own_row + row < rows; row++) {
        let own = row_of(&sums, row);
        let at = gates_start(index, own_row + row) * columns + column;
        for (var each = 0u; column + each * ITEMS < columns && each < 4u; each++) {
            next_hidden[at + each * ITEMS] = column_of(own, each);
        }
    }
}
