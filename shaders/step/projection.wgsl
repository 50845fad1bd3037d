// Stores the result of `step` for the projection.

fn leave(to: Target, sums: vec4<f32>) {
    let quads = (dims.hidden_size + 3u) / 4u;
    let next = next_of(to, sums, 0.0);
    next_hidden[4u * (to.index * dims.rows + to.row) * quads + to.unit] = next;
}
