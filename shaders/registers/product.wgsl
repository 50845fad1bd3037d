// The matrix product of kernels that keep the weights of their columns in registers: an invocation loads them
// once and multiplies many vectors. The vectors of all rows are shared through the registers of a subgroup of
// LANES lanes that are all active: each lane loads one quad of a row, and all lanes read it from there in turn.
//
// kernel/unrolled.rs writes the rest for a number of quads: QUADS, `Weights`, `keep` and `add_vectors`.
// Registers cannot be indexed at run time, so its text names each of them.

const LANES = 8u;

// The number of the invocation in its subgroup.
fn lane() -> u32 {
    return subgroupExclusiveAdd(1u);
}

// Loads the weights of the invocation's columns, from `at` on, `columns` for each of `quads` quads. `quads` is
// QUADS, but compilers must not know it: they would unroll the loop.
fn load_weights(w: ptr<function, Weights>, at: u32, columns: u32, offsets: vec4<u32>, quads: u32) {
    for (var quad = 0u; quad < quads; quad++) {
        keep(w, quad, weights_at(at + quad * columns, offsets));
    }
}

// Loads the quads from `first` on, one for each lane and row. `start` is the `vector_of` the invocation.
fn hold(held: ptr<function, Sums>, start: u32, first: u32, own: u32) {
    for (var row = 0u; row < ROWS; row++) {
        (*held)[row] = held_quad(start, row, min(first + own, QUADS - 1u));
    }
}

// Adds the products of one quad, which the lane `from` holds.
fn add_quad(partial: ptr<function, Sums>, held: ptr<function, Sums>, w: mat4x4<f32>, lane: u32) {
    for (var row = 0u; row < ROWS; row++) {
        (*partial)[row] = dots(w, subgroupShuffle((*held)[row], lane), (*partial)[row]);
    }
}

// Adds the sums of a block to the rows' sums, and sets them to zero.
fn end_block(sums: ptr<function, Sums>, partial: ptr<function, Sums>) {
    for (var row = 0u; row < ROWS; row++) {
        (*sums)[row] += (*partial)[row];
        (*partial)[row] = vec4<f32>();
    }
}

// Sets one row's element without indexing an array at run time.
fn set_row(rows: ptr<function, Sums>, row: u32, value: vec4<f32>) {
    for (var i = 0u; i < ROWS; i++) {
        (*rows)[i] = select((*rows)[i], value, i == row);
    }
}
