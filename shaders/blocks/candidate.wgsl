// `candidate` for few rows. A workgroup has one row and ITEMS items of four units. Its invocations share the terms of each
// item, as in `product/blocks.wgsl`.

@compute @workgroup_size(UNITS)
fn candidate(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let units = dims.hidden_size;
    let tile = tile_of(group, groups, units, 4u * ITEMS, dims.rows);
    if !tile.inside {
        return;
    }
    let index = params.first + group.z;
    let unit = tile.column + local % ITEMS;
    let columns = GATES * units;
    let weight_hh = weights_of(index) + columns * input_quads(index);
    let product = Product(FROM_INPUT, dims.hidden_quads, weight_hh, columns);
    let offsets = spread(unit, units) + 2u * units;
    var sums = vec4<f32>();
    var half = 0u;
    add_blocks(&sums, &half, product, offsets, left_start(index, tile.row), local);
    if local < ITEMS {
        for (var each = 0u; unit + each * ITEMS < units && each < 4u; each++) {
            finish(Target(index, tile.row, step_of(index), unit + each * ITEMS), column_of(sums, each));
        }
    }
}
