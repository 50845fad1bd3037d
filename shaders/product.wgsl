// The matrix product of every kernel: a workgroup's rows of vectors times its units' packed weights.
//
// The vectors go through workgroup memory, TILE elements of each row at a time. The summation order is the same whatever
// UNITS and ROWS are: ascending, in blocks of BLOCK elements that are summed apart, which keeps the rounding error of long
// sums small.

// The inputs of a product.
const FROM_INPUT = 0u;
const FROM_HIDDEN = 1u;

// vec4s of one row in workgroup memory, and in a block.
const TILE = 64u;
const BLOCK = 4u;
// No vector: the row counts as zeros.
const NOWHERE = 0xffffffffu;

var<workgroup> vectors: array<vec4<f32>, ROWS * TILE>;
// Where each row's vector starts in its source.
var<workgroup> starts: array<u32, ROWS>;

fn element(source: u32, start: u32, k: u32, size: u32) -> f32 {
    if k >= size {
        return 0.0;
    }
    if source == FROM_INPUT {
        return input[start + k];
    }
    return hidden[start + k];
}

fn load_vectors(source: u32, size: u32, first: u32, count: u32, local: u32) {
    for (var i = local; i < ROWS * count; i += UNITS) {
        let row = i / count;
        let quad = i % count;
        let start = starts[row];
        let k = 4u * (first + quad);
        var value = vec4<f32>();
        if start != NOWHERE {
            value = vec4<f32>(
                element(source, start, k, size),
                element(source, start, k + 1u, size),
                element(source, start, k + 2u, size),
                element(source, start, k + 3u, size),
            );
        }
        vectors[row * TILE + quad] = value;
    }
}

fn dot_add(a: vec4<f32>, b: vec4<f32>, sum: f32) -> f32 {
    return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

// Adds to each row's sums the products of its vector of `size` elements with one unit's packed weights, [quad][gate][unit]
// from `at` on, `units` to a gate. The last gate's product goes to sum `last`. All invocations of a workgroup call it
// together; those without a unit only load.
fn add_product(
    sums: ptr<function, array<vec4<f32>, MAX_ROWS>>,
    source: u32,
    size: u32,
    at: u32,
    units: u32,
    unit: u32,
    last: u32,
    local: u32,
) {
    let quads = (size + 3u) / 4u;
    for (var first = 0u; first < quads; first += TILE) {
        let count = min(TILE, quads - first);
        workgroupBarrier();
        load_vectors(source, size, first, count, local);
        workgroupBarrier();
        if unit < units {
            for (var block = 0u; block < count; block += BLOCK) {
                let end = min(block + BLOCK, count);
                add_block(sums, block, end, at + (first + block) * GATES * units + unit, units, last);
            }
        }
    }
}

fn add_block(sums: ptr<function, array<vec4<f32>, MAX_ROWS>>, start: u32, end: u32, at: u32, units: u32, last: u32) {
    var partial: array<vec4<f32>, MAX_ROWS>;
    var next = at;
    for (var quad = start; quad < end; quad++) {
        let w0 = weights[next];
        var w1 = vec4<f32>();
        var w2 = vec4<f32>();
        var w3 = vec4<f32>();
        if GATES > 1u {
            w1 = weights[next + units];
            w2 = weights[next + 2u * units];
        }
        if GATES > 3u {
            w3 = weights[next + 3u * units];
        }
        next += GATES * units;
        for (var row = 0u; row < ROWS; row++) {
            let x = vectors[row * TILE + quad];
            partial[row].x = dot_add(w0, x, partial[row].x);
            if GATES > 1u {
                partial[row].y = dot_add(w1, x, partial[row].y);
                partial[row].z = dot_add(w2, x, partial[row].z);
            }
            if GATES > 3u {
                partial[row].w = dot_add(w3, x, partial[row].w);
            }
        }
    }
    for (var row = 0u; row < ROWS; row++) {
        var sum = partial[row];
        if GATES == 3u && last == 3u {
            sum = vec4<f32>(sum.xy, 0.0, sum.z);
        }
        (*sums)[row] += sum;
    }
}
