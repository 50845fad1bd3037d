// Weights in half precision: an element has the weights of four inputs in two words. Every device can unpack
// them; f16 arithmetic is not needed.

alias Packed = vec2<u32>;

// For each direction of each layer: W_ih, W_hh, the folded biases, the peepholes (if any) and W_hr (if any).
// src/gpu/pack.rs defines the layout.
@group(0) @binding(2) var<storage, read> weights: array<Packed>;

fn unpack(packed: Packed) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(packed.x), unpack2x16float(packed.y));
}

// The initial values of a unit's sums. `bias` is the start of its direction's biases, which stay f32.
fn start_of_sums(bias: u32, unit: u32) -> vec4<f32> {
    let at = bias + 2u * unit;
    return bitcast<vec4<f32>>(vec4<u32>(weights[at], weights[at + 1u]));
}
