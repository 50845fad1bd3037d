// `scan` with the recurrent weights in registers: an invocation has all units that it computes from the first
// step to the last one, so a workgroup has an invocation for each unit, or for four units of an RNN. Only the
// hidden state is in workgroup memory. The cell state and the lengths are in registers, too.

// Number of quads of one hidden state of ROWS rows.
override STATE: u32 = 8u;

// The hidden states before and after a step; the two halves alternate. Invocations write single components,
// which WGSL lets a compiler turn into a store of the whole vector. None of those for which this kernel is
// planned does so, and a load of a vector is four times as fast there.
var<workgroup> states: array<vec4<f32>, 2u * STATE>;

@compute @workgroup_size(UNITS)
fn scan(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let index = params.first + group.z;
    let first_row = group.x * ROWS;
    let rows = min(ROWS, dims.rows - first_row);
    let all = outputs();
    // Invocations without a unit compute, too, but store nothing.
    let near = min(local, all - 1u);
    let columns = GATES * dims.hidden_size;
    let weight_hh = weights_of(index) + columns * input_quads(index);
    let start = first_sums(weight_hh + columns * dims.hidden_quads, near);
    var w = Weights();
    load_weights(&w, weight_hh, columns, columns_of(near), dims.hidden_quads);

    for (var i = local; i < STATE; i += UNITS) {
        var value = vec4<f32>();
        if i / QUADS < rows {
            value = hidden[hidden_of(index, first_row + i / QUADS) + i % QUADS];
        }
        states[i] = value;
        // The padding must be zero in both halves.
        states[STATE + i] = value;
    }
    // For each row: the hidden state of the invocation's units, or h and c of its only unit; and the length.
    var carried = Sums();
    var ends = Sums();
    for (var row = 0u; row < rows; row++) {
        set_row(&carried, row, state_of(index, first_row + row, near));
        set_row(&ends, row, bitcast<vec4<f32>>(vec4<u32>(lengths[first_row + row])));
    }
    workgroupBarrier();

    var now = 0u;
    for (var count = 0u; count < params.count; count++) {
        let step = params.step + count;
        let next = STATE - now;
        var sums = Sums();
        for (var row = 0u; row < ROWS; row++) {
            sums[row] = start;
        }
        add_vectors(&w, &sums, now);
        for (var row = 0u; row < rows; row++) {
            let length = bitcast<vec4<u32>>(row_of(&ends, row)).x;
            var own = row_of(&carried, row);
            let of_row = row_of(&sums, row);
            for (var each = 0u; local + each * UNITS < all && each < UNITS_EACH; each++) {
                let unit = local + each * UNITS;
                let to = Target(index, first_row + row, step, unit);
                own = finish(to, each, own, of_row, step < length, length);
                states[next + row * QUADS + unit / 4u][unit % 4u] = column_of(own, each);
            }
            set_row(&carried, row, own);
        }
        workgroupBarrier();
        now = next;
    }
    for (var row = 0u; row < rows; row++) {
        let own = row_of(&carried, row);
        for (var each = 0u; local + each * UNITS < all && each < UNITS_EACH; each++) {
            let unit = local + each * UNITS;
            next_hidden[4u * hidden_of(index, first_row + row) + unit] = column_of(own, each);
            if HAS_CELL_STATE {
                cell_state[(index * dims.rows + first_row + row) * dims.hidden_size + unit] = own.y;
            }
        }
    }
}

// The state of a row before the first step.
fn state_of(index: u32, row: u32, unit: u32) -> vec4<f32> {
    var own = vec4<f32>();
    for (var each = 0u; each < UNITS_EACH; each++) {
        let at = 4u * hidden_of(index, row) + min(unit + each * UNITS, outputs() - 1u);
        own = with_column(own, each, hidden[at / 4u][at % 4u]);
    }
    if HAS_CELL_STATE {
        own.y = cell_state[(index * dims.rows + row) * dims.hidden_size + unit];
    }
    return own;
}

// Replaces one of four columns.
fn with_column(columns: vec4<f32>, each: u32, value: f32) -> vec4<f32> {
    return select(columns, vec4<f32>(value), vec4<u32>(each) == vec4<u32>(0u, 1u, 2u, 3u));
}

// Writes a unit's output and returns the state of the invocation's units after the step. A row that has ended
// keeps its state, and the sequence after its length is zero.
fn finish(to: Target, each: u32, own: vec4<f32>, sums: vec4<f32>, valid: bool, length: u32) -> vec4<f32> {
    let of_unit = select(sums, vec4<f32>(column_of(sums, each)), UNITS_EACH > 1u);
    let before = Unit(column_of(own, each), own.y);
    let after = cell(total_of(to, of_unit), before, to.index, to.unit);
    let reverse = valid && direction_of(to.index) >= dims.first_reverse;
    write_output(to, select(to.step, length - 1u - to.step, reverse), select(0.0, after.h, valid));
    var next = with_column(own, each, select(before.h, after.h, valid));
    if HAS_CELL_STATE {
        next.y = select(before.c, after.c, valid);
    }
    return next;
}

// A quad of a row's hidden state. The states from `start` on are those before the step.
fn held_quad(start: u32, row: u32, quad: u32) -> vec4<f32> {
    return states[start + row * QUADS + quad];
}
