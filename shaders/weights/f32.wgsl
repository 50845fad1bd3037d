// Weights in f32, unchanged: an element has the weights of four inputs in a vec4.

alias Packed = vec4<f32>;

// For each direction of each layer: W_ih, W_hh, the folded biases, the peepholes (if any) and W_hr (if any).
// src/gpu/pack.rs defines the layout.
@group(0) @binding(2) var<storage, read> weights: array<Packed>;

fn unpack(packed: Packed) -> vec4<f32> {
    return packed;
}

// The initial values of a unit's sums. `bias` is the start of its direction's biases.
fn start_of_sums(bias: u32, unit: u32) -> vec4<f32> {
    return weights[bias + unit];
}
