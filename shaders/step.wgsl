// One time step of the directions of one or more layers (grid z): both matrix products, the biases and the
// activation. If the input products were computed ahead, only the product with the hidden state.

@compute @workgroup_size(UNITS)
fn step(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let all = outputs();
    let tile = tile_of(group, groups, all, UNITS * UNITS_EACH, dims.rows);
    if !tile.inside {
        return;
    }
    let index = params.first + group.z;
    let unit = tile.column + local;
    let busy = unit < all;
    // Invocations without a unit may compute, too.
    let offsets = columns_of(min(unit, all - 1u));
    let columns = GATES * dims.hidden_size;
    let weight_ih = weights_of(index);
    let weight_hh = weight_ih + columns * input_quads(index);
    let bias = weight_hh + columns * dims.hidden_quads;

    var sums = Sums();
    // The sums of the input, if they are apart.
    var of_input = Sums();
    if busy {
        let start = first_sums(bias, unit);
        for (var row = 0u; row < ROWS; row++) {
            sums[row] = start;
        }
    }
    // On a diagonal, the hidden state of the layer below is the input.
    let below = params.diagonal == 1u && layer_of(index) > 0u;
    // The product of the input, unless it was computed ahead, and then that of the hidden state.
    for (var of_hidden = select(0u, 1u, HOISTED); of_hidden < 2u; of_hidden++) {
        let is_hidden = of_hidden == 1u;
        let quads = select(input_quads(index), dims.hidden_quads, is_hidden);
        let at = select(weight_ih, weight_hh, is_hidden);
        if ROWS == 1u {
            let start = start_of(index, tile.row, is_hidden, below);
            if busy && (is_hidden || below) {
                add_single(&sums, Product(FROM_HIDDEN, quads, at, columns), offsets, start);
            } else if busy {
                add_single(&sums, Product(FROM_INPUT, quads, at, columns), offsets, start);
            }
        } else {
            var start = NOWHERE;
            let row = prepared_row(local);
            if row < ROWS {
                start = start_of(index, tile.row + row, is_hidden, below);
            }
            let source = select(FROM_INPUT, FROM_HIDDEN, is_hidden || below);
            add_product(&sums, Product(source, quads, at, columns), offsets, start, busy, local);
        }
        if APART && busy && !is_hidden {
            for (var row = 0u; row < ROWS; row++) {
                of_input[row] = sums_of_input(sums[row]);
                sums[row] = sums_of_hidden(bias, unit);
            }
        } else if GATES == 3u && UNITS_EACH == 1u && busy && !is_hidden {
            // The input's share of n gets a sum of its own: the fourth, which has no column in a GRU.
            let b_hn = start_of_sums(bias, unit).w;
            for (var row = 0u; row < ROWS; row++) {
                sums[row] = vec4<f32>(sums[row].xy, b_hn, sums[row].z);
            }
        }
    }
    if busy {
        let rows = min(ROWS, dims.rows - tile.row);
        for (var row = 0u; row < rows; row++) {
            var own = row_of(&sums, row);
            if APART {
                own = joined(own, row_of(&of_input, row));
            }
            finish_item(Target(index, tile.row + row, step_of(index), unit), own);
        }
    }
}
