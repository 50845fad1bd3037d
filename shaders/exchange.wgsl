// Copies states between a session, [L, capacity, …], and a pass, [L, N, …]: `gather` before the pass,
// `scatter` after it. A pass has slots only for the rows that have input now. It has two buffers for the
// hidden state, which alternate by step.

struct Exchange {
    // N, R and L.
    slots: u32,
    capacity: u32,
    layers: u32,
    // Quads of H_out; and H, or 0 if the cell has no cell state.
    hidden_quads: u32,
    cell_size: u32,
    // Bit 0: which of the two hidden buffers has the final state of layer 0. Bit 1: whether the buffers
    // alternate by layer.
    parity: u32,
}

@group(0) @binding(1) var<uniform> exchange: Exchange;
// gather: the session's hidden state; scatter: the pass's first hidden buffer. In quads.
@group(0) @binding(4) var<storage, read> from_first: array<vec4<f32>>;
// gather: the pass's first hidden buffer; scatter: the session's hidden state.
@group(0) @binding(5) var<storage, read_write> to_first: array<f32>;
// The pass's cell state.
@group(0) @binding(6) var<storage, read_write> cell_state: array<f32>;
// gather: the pass's second hidden buffer; scatter: the session's cell state.
@group(0) @binding(7) var<storage, read_write> to_second: array<f32>;
// The row of each slot, with the bit FRESH if the row starts from zero; NOBODY if the slot has no row.
@group(0) @binding(8) var<storage, read> rows: array<u32>;
// gather: the session's cell state; scatter: the pass's second hidden buffer.
@group(0) @binding(9) var<storage, read> from_second: array<f32>;

const FRESH = 0x80000000u;
const NOBODY = 0xffffffffu;

// The position in the session's state of element `at` of a pass's state, [L, N, size].
fn place_of(at: u32, size: u32) -> u32 {
    let row = rows[at / size % exchange.slots] & ~FRESH;
    return (at / size / exchange.slots * exchange.capacity + row) * size + at % size;
}

@compute @workgroup_size(64)
fn gather(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let stride = 4u * exchange.hidden_quads;
    let states = exchange.layers * exchange.slots;
    for (var at = id.x; at < states * stride; at += 64u * groups.x) {
        var value = 0.0;
        if rows[at / stride % exchange.slots] < FRESH {
            let place = place_of(at, stride);
            value = from_first[place / 4u][place % 4u];
        }
        to_first[at] = value;
        to_second[at] = value;
    }
    let size = exchange.cell_size;
    for (var at = id.x; at < states * size; at += 64u * groups.x) {
        var value = 0.0;
        if rows[at / size % exchange.slots] < FRESH {
            value = from_second[place_of(at, size)];
        }
        cell_state[at] = value;
    }
}

@compute @workgroup_size(64)
fn scatter(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let stride = 4u * exchange.hidden_quads;
    let states = exchange.layers * exchange.slots;
    for (var at = id.x; at < states * stride; at += 64u * groups.x) {
        let state = at / stride;
        if rows[state % exchange.slots] == NOBODY {
            continue;
        }
        let parity = exchange.parity + state / exchange.slots * (exchange.parity >> 1u);
        to_first[place_of(at, stride)] = select(from_first[at / 4u][at % 4u], from_second[at], (parity & 1u) == 1u);
    }
    let size = exchange.cell_size;
    for (var at = id.x; at < states * size; at += 64u * groups.x) {
        if rows[at / size % exchange.slots] != NOBODY {
            to_second[place_of(at, size)] = cell_state[at];
        }
    }
}
