// Weights as they were given: four inputs' to a vec4.

alias Packed = vec4<f32>;

// For each direction of each layer W_ih, W_hh, the folded biases, the peepholes if it has any, and W_hr, packed as pack.rs says.
@group(0) @binding(2) var<storage, read> weights: array<Packed>;

fn unpack(packed: Packed) -> vec4<f32> {
    return packed;
}

// What the sums of a unit start with. `bias` is where those of its direction are.
fn start_of_sums(bias: u32, unit: u32) -> vec4<f32> {
    return weights[bias + unit];
}
