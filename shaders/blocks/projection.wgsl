// `projection` for few rows. A workgroup has one row and ITEMS items of four columns. Its invocations share the terms of
// each item, as in `product/blocks.wgsl`.

@compute @workgroup_size(UNITS)
fn projection(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let columns = dims.hidden_output_size;
    let tile = tile_of(group, groups, columns, 4u * ITEMS, dims.rows);
    if !tile.inside {
        return;
    }
    let index = params.first + group.z;
    let column = tile.column + local % ITEMS;
    let quads = (dims.hidden_size + 3u) / 4u;
    // W_hr is the last of its direction's weights.
    let weight_hr = weights_of(index) + weights_in(index) - columns * quads;
    let product = Product(FROM_INPUT, quads, weight_hr, columns);
    var sums = vec4<f32>();
    var half = 0u;
    add_blocks(&sums, &half, product, spread(column, columns), left_start(index, tile.row, quads), local);
    if local < ITEMS {
        for (var each = 0u; column + each * ITEMS < columns && each < 4u; each++) {
            let to = Target(index, tile.row, step_of(index), column + each * ITEMS);
            finish(to, column_of(sums, each));
        }
    }
}
