// Reads the vectors of several rows in place, because they are already in workgroup memory.

// Multiplies each row's vector and adds the products to the row's sums. The first row's vector starts at
// `start`; the vectors lie one after the other.
fn add_rows(sums: ptr<function, Sums>, product: Product, offsets: vec4<u32>, start: u32, busy: bool) {
    if !busy {
        return;
    }
    for (var first = 0u; first < product.quads; first += BLOCK) {
        let end = min(first + BLOCK, product.quads);
        var partial = Sums();
        var next = product.at + first * product.columns;
        for (var quad = first; quad < end; quad++) {
            let w = weights_at(next, offsets);
            next += product.columns;
            for (var row = 0u; row < ROWS; row++) {
                let x = quad_of(product.source, start + row * product.quads + quad);
                partial[row] = dots(w, x, partial[row]);
            }
        }
        for (var row = 0u; row < ROWS; row++) {
            (*sums)[row] += partial[row];
        }
    }
}
