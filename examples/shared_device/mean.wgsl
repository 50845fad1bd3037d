// What is left of the layer's output: the mean over time of each unit.

override BATCH: u32 = 1u;
override STEPS: u32 = 1u;
override OUTPUT_SIZE: u32 = 1u;

// [N, T, D*H_out]
@group(0) @binding(0) var<storage, read> output: array<f32>;
// [N, D*H_out]
@group(0) @binding(1) var<storage, read_write> means: array<f32>;

@compute @workgroup_size(64)
fn mean(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= BATCH * OUTPUT_SIZE {
        return;
    }
    let row = id.x / OUTPUT_SIZE;
    let unit = id.x % OUTPUT_SIZE;
    var sum = 0.0;
    for (var step = 0u; step < STEPS; step++) {
        sum += output[(row * STEPS + step) * OUTPUT_SIZE + unit];
    }
    means[id.x] = sum / f32(STEPS);
}
