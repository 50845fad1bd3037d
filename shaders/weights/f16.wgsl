// Weights as halves: four inputs' to two words. Every device unpacks them; none needs f16 arithmetic.

alias Packed = vec2<u32>;

// For each direction of each layer W_ih, W_hh, the folded biases, the peepholes if it has any, and W_hr, packed as pack.rs says.
@group(0) @binding(2) var<storage, read> weights: array<Packed>;

fn unpack(packed: Packed) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(packed.x), unpack2x16float(packed.y));
}

// What the sums of a unit start with. `bias` is where those of its direction are: biases stay f32.
fn start_of_sums(bias: u32, unit: u32) -> vec4<f32> {
    let at = bias + 2u * unit;
    return bitcast<vec4<f32>>(vec4<u32>(weights[at], weights[at + 1u]));
}
