// Stores the result of `step` for `candidate` if the input products were computed ahead: vectors of r h and
// of the argument of z. The targets are columns, r or z of a unit.

fn leave(to: Target, sums: vec4<f32>) {
    let unit = to.unit % dims.hidden_size;
    let is_update = to.unit >= dims.hidden_size;
    let argument = next_of(to, sums, 0.0);
    let of_hidden = 4u * hidden_of(to.index, to.row) + unit;
    let vector = 4u * dims.hidden_quads;
    let at = 3u * (to.index * dims.rows + to.row) * vector + unit;
    if is_update {
        next_hidden[at + vector] = argument;
    } else {
        let h = hidden[of_hidden / 4u][of_hidden % 4u];
        next_hidden[at] = act_times(gate_f(to.index, argument), h);
    }
}
