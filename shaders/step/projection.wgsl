// Stores the result of `step` for the projection.

fn leave(index: u32, row: u32, unit: u32, step: u32, sums: vec4<f32>) {
    let quads = (dims.hidden_size + 3u) / 4u;
    let next = next_of(index, row, unit, step, sums, 0.0);
    next_hidden[4u * (index * dims.rows + row) * quads + unit] = next;
}
