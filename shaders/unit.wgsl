// The code that the recurrent kernels share: the initial values of a unit's sums and the unit's new state.

// Whether the input products were computed ahead; the sums are then those of the hidden state alone.
override HOISTED: bool = false;
// Whether a step sums the input product separately and adds it at the end. The bits are then those of an input product
// that was computed ahead.
override APART: bool = false;
// Whether the step has two products. The first stores its result for the second, which computes the hidden
// state.
override TWO_PRODUCTS: bool = false;

// The state of one unit.
struct Unit {
    h: f32,
    c: f32,
}

// The initial values of the sums of an invocation's units. `bias` is the start of the folded biases.
fn first_sums(bias: u32, unit: u32) -> vec4<f32> {
    if HOISTED {
        return sums_of_hidden(bias, unit);
    }
    if UNITS_EACH > 1u {
        let last = outputs() - 1u;
        return vec4<f32>(
            start_of_sums(bias, min(unit, last)).x,
            start_of_sums(bias, min(unit + ITEMS, last)).x,
            start_of_sums(bias, min(unit + 2u * ITEMS, last)).x,
            start_of_sums(bias, min(unit + 3u * ITEMS, last)).x,
        );
    }
    return start_of_sums(bias, unit);
}

// The same for the sums of the hidden state alone.
fn sums_of_hidden(bias: u32, unit: u32) -> vec4<f32> {
    if GATES == 3u && UNITS_EACH == 1u {
        let start = start_of_sums(bias, unit);
        return vec4<f32>(0.0, 0.0, start.w, 0.0);
    }
    return vec4<f32>();
}

// An item's sums of the input alone, each in the place of its input product.
fn sums_of_input(sums: vec4<f32>) -> vec4<f32> {
    if GATES == 3u && UNITS_EACH == 1u {
        return vec4<f32>(sums.xyz, sums.z);
    }
    return sums;
}

// The columns of a unit's gates, or of four outputs, in a matrix of G*H columns.
fn columns_of(unit: u32) -> vec4<u32> {
    if UNITS_EACH > 1u {
        return spread(unit, outputs());
    }
    let units = dims.hidden_size;
    return vec4<u32>(unit) + units * vec4<u32>(0u, 1u, 2u, select(0u, 3u, GATES == 4u));
}

// A unit's input products if they were computed ahead, each in the place of its sum.
fn ahead_of(to: Target) -> vec4<f32> {
    var ahead = vec4<f32>();
    if HOISTED {
        let at = gates_of(to.index, to.row, to.step) + to.unit;
        let units = dims.hidden_size;
        ahead.x = gates[at];
        if UNITS_EACH == 1u {
            ahead.y = gates[at + units];
        }
        if UNITS_EACH == 1u && GATES == 3u {
            ahead.w = gates[at + 2u * units];
        }
        if GATES == 4u {
            ahead.z = gates[at + 2u * units];
            ahead.w = gates[at + 3u * units];
        }
    }
    return ahead;
}

// An item's sums plus its input products. In a GRU, the input's share of n takes the fourth place alone.
fn joined(sums: vec4<f32>, ahead: vec4<f32>) -> vec4<f32> {
    if UNITS_EACH > 1u {
        return sums + ahead;
    }
    var total = sums;
    total.x += ahead.x;
    total.y += ahead.y;
    if GATES == 3u {
        total.w = ahead.w;
    }
    if GATES == 4u {
        total.z += ahead.z;
        total.w += ahead.w;
    }
    return total;
}

// A unit's sums plus its input products if they were computed ahead.
fn with_ahead(sums: vec4<f32>, ahead: vec4<f32>) -> vec4<f32> {
    if HOISTED {
        return joined(sums, ahead);
    }
    return sums;
}

// A unit's sums plus its input products if they were computed ahead.
fn total_of(to: Target, sums: vec4<f32>) -> vec4<f32> {
    return with_ahead(sums, ahead_of(to));
}

// Computes the new state of one unit of one row: stores the cell state and returns h.
fn next_of(to: Target, sums: vec4<f32>, h: f32) -> f32 {
    let total = total_of(to, sums);
    var previous = Unit(h, 0.0);
    let at = (to.index * dims.rows + to.row) * cell_size() + first_unit() + to.unit;
    if HAS_CELL_STATE {
        previous.c = cell_state[at];
    }
    let next = cell(total, previous, to.index, to.unit);
    if HAS_CELL_STATE {
        cell_state[at] = next.c;
    }
    return next.h;
}
