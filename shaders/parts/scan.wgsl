// `scan` with the recurrent weights in registers, for hardware. A workgroup has one row. Several invocations share
// an item, a unit or four units of an RNN: each has the weights of BLOCKS blocks of its terms from the first step
// to the last one. A step costs two barriers, and loads nothing but the input products of the next one.
//
// The sums of blocks meet in workgroup memory and are added in ascending order, like those of `product.wgsl`.

// Number of blocks of quads of an invocation.
override BLOCKS: u32 = 1u;
const MOST_BLOCKS = 3u;
// Number of floats of the state, and of sums of all items.
const STATE = 320u;
const PARTS = 832u;

// The hidden state, with zeros beyond its end.
var<workgroup> state: array<f32, STATE>;
// [part][item]: the sums of an item's first BLOCKS blocks, then those of each block behind them.
var<workgroup> parts: array<vec4<f32>, PARTS>;

// The weights of an invocation. They are indexed by constants, once loops over BLOCKS are unrolled.
alias Weights = array<array<Packed, COLUMNS>, MOST_BLOCKS * BLOCK>;

@compute @workgroup_size(UNITS)
fn scan(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let index = params.first + group.z;
    let row = group.x;
    let all = outputs();
    let items = (all + UNITS_EACH - 1u) / UNITS_EACH;
    let blocks = (dims.hidden_quads + BLOCK - 1u) / BLOCK;
    let item = local % items;
    let first = (local / items) * BLOCKS;
    let busy = first < blocks;
    let columns = GATES * dims.hidden_size;
    let weight_hh = weights_of(index) + columns * input_quads(index);
    let start = first_sums(weight_hh + columns * dims.hidden_quads, item);
    let offsets = columns_of_item(item, items);
    var w = Weights();
    for (var block = 0u; block < MOST_BLOCKS; block++) {
        if block < BLOCKS {
            for (var quad = 0u; quad < BLOCK; quad++) {
                w[block * BLOCK + quad] = kept_at(weight_hh, columns, (first + block) * BLOCK + quad, offsets);
            }
        }
    }

    // The invocation's own unit, if it has one.
    let is_unit = local < all;
    let unit = min(local, all - 1u);
    let at = 4u * hidden_of(index, row) + unit;
    let cell_at = (index * dims.rows + row) * dims.hidden_size + unit;
    var own = Unit(hidden[at / 4u][at % 4u], 0.0);
    if HAS_CELL_STATE {
        own.c = cell_state[cell_at];
    }
    for (var i = local; i < STATE; i += UNITS) {
        state[i] = select(0.0, own.h, i < all);
    }
    let length = lengths[row];
    let reverse = direction_of(index) >= dims.first_reverse;
    var ahead = ahead_of(Target(index, row, params.step, unit));
    workgroupBarrier();

    for (var count = 0u; count < params.count; count++) {
        let step = params.step + count;
        // The next step's input products arrive while this step computes.
        let now = ahead;
        ahead = ahead_of(Target(index, row, params.step + min(count + 1u, params.count - 1u), unit));
        if busy {
            var sums = start;
            for (var block = 0u; block < MOST_BLOCKS; block++) {
                if block < BLOCKS {
                    let partial = block_of_state(&w, block, first);
                    sums = select(partial, sums + partial, first == 0u);
                    if first > 0u || block == BLOCKS - 1u {
                        parts[(first + block + 1u - BLOCKS) * items + item] = sums;
                    }
                }
            }
        }
        workgroupBarrier();
        if is_unit {
            let last = (1u + blocks - min(blocks, BLOCKS)) * items;
            var sums = parts[unit % items];
            for (var part = items; part < last; part += items) {
                sums += parts[part + unit % items];
            }
            let of_unit = select(sums, vec4<f32>(column_of(sums, unit / items)), UNITS_EACH > 1u);
            let after = cell(with_ahead(of_unit, now), own, index, unit);
            // A row that has ended keeps its state, and the sequence after its length is zero.
            let valid = step < length;
            let time = select(step, length - 1u - step, reverse && valid);
            write_output(Target(index, row, step, unit), time, select(0.0, after.h, valid));
            own.h = select(own.h, after.h, valid);
            own.c = select(own.c, after.c, valid);
            state[unit] = own.h;
        }
        workgroupBarrier();
    }
    if is_unit {
        next_hidden[at] = own.h;
        if HAS_CELL_STATE {
            cell_state[cell_at] = own.c;
        }
    }
}

// The columns of an item.
fn columns_of_item(item: u32, items: u32) -> vec4<u32> {
    if UNITS_EACH > 1u {
        return min(vec4<u32>(item) + items * vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(outputs() - 1u));
    }
    return columns_of(item);
}

// The weights of a quad of an item; zeros beyond the last quad.
fn kept_at(weight_hh: u32, columns: u32, quad: u32, offsets: vec4<u32>) -> array<Packed, COLUMNS> {
    let at = weight_hh + min(quad, dims.hidden_quads - 1u) * columns;
    let is_quad = quad < dims.hidden_quads;
    var found = array<Packed, COLUMNS>();
    found[0] = select(Packed(), packed_at(at + offsets.x), is_quad);
    found[1] = select(Packed(), packed_at(at + offsets.y), is_quad);
    found[2] = select(Packed(), packed_at(at + offsets.z), is_quad);
    if COLUMNS > 3u {
        found[COLUMNS - 1u] = select(Packed(), packed_at(at + offsets.w), is_quad);
    }
    return found;
}

// The sums of one of the invocation's blocks.
fn block_of_state(w: ptr<function, Weights>, block: u32, first: u32) -> vec4<f32> {
    var partial = vec4<f32>();
    for (var quad = 0u; quad < BLOCK; quad++) {
        let i = block * BLOCK + quad;
        var last = vec4<f32>();
        if COLUMNS > 3u {
            last = unpack((*w)[i][COLUMNS - 1u]);
        }
        let of_quad = mat4x4<f32>(unpack((*w)[i][0]), unpack((*w)[i][1]), unpack((*w)[i][2]), last);
        partial = dots(of_quad, state_quad((first + block) * BLOCK + quad), partial);
    }
    return partial;
}

// A quad of the state. It is addressed as four times an index, so that compilers see its alignment.
fn state_quad(quad: u32) -> vec4<f32> {
    let at = 4u * quad;
    return vec4<f32>(state[at], state[at + 1u], state[at + 2u], state[at + 3u]);
}
