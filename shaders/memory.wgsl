// The products of `step`, `input_product`, `projection` and `candidate` read vectors and weights from the
// buffers.

const FROM_INPUT = 0u;
const FROM_HIDDEN = 1u;

// A quad of a vector.
fn quad_of(source: u32, at: u32) -> vec4<f32> {
    if source == FROM_INPUT {
        return input[at];
    }
    return hidden[at];
}

fn packed_at(at: u32) -> Packed {
    return weights[at];
}
