// `step` for many rows: a workgroup computes a tile of TALL rows and ITEMS items, and an invocation one item
// of ROWS rows, as in `product/tiles.wgsl`. An item is a unit, or four units of an RNN.

// Number of rows of a tile.
const TALL = 32u;
// A block of the tile.
var<workgroup> vectors: array<vec4<f32>, 128>;
var<workgroup> weights_of_tile: array<vec4<f32>, 256>;

@compute @workgroup_size(UNITS)
fn step(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let all = outputs();
    let tile = tall_tile_of(group, groups, all, ITEMS * UNITS_EACH, dims.rows, TALL);
    if !tile.inside {
        return;
    }
    let index = params.first + group.z;
    let unit = tile.column + local % ITEMS;
    // Invocations without a unit load weights, too.
    let near = min(unit, all - 1u);
    let loaded = offset_of(columns_of(near), loaded_column(local));
    let columns = GATES * dims.hidden_size;
    let weight_ih = weights_of(index);
    let weight_hh = weight_ih + columns * input_quads(index);
    let bias = weight_hh + columns * dims.hidden_quads;
    // On a diagonal, the hidden state of the layer below is the input.
    let below = params.diagonal == 1u && layer_of(index) > 0u;

    let first = first_sums(bias, near);
    var sums = Sums();
    for (var row = 0u; row < ROWS; row++) {
        sums[row] = first;
    }
    // The product of the input, unless it was computed ahead, and then that of the hidden state.
    for (var of_hidden = select(0u, 1u, HOISTED); of_hidden < 2u; of_hidden++) {
        let is_hidden = of_hidden == 1u;
        let quads = select(input_quads(index), dims.hidden_quads, is_hidden);
        let at = select(weight_ih, weight_hh, is_hidden);
        let start = start_of(index, tile.row + loaded_row(local), is_hidden, below);
        // A branch in the loop would end in a wait.
        if is_hidden || below {
            add_tile(&sums, Product(FROM_HIDDEN, quads, at, columns), loaded, start, local);
        } else {
            add_tile(&sums, Product(FROM_INPUT, quads, at, columns), loaded, start, local);
        }
        if GATES == 3u && UNITS_EACH == 1u && !is_hidden {
            // The input's share of n gets a sum of its own: the fourth, which has no column in a GRU.
            let b_hn = start_of_sums(bias, near).w;
            for (var row = 0u; row < ROWS; row++) {
                sums[row] = vec4<f32>(sums[row].xy, b_hn, sums[row].z);
            }
        }
    }
    let own_row = tile.row + own_row_of(local);
    if unit < all {
        for (var row = 0u; row < ROWS && own_row + row < dims.rows; row++) {
            finish_item(Target(index, own_row + row, step_of(index), unit), row_of(&sums, row));
        }
    }
}

// One of four offsets, without indexing at run time.
fn offset_of(offsets: vec4<u32>, each: u32) -> u32 {
    let low = select(offsets.x, offsets.y, each == 1u);
    return select(low, select(offsets.z, offsets.w, each == 3u), each > 1u);
}
