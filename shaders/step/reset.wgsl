// Stores the result of `step` for `candidate`: vectors of r h, of z, and of the input's share of n.

fn leave(index: u32, row: u32, unit: u32, step: u32, sums: vec4<f32>) {
    let of_hidden = 4u * hidden_of(index, row) + unit;
    let total = total_of(index, row, unit, step, sums);
    let gates = cell(total, Unit(hidden[of_hidden / 4u][of_hidden % 4u], 0.0), index, unit);
    let vector = 4u * dims.hidden_quads;
    let at = 3u * (index * dims.rows + row) * vector + unit;
    next_hidden[at] = gates.h;
    next_hidden[at + vector] = gates.c;
    next_hidden[at + 2u * vector] = total.w;
}
