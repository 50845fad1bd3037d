// Finishes an item of a second product: its four columns lie ITEMS apart.
fn finish_item(first: Target, sums: vec4<f32>) {
    for (var each = 0u; first.unit + each * ITEMS < outputs() && each < 4u; each++) {
        let to = Target(first.index, first.row, first.step, first.unit + each * ITEMS);
        finish(to, column_of(sums, each));
    }
}
