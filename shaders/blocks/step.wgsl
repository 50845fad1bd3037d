// `step` for few rows. A workgroup has one row and ITEMS items. Its invocations share the terms of each item, as in
// `product/blocks.wgsl`. An item is a unit, or four units of an RNN.

@compute @workgroup_size(UNITS)
fn step(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let all = outputs();
    let tile = tile_of(group, groups, all, ITEMS * UNITS_EACH, dims.rows);
    if !tile.inside {
        return;
    }
    let index = params.first + group.z;
    let unit = tile.column + local % ITEMS;
    // Invocations without a unit may compute, too.
    let near = min(unit, all - 1u);
    let offsets = columns_of(near);
    let columns = GATES * dims.hidden_size;
    let weight_ih = weights_of(index);
    let weight_hh = weight_ih + columns * input_quads(index);
    let bias = weight_hh + columns * dims.hidden_quads;
    // On a diagonal, the hidden state of the layer below is the input.
    let below = params.diagonal == 1u && layer_of(index) > 0u;

    var sums = first_sums(bias, near);
    // The sums of the input, if they are apart.
    var of_input = vec4<f32>();
    var half = 0u;
    for (var of_hidden = select(0u, 1u, HOISTED); of_hidden < 2u; of_hidden++) {
        let is_hidden = of_hidden == 1u;
        let quads = select(input_quads(index), dims.hidden_quads, is_hidden);
        let at = select(weight_ih, weight_hh, is_hidden);
        let source = select(FROM_INPUT, FROM_HIDDEN, is_hidden || below);
        let start = start_of(index, tile.row, is_hidden, below);
        add_blocks(&sums, &half, Product(source, quads, at, columns), offsets, start, local);
        if APART && !is_hidden {
            of_input = sums_of_input(sums);
            sums = sums_of_hidden(bias, near);
        } else if GATES == 3u && UNITS_EACH == 1u && !is_hidden {
            // The input's share of n gets a sum of its own: the fourth, which has no column in a GRU.
            sums = vec4<f32>(sums.xy, start_of_sums(bias, near).w, sums.z);
        }
    }
    if APART {
        sums = joined(sums, of_input);
    }
    if local < ITEMS && unit < all {
        finish_item(Target(index, tile.row, step_of(index), unit), sums);
    }
}
