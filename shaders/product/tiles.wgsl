// Shares the weights and the vectors of a tile through workgroup memory, a block of quads at a time. A tile has ITEMS
// items of four columns, and ROWS rows for each of the UNITS / ITEMS invocations of an item. UNITS is 8 * ITEMS and
// ITEMS is 4 * ROWS, so that an invocation loads one quad of the vectors and two of the weights of each block. The
// kernel declares the block: `vectors`, [row][quad], and `weights_of_tile`, [quad][column][item].

// The first row of the tile that an invocation computes.
fn own_row_of(local: u32) -> u32 {
    return (local / ITEMS) * ROWS;
}

// The row of the tile whose vector an invocation loads.
fn loaded_row(local: u32) -> u32 {
    return local / BLOCK;
}

// The column of its item, 0 to 3, whose weights an invocation loads.
fn loaded_column(local: u32) -> u32 {
    return (local / ITEMS) % 4u;
}

// Multiplies the vectors of the invocation's rows and adds the products to their sums. `start` is the start of the
// vector of the `loaded_row`, and `column` is the matrix column of the item's `loaded_column`. All invocations of a
// workgroup must call this function together.
fn add_tile(sums: ptr<function, Sums>, product: Product, column: u32, start: u32, local: u32) {
    let is_vector = start != NOWHERE;
    let own_quad = local % BLOCK;
    let quad_of_weights = local / (4u * ITEMS);
    let last = product.quads - 1u;
    let end = select(product.quads + BLOCK, 0u, product.quads == 0u);
    for (var next = 0u; next < end; next += BLOCK) {
        // The loads of the next block come before the products of this one, so that a compiler can hide their latency.
        // Beyond the last quad they repeat it, since a branch would end in a wait.
        let x = quad_of(product.source, select(0u, start + min(next + own_quad, last), is_vector));
        let quad = next + quad_of_weights;
        let w0 = packed_at(product.at + column + min(quad, last) * product.columns);
        let w1 = packed_at(product.at + column + min(quad + 2u, last) * product.columns);
        if next > 0u {
            add_block(sums, min(BLOCK, product.quads + BLOCK - next), local);
        }
        workgroupBarrier();
        vectors[local] = select(vec4<f32>(), x, is_vector);
        weights_of_tile[local] = unpack(w0);
        weights_of_tile[local + UNITS] = unpack(w1);
        workgroupBarrier();
    }
}

// Adds the products of the block in workgroup memory, which has `count` quads.
fn add_block(sums: ptr<function, Sums>, count: u32, local: u32) {
    let own_row = own_row_of(local);
    var partial = Sums();
    for (var quad = 0u; quad < count; quad++) {
        let at = 4u * quad * ITEMS + local % ITEMS;
        var last = vec4<f32>();
        if COLUMNS > 3u {
            last = weights_of_tile[at + 3u * ITEMS];
        }
        let w = mat4x4<f32>(
            weights_of_tile[at],
            weights_of_tile[at + ITEMS],
            weights_of_tile[at + 2u * ITEMS],
            last,
        );
        for (var row = 0u; row < ROWS; row++) {
            partial[row] = dots(w, vectors[(own_row + row) * BLOCK + quad], partial[row]);
        }
    }
    for (var row = 0u; row < ROWS; row++) {
        (*sums)[row] += partial[row];
    }
}
