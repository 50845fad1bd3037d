// `step` for few rows on hardware. A workgroup has one row and ITEMS items: an item is a unit, or four units of an RNN.
// AT_ONCE invocations compute the sums of an item together, each of them one block of its terms at a time.
//
// The sums of the blocks meet in workgroup memory and are added in ascending order, like those of `product.wgsl`.

// Number of blocks that are computed at a time.
const AT_ONCE = 16u;
// [half][block][item]. The halves alternate, so that one barrier is enough for AT_ONCE blocks.
const HALF = 256u;
var<workgroup> blocks: array<vec4<f32>, 2u * HALF>;

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
    let item = local % ITEMS;
    let own_block = local / ITEMS;
    let unit = tile.column + item;
    // Invocations without a unit may compute, too.
    let near = min(unit, all - 1u);
    let offsets = columns_of(near);
    let columns = GATES * dims.hidden_size;
    let weight_ih = weights_of(index);
    let weight_hh = weight_ih + columns * input_quads(index);
    let bias = weight_hh + columns * dims.hidden_quads;
    // On a diagonal, the hidden state of the layer below is the input.
    let below = params.diagonal == 1u && layer_of(index) > 0u;

    // Only the first invocation of an item adds up all of its blocks.
    var sums = first_sums(bias, near);
    // The sums of the input, if they are apart.
    var of_input = vec4<f32>();
    var base = 0u;
    for (var of_hidden = select(0u, 1u, HOISTED); of_hidden < 2u; of_hidden++) {
        let is_hidden = of_hidden == 1u;
        let quads = select(input_quads(index), dims.hidden_quads, is_hidden);
        let at = select(weight_ih, weight_hh, is_hidden);
        let start = start_of(index, tile.row, is_hidden, below);
        let count = select((quads + BLOCK - 1u) / BLOCK, 0u, start == NOWHERE);
        for (var first = 0u; first < count; first += AT_ONCE) {
            let block = first + own_block;
            if block < count && (is_hidden || below) {
                blocks[base + local] = sums_of(Product(FROM_HIDDEN, quads, at, columns), offsets, start, block);
            } else if block < count {
                blocks[base + local] = sums_of(Product(FROM_INPUT, quads, at, columns), offsets, start, block);
            }
            workgroupBarrier();
            if own_block == 0u {
                let end = base + min(AT_ONCE, count - first) * ITEMS;
                for (var next = base + item; next < end; next += ITEMS) {
                    sums += blocks[next];
                }
            }
            base = HALF - base;
        }
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
    if own_block == 0u && unit < all {
        finish_item(Target(index, tile.row, step_of(index), unit), sums);
    }
}

// The sums of one block of an item.
fn sums_of(product: Product, offsets: vec4<u32>, start: u32, block: u32) -> vec4<f32> {
    let first = block * BLOCK;
    if first + BLOCK <= product.quads {
        return block_of(product, offsets, start, first);
    }
    return rest_of(product, offsets, start, first);
}
