// Stores the result of `step` for `candidate` if the input products were computed ahead: vectors of r h and
// of z. A column is r or z of a unit.

fn leave(index: u32, row: u32, column: u32, step: u32, sums: vec4<f32>) {
    let unit = column % dims.hidden_size;
    let is_update = column >= dims.hidden_size;
    let gate = next_of(index, row, column, step, sums, 0.0);
    let of_hidden = 4u * hidden_of(index, row) + unit;
    let vector = 4u * dims.hidden_quads;
    let at = 3u * (index * dims.rows + row) * vector + unit;
    if is_update {
        next_hidden[at + vector] = gate;
    } else {
        next_hidden[at] = gate * hidden[of_hidden / 4u][of_hidden % 4u];
    }
}
