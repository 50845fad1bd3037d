// The matrix product of every kernel: rows of vectors times packed weights, [quad][column]. An invocation has four columns,
// or the three gates of one unit, for each of ROWS rows. The kernel says where vectors and weights are read: `quad_of` and
// `packed_at`. A single row is read where it is; several rows share the weights, and each file of product/ is a way to
// bring their vectors to all invocations.
//
// The summation order is the same in either case: ascending, in blocks of BLOCK quads that are summed apart, which keeps
// the rounding error of long sums small.

// Quads in a block.
const BLOCK = 4u;
// No vector: the row counts as zeros.
const NOWHERE = 0xffffffffu;

alias Sums = array<vec4<f32>, MAX_ROWS>;

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

// One quad of the weights of the invocation's columns.
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

// Where the invocation's columns are in a row of `columns` weights: four that lie UNITS apart, the last column standing
// in for those beyond it.
fn spread(column: u32, columns: u32) -> vec4<u32> {
    return min(vec4<u32>(column) + UNITS * vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(columns - 1u));
}

// Adds to the only row's sums the products of its vector of `quads` quads, from `start` on, with the weights from `at` on.
// `source` is a constant where it is called.
fn add_single(
    sums: ptr<function, Sums>,
    source: u32,
    start: u32,
    quads: u32,
    at: u32,
    columns: u32,
    offsets: vec4<u32>,
) {
    if start == NOWHERE {
        return;
    }
    for (var first = 0u; first < quads; first += BLOCK) {
        let end = min(first + BLOCK, quads);
        var partial = vec4<f32>();
        var next = at + first * columns;
        for (var quad = first; quad < end; quad++) {
            partial = dots(weights_at(next, offsets), quad_of(source, start + quad), partial);
            next += columns;
        }
        (*sums)[0] += partial;
    }
}

// One row's sums, without an array that is indexed at run time.
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

// One of four sums, likewise.
fn column_of(sums: vec4<f32>, each: u32) -> f32 {
    let low = select(sums.x, sums.y, each == 1u);
    return select(low, select(sums.z, sums.w, each == 3u), each > 1u);
}
