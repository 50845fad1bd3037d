// Reads the vectors of several rows in place, because they are already in workgroup memory.

// Multiplies each row's vector of `quads` quads by the weights from `at` on, and adds the products to the
// row's sums. The first row's vector starts at `start`; the rows are `stride` quads apart.
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
    if !busy {
        return;
    }
    for (var first = 0u; first < quads; first += BLOCK) {
        let end = min(first + BLOCK, quads);
        var partial = Sums();
        var next = at + first * columns;
        for (var quad = first; quad < end; quad++) {
            let w = weights_at(next, offsets);
            next += columns;
            for (var row = 0u; row < ROWS; row++) {
                partial[row] = dots(w, quad_of(source, start + row * stride + quad), partial[row]);
            }
        }
        for (var row = 0u; row < ROWS; row++) {
            (*sums)[row] += partial[row];
        }
    }
}
