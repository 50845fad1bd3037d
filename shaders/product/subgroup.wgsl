// The vectors of several rows through the registers of a subgroup: each of its lanes loads one quad of a row, and all of
// them take it from there in turn. Without workgroup memory and barriers, and for subgroups of LANES lanes only, all of them
// active.

const LANES = 8u;

// The row of a tile whose start the invocation finds, if it is below ROWS.
fn prepared_row(local: u32) -> u32 {
    return lane();
}

// The invocation's place in its subgroup.
fn lane() -> u32 {
    return subgroupExclusiveAdd(1u);
}

// Adds to each row's sums the products of its vector of `quads` quads with the weights from `at` on, for several rows.
// `start` is where the vector of the row that the invocation prepares starts. All invocations of a workgroup call it
// together, and those that are not `busy` compute along.
fn add_product(
    sums: ptr<function, Sums>,
    source: u32,
    start: u32,
    quads: u32,
    at: u32,
    columns: u32,
    offsets: vec4<u32>,
    busy: bool,
    local: u32,
) {
    let own = lane();
    var partial = Sums();
    var next = at;
    for (var first = 0u; first < quads; first += LANES) {
        var held = Sums();
        for (var row = 0u; row < ROWS; row++) {
            let of_row = subgroupShuffle(start, row);
            if of_row != NOWHERE && first + own < quads {
                held[row] = quad_of(source, of_row + first + own);
            }
        }
        let count = min(LANES, quads - first);
        for (var quad = 0u; quad < count; quad++) {
            let w = weights_at(next, offsets);
            next += columns;
            for (var row = 0u; row < ROWS; row++) {
                partial[row] = dots(w, subgroupShuffle(held[row], quad), partial[row]);
            }
            // A block ends, or all of them do.
            if quad % BLOCK == BLOCK - 1u || first + quad == quads - 1u {
                for (var row = 0u; row < ROWS; row++) {
                    (*sums)[row] += partial[row];
                    partial[row] = vec4<f32>();
                }
            }
        }
    }
}

// The same for rows whose vectors lie `stride` quads apart.
fn add_rows(
    sums: ptr<function, Sums>,
    source: u32,
    start: u32,
    stride: u32,
    quads: u32,
    at: u32,
    columns: u32,
    offsets: vec4<u32>,
    busy: bool,
) {
    let row = lane();
    let own = select(NOWHERE, start + row * stride, row < ROWS);
    add_product(sums, source, own, quads, at, columns, offsets, busy, row);
}
