// The matrix product of all kernels: rows of vectors times packed weights, [quad][column]. An invocation
// computes four columns, or the three gates of one unit, for each of ROWS rows. The kernel defines `quad_of`
// and `packed_at`, which read vectors and weights. A single row is read in place. Several rows share the
// weights; the files in product/ are ways to share vectors, weights or terms among invocations.
//
// The summation order is the same in all cases: ascending, in blocks of BLOCK quads. Each block has its own
// sum, which keeps the rounding error of long sums small.

// Number of quads in a block.
const BLOCK = 4u;
// The start of a row without a vector; it counts as zeros.
const NOWHERE = 0xffffffffu;

alias Sums = array<vec4<f32>, MAX_ROWS>;

// A product of vectors with packed weights. All invocations of a workgroup have the same one: barriers depend
// on it.
struct Product {
    // The source of the vectors for `quad_of`. It is a constant wherever a single row is read in place.
    source: u32,
    // Number of quads of a vector.
    quads: u32,
    // The first weight element, and the number of elements for each quad.
    at: u32,
    columns: u32,
}

fn dot_add(a: vec4<f32>, b: vec4<f32>, sum: f32) -> f32 {
    return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

// Adds one vector's quad to a row's sums.
fn dots(w: mat4x4<f32>, x: vec4<f32>, sums: vec4<f32>) -> vec4<f32> {
    var next = sums;
    next.x = dot_add(w[0], x, next.x);
    next.y = dot_add(w[1], x, next.y);
    next.z = dot_add(w[2], x, next.z);
    if COLUMNS > 3u {
        next.w = dot_add(w[3], x, next.w);
    }
    return next;
}

// One quad of weights for each of the invocation's columns.
fn weights_at(at: u32, offsets: vec4<u32>) -> mat4x4<f32> {
    var last = vec4<f32>();
    if COLUMNS > 3u {
        last = unpack(packed_at(at + offsets.w));
    }
    return mat4x4<f32>(
        unpack(packed_at(at + offsets.x)),
        unpack(packed_at(at + offsets.y)),
        unpack(packed_at(at + offsets.z)),
        last,
    );
}

// The invocation's four columns in a row of `columns` weights. They lie ITEMS apart; the last column
// replaces those beyond it.
fn spread(column: u32, columns: u32) -> vec4<u32> {
    return min(vec4<u32>(column) + ITEMS * vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(columns - 1u));
}

// Multiplies the only row's vector, which starts at `start`, by the invocation's columns of the weights, and
// adds the products to the row's sums.
fn add_single(sums: ptr<function, Sums>, product: Product, offsets: vec4<u32>, start: u32) {
    if start == NOWHERE {
        return;
    }
    var first = 0u;
    if LOADS_AHEAD {
        while first + BLOCK <= product.quads {
            (*sums)[0] += block_of(product, offsets, start, first);
            first += BLOCK;
        }
    }
    for (; first < product.quads; first += BLOCK) {
        (*sums)[0] += rest_of(product, offsets, start, first);
    }
}

// The sums of the only row for a block that may be shorter than BLOCK. Each quad is loaded and multiplied in turn.
fn rest_of(product: Product, offsets: vec4<u32>, start: u32, first: u32) -> vec4<f32> {
    let end = min(first + BLOCK, product.quads);
    var partial = vec4<f32>();
    var next = product.at + first * product.columns;
    for (var quad = first; quad < end; quad++) {
        let x = quad_of(product.source, start + quad);
        partial = dots(weights_at(next, offsets), x, partial);
        next += product.columns;
    }
    return partial;
}

// The sums of a whole block of the only row. All loads come before the first product.
fn block_of(product: Product, offsets: vec4<u32>, start: u32, first: u32) -> vec4<f32> {
    let at = product.at + first * product.columns;
    let w0 = weights_at(at, offsets);
    let w1 = weights_at(at + product.columns, offsets);
    let w2 = weights_at(at + 2u * product.columns, offsets);
    let w3 = weights_at(at + 3u * product.columns, offsets);
    let x0 = quad_of(product.source, start + first);
    let x1 = quad_of(product.source, start + first + 1u);
    let x2 = quad_of(product.source, start + first + 2u);
    let x3 = quad_of(product.source, start + first + 3u);
    return dots(w3, x3, dots(w2, x2, dots(w1, x1, dots(w0, x0, vec4<f32>()))));
}

// The sums of one row, without indexing an array at run time.
fn row_of(sums: ptr<function, Sums>, row: u32) -> vec4<f32> {
    var own = (*sums)[0];
    if ROWS > 1u {
        own = select(own, (*sums)[1], row == 1u);
    }
    if ROWS > 2u {
        own = select(own, (*sums)[2], row == 2u);
        own = select(own, (*sums)[3], row == 3u);
    }
    if ROWS > 4u {
        own = select(own, (*sums)[4], row == 4u);
        own = select(own, (*sums)[5], row == 5u);
        own = select(own, (*sums)[6], row == 6u);
        own = select(own, (*sums)[7], row == 7u);
    }
    return own;
}

// One of four sums, without indexing at run time.
fn column_of(sums: vec4<f32>, each: u32) -> f32 {
    let low = select(sums.x, sums.y, each == 1u);
    return select(low, select(sums.z, sums.w, each == 3u), each > 1u);
}
