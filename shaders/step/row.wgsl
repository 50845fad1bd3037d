// A row of a step: where its vectors start, and its new state.

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

// Finishes an item: a unit, or several units that lie ITEMS apart.
fn finish_item(first: Target, sums: vec4<f32>) {
    if UNITS_EACH == 1u {
        finish(first, sums);
    } else {
        var to = first;
        for (var each = 0u; first.unit + each * ITEMS < outputs() && each < UNITS_EACH; each++) {
            to.unit = first.unit + each * ITEMS;
            finish(to, vec4<f32>(column_of(sums, each)));
        }
    }
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
