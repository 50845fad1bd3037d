// Shares the vectors of several rows through workgroup memory, TILE quads of each row at a time.

// Number of quads of one row in workgroup memory.
const TILE = 64u;

var<workgroup> vectors: array<vec4<f32>, ROWS * TILE>;
// The start of each row's vector in its source.
var<workgroup> starts: array<u32, ROWS>;

// The row of the tile whose start this invocation computes, if it is below ROWS.
fn prepared_row(local: u32) -> u32 {
    return local;
}

// Multiplies each row's vector and adds the products to the row's sums, for several rows. `start` is the start of the vector of the invocation's `prepared_row`. All
// invocations of a workgroup must call this function together; those that are not `busy` only load.
fn add_product(
    sums: ptr<function, Sums>,
    product: Product,
    offsets: vec4<u32>,
    start: u32,
    busy: bool,
    local: u32,
) {
    // No barrier is needed here: the last barrier of an earlier product came after its last read of
    // `starts`.
    if local < ROWS {
        starts[local] = start;
    }
    for (var first = 0u; first < product.quads; first += TILE) {
        let count = min(TILE, product.quads - first);
        workgroupBarrier();
        load_vectors(product.source, first, count, local);
        workgroupBarrier();
        if busy {
            for (var block = 0u; block < count; block += BLOCK) {
                let at = product.at + (first + block) * product.columns;
                add_block(sums, product, offsets, at, block, min(block + BLOCK, count));
            }
        }
    }
}

fn load_vectors(source: u32, first: u32, count: u32, local: u32) {
    for (var i = local; i < ROWS * count; i += UNITS) {
        let row = i / count;
        let quad = i % count;
        let start = starts[row];
        var value = vec4<f32>();
        if start != NOWHERE {
            value = quad_of(source, start + first + quad);
        }
        vectors[row * TILE + quad] = value;
    }
}

// Adds the products of the quads from `start` to `end` in workgroup memory, with the weights from `at` on.
fn add_block(
    sums: ptr<function, Sums>,
    product: Product,
    offsets: vec4<u32>,
    at: u32,
    start: u32,
    end: u32,
) {
    var partial = Sums();
    var next = at;
    var quad = start;
    if LOADS_AHEAD {
        while quad + 1u < end {
            let w0 = weights_at(next, offsets);
            let w1 = weights_at(next + product.columns, offsets);
            next += 2u * product.columns;
            for (var row = 0u; row < ROWS; row++) {
                partial[row] = dots(w0, vectors[row * TILE + quad], partial[row]);
                partial[row] = dots(w1, vectors[row * TILE + quad + 1u], partial[row]);
            }
            quad += 2u;
        }
    }
    for (; quad < end; quad++) {
        let w = weights_at(next, offsets);
        next += product.columns;
        for (var row = 0u; row < ROWS; row++) {
            partial[row] = dots(w, vectors[row * TILE + quad], partial[row]);
        }
    }
    for (var row = 0u; row < ROWS; row++) {
        (*sums)[row] += partial[row];
    }
}
