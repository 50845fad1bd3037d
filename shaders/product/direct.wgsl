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
        var quad = first;
        if LOADS_AHEAD {
            while quad + 1u < end {
                let w0 = weights_at(next, offsets);
                let w1 = weights_at(next + product.columns, offsets);
                next += 2u * product.columns;
                for (var row = 0u; row < ROWS; row++) {
                    let at = start + row * product.quads + quad;
                    partial[row] = dots(w0, quad_of(product.source, at), partial[row]);
                    partial[row] = dots(w1, quad_of(product.source, at + 1u), partial[row]);
                }
                quad += 2u;
            }
        }
        for (; quad < end; quad++) {
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
