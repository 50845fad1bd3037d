// The second product of a step for few rows. A workgroup has one row and ITEMS items of four columns. Its invocations share
// the terms of each item, as in `product/blocks.wgsl`.

fn second(group: vec3<u32>, groups: vec3<u32>, local: u32) {
    let tile = tile_of(group, groups, outputs(), 4u * ITEMS, dims.rows);
    if !tile.inside {
        return;
    }
    let index = params.first + group.z;
    let column = tile.column + local % ITEMS;
    var sums = vec4<f32>();
    var half = 0u;
    let start = left_start(index, tile.row);
    add_blocks(&sums, &half, product_of(index), columns_of(column), start, local);
    if local < ITEMS {
        finish_item(Target(index, tile.row, step_of(index), column), sums);
    }
}
