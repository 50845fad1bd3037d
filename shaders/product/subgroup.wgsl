// Shares the vectors of several rows through the registers of a subgroup: each lane loads one quad of a row,
// and all lanes read it from there in turn. This needs no workgroup memory and no barriers. It works only
// for subgroups of LANES lanes that are all active.

const LANES = 8u;

// The row of the tile whose start this invocation computes, if it is below ROWS.
fn prepared_row(local: u32) -> u32 {
    return lane();
}

// The number of the invocation in its subgroup.
fn lane() -> u32 {
    return subgroupExclusiveAdd(1u);
}

// Multiplies each row's vector and adds the products to the row's sums, for several rows. `start` is the start of the vector of the invocation's `prepared_row`. All
// invocations of a workgroup must call this function together; those that are not `busy` compute, too.
fn add_product(
    sums: ptr<function, Sums>,
    product: Product,
    offsets: vec4<u32>,
    start: u32,
    busy: bool,
    local: u32,
) {
    let own = lane();
    var partial = Sums();
    var next = product.at;
    for (var first = 0u; first < product.quads; first += LANES) {
        var held = Sums();
        for (var row = 0u; row < ROWS; row++) {
            let of_row = subgroupShuffle(start, row);
            if of_row != NOWHERE && first + own < product.quads {
                held[row] = quad_of(product.source, of_row + first + own);
            }
        }
        let count = min(LANES, product.quads - first);
        for (var quad = 0u; quad < count; quad++) {
            let w = weights_at(next, offsets);
            next += product.columns;
            for (var row = 0u; row < ROWS; row++) {
                partial[row] = dots(w, subgroupShuffle(held[row], quad), partial[row]);
            }
            // The end of a block or of the vector.
            if quad % BLOCK == BLOCK - 1u || first + quad == product.quads - 1u {
                for (var row = 0u; row < ROWS; row++) {
                    (*sums)[row] += partial[row];
                    partial[row] = vec4<f32>();
                }
            }
        }
    }
}

// The same as `add_product`, for rows whose vectors lie one after the other, the first one at `start`.
fn add_rows(sums: ptr<function, Sums>, product: Product, offsets: vec4<u32>, start: u32, busy: bool) {
    let row = lane();
    let own = select(NOWHERE, start + row * product.quads, row < ROWS);
    add_product(sums, product, offsets, own, busy, row);
}
