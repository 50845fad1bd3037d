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
        if GATES == 3u && UNITS_EACH == 1u && busy && !is_hidden {
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
            let own = row_of(&sums, row);
            var to = Target(index, tile.row + row, step_of(index), unit);
            if UNITS_EACH == 1u {
                finish(to, own);
            } else {
                for (var each = 0u; unit + each * UNITS < all && each < UNITS_EACH; each++) {
                    to.unit = unit + each * UNITS;
                    finish(to, vec4<f32>(column_of(own, each)));
                }
            }
        }
    }
}

// The start of a row's input or hidden state; NOWHERE after the row's end.
fn start_of(index: u32, row: u32, is_hidden: bool, below: bool) -> u32 {
    let place = place_of(index, row, step_of(index));
    if !place.valid {
        return NOWHERE;
    }
    if is_hidden {
        return hidden_of(index, row);
    }
    if below {
        return hidden_of(index - 1u, row);
    }
    return (row * dims.steps + place.time) * input_quads(index);
}

fn finish(to: Target, sums: vec4<f32>) {
    let place = place_of(to.index, to.row, to.step);
    if TWO_PRODUCTS {
        if place.valid {
            leave(to, sums);
        }
        return;
    }
    let at = own_hidden(to);
    var h = 0.0;
    if NEEDS_HIDDEN_STATE || !place.valid {
        h = hidden[at / 4u][at % 4u];
    }
    if place.valid {
        let next = next_of(to, sums, h);
        next_hidden[at] = next;
        write_output(to, place.time, next);
    } else {
        // The row has ended: its state does not change, and the sequence after its length is zero.
        next_hidden[at] = h;
        write_output(to, to.step, 0.0);
    }
}
