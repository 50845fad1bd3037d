// Shares the items of a single row among invocations: AT_ONCE of them compute the sums of an item together, each of them
// one block of its terms at a time. A workgroup has ITEMS items.
//
// The sums of the blocks meet in workgroup memory and are added in ascending order, like those of `product.wgsl`.

// Number of blocks that are computed at a time.
const AT_ONCE = 16u;
// [half][block][item]. The halves alternate, so that one barrier is enough for AT_ONCE blocks.
const HALF = 256u;
var<workgroup> blocks: array<vec4<f32>, 2u * HALF>;

// Multiplies the row's vector, which starts at `start`, by the columns of the invocation's item, and adds the products to
// the item's sums. Only the first invocation of an item, which is below ITEMS, has the result. `half` is the start of
// the half that comes next. All invocations of a workgroup must call this function together.
fn add_blocks(
    sums: ptr<function, vec4<f32>>,
    half: ptr<function, u32>,
    product: Product,
    offsets: vec4<u32>,
    start: u32,
    local: u32,
) {
    let own_block = local / ITEMS;
    let count = select((product.quads + BLOCK - 1u) / BLOCK, 0u, start == NOWHERE);
    for (var first = 0u; first < count; first += AT_ONCE) {
        let block = first + own_block;
        let base = *half;
        if block < count && product.source == FROM_INPUT {
            let of_input = Product(FROM_INPUT, product.quads, product.at, product.columns);
            blocks[base + local] = sums_of(of_input, offsets, start, block);
        } else if block < count {
            let of_hidden = Product(FROM_HIDDEN, product.quads, product.at, product.columns);
            blocks[base + local] = sums_of(of_hidden, offsets, start, block);
        }
        workgroupBarrier();
        if own_block == 0u {
            let end = base + min(AT_ONCE, count - first) * ITEMS;
            for (var next = base + local; next < end; next += ITEMS) {
                *sums += blocks[next];
            }
        }
        *half = HALF - base;
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
