// Many time steps of a layer's directions (grid z) in one dispatch. A workgroup owns ROWS rows of the batch
// and all their units, keeps the hidden state in workgroup memory and loops over time. The input products
// were computed ahead.

// Number of floats of one hidden state, ROWS rows of whole quads; and of the vectors that the second product
// of a step multiplies, 1 if there is none.
override STATE: u32 = 8u;
override WIDE_STATE: u32 = 1u;
// Number of weight elements, from W_hh on, that the workgroup copies to workgroup memory; 1 if it reads the
// weights from the buffer.
override KEPT: u32 = 1u;

// The hidden states before and after a step; the two halves alternate.
var<workgroup> states: array<f32, 2u * STATE>;
var<workgroup> wide: array<f32, WIDE_STATE>;
var<workgroup> kept: array<Packed, KEPT>;
// The start of W_hh in the weights.
var<private> weight_hh: u32;

// A step of a workgroup.
struct Turn {
    index: u32,
    // The workgroup's first row of the batch.
    first_row: u32,
    step: u32,
    // The starts of the hidden states before and after the step.
    now: u32,
    next: u32,
}

const FROM_STATE = 0u;
const FROM_WIDE = 1u;

@compute @workgroup_size(UNITS)
fn scan(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let index = params.first + group.z;
    let first_row = group.x * ROWS;
    let size = dims.hidden_output_size;
    let stride = 4u * dims.hidden_quads;
    // Sets the padding of both states to zero; it never changes.
    for (var i = local; i < 2u * STATE; i += UNITS) {
        states[i] = 0.0;
    }
    for (var i = local; i < WIDE_STATE; i += UNITS) {
        wide[i] = 0.0;
    }
    weight_hh = weights_of(index) + GATES * dims.hidden_size * input_quads(index);
    if KEPT > 1u {
        let end = weights_of(index) + weights_in(index);
        for (var i = local; i < end - weight_hh; i += UNITS) {
            kept[i] = weights[weight_hh + i];
        }
    }
    workgroupBarrier();
    for (var i = local; i < ROWS * size; i += UNITS) {
        let row = first_row + i / size;
        if row < dims.rows {
            let at = 4u * hidden_of(index, row) + i % size;
            states[(i / size) * stride + i % size] = hidden[at / 4u][at % 4u];
        }
    }
    workgroupBarrier();

    var now = 0u;
    for (var count = 0u; count < params.count; count++) {
        let step = params.step + count;
        let next = STATE - now;
        let turn = Turn(index, first_row, step, now, next);
        walk(turn, local);
        workgroupBarrier();
        if TWO_PRODUCTS {
            second_product(turn, local);
            workgroupBarrier();
        }
        now = next;
    }
    for (var i = local; i < ROWS * size; i += UNITS) {
        let row = first_row + i / size;
        if row < dims.rows {
            next_hidden[4u * hidden_of(index, row) + i % size] = states[now + (i / size) * stride + i % size];
        }
    }
}

// Computes one step of every unit.
fn walk(turn: Turn, local: u32) {
    let all = outputs();
    let columns = GATES * dims.hidden_size;
    let bias = weight_hh + columns * dims.hidden_quads;
    let rows = min(ROWS, dims.rows - turn.first_row);
    for (var first = 0u; first < all; first += UNITS * UNITS_EACH) {
        let unit = first + local;
        // Invocations without a unit may compute, too.
        let near = min(unit, all - 1u);
        var sums = Sums();
        let start = first_sums(bias, near);
        for (var row = 0u; row < ROWS; row++) {
            sums[row] = start;
        }
        let busy = unit < all;
        let product = Product(FROM_STATE, dims.hidden_quads, 0u, columns);
        add_states(&sums, product, columns_of(near), turn.now / 4u, busy);
        for (var row = 0u; row < rows; row++) {
            let own = row_of(&sums, row);
            for (var each = 0u; unit + each * UNITS < all && each < UNITS_EACH; each++) {
                let of_unit = select(own, vec4<f32>(column_of(own, each)), UNITS_EACH > 1u);
                finish(turn, row, unit + each * UNITS, of_unit);
            }
        }
    }
}

// A quad of a state.
fn quad_of(source: u32, quad: u32) -> vec4<f32> {
    let at = 4u * quad;
    if source == FROM_WIDE {
        return vec4<f32>(wide[at], wide[at + 1u], wide[at + 2u], wide[at + 3u]);
    }
    return vec4<f32>(states[at], states[at + 1u], states[at + 2u], states[at + 3u]);
}

// An element of the recurrent weights, counted from W_hh.
fn packed_at(at: u32) -> Packed {
    if KEPT > 1u {
        return kept[at];
    }
    return weights[weight_hh + at];
}

// Multiplies each row's state, the first one from `start` on, and adds the products to the row's sums.
fn add_states(sums: ptr<function, Sums>, product: Product, offsets: vec4<u32>, start: u32, busy: bool) {
    if ROWS > 1u {
        add_rows(sums, product, offsets, start, busy);
    } else if busy {
        add_single(sums, product, offsets, start);
    }
}

// A unit of a row of the workgroup.
fn target_of(turn: Turn, row: u32, unit: u32) -> Target {
    return Target(turn.index, turn.first_row + row, turn.step, unit);
}

fn finish(turn: Turn, row: u32, unit: u32, sums: vec4<f32>) {
    let to = target_of(turn, row, unit);
    let place = place_of(to.index, to.row, to.step);
    if TWO_PRODUCTS {
        if place.valid {
            leave(turn, row, to, sums);
        }
        return;
    }
    let at = row * 4u * dims.hidden_quads + unit;
    let h = states[turn.now + at];
    if place.valid {
        let value = next_of(to, sums, h);
        states[turn.next + at] = value;
        write_output(to, place.time, value);
    } else {
        states[turn.next + at] = h;
        write_output(to, to.step, 0.0);
    }
}
