// The second product of a step. The kernel defines the matrix (`product_of`, `columns_of`, `outputs`), the vectors
// (`left_start`) and what becomes of a result (`finish`). An invocation computes an item of four columns.

fn second(group: vec3<u32>, groups: vec3<u32>, local: u32) {
    let tile = tile_of(group, groups, outputs(), 4u * ITEMS, dims.rows);
    if !tile.inside {
        return;
    }
    let index = params.first + group.z;
    let column = tile.column + local;
    let offsets = columns_of(column);
    let product = product_of(index);
    let busy = column < outputs();

    var sums = Sums();
    if ROWS == 1u {
        if busy {
            add_single(&sums, product, offsets, left_start(index, tile.row));
        }
    } else {
        var start = NOWHERE;
        let row = prepared_row(local);
        if row < ROWS {
            start = left_start(index, tile.row + row);
        }
        add_product(&sums, product, offsets, start, busy, local);
    }
    if busy {
        let rows = min(ROWS, dims.rows - tile.row);
        for (var row = 0u; row < rows; row++) {
            finish_item(Target(index, tile.row + row, step_of(index), column), row_of(&sums, row));
        }
    }
}
