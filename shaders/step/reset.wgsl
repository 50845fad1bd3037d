// Stores the result of `step` for `candidate`: vectors of r h, of the argument of z, and of the input's share of n.

fn leave(to: Target, sums: vec4<f32>) {
    let of_hidden = own_hidden(to);
    let total = total_of(to, sums);
    let gates = cell(total, Unit(hidden[of_hidden / 4u][of_hidden % 4u], 0.0), to.index, to.unit);
    let vector = 4u * dims.hidden_quads;
    let at = 3u * (to.index * dims.rows + to.row) * vector + first_unit() + to.unit;
    next_hidden[at] = gates.h;
    next_hidden[at + vector] = gates.c;
    next_hidden[at + 2u * vector] = total.w;
}
