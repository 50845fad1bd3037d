// Makes the layer's input: each row is a triangle wave of its own pitch, each step a frame of it, each feature the mean of
// four samples. All of it is exact in f32, so that the host can make the same.

override BATCH: u32 = 1u;
override STEPS: u32 = 1u;
override INPUT_SIZE: u32 = 1u;

// [N, T, I]
@group(0) @binding(0) var<storage, read_write> features: array<f32>;

// Between -8 and 8.
fn sample(row: u32, time: u32) -> i32 {
    let pitch = row + 1u;
    let phase = i32((time * pitch) % 32u);
    return abs(phase - 16) - 8;
}

@compute @workgroup_size(64)
fn make_features(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= BATCH * STEPS * INPUT_SIZE {
        return;
    }
    let feature = id.x % INPUT_SIZE;
    let step = (id.x / INPUT_SIZE) % STEPS;
    let row = id.x / (INPUT_SIZE * STEPS);
    // Frames overlap by half.
    let first = step * INPUT_SIZE * 2u + feature * 4u;
    var sum = 0;
    for (var time = first; time < first + 4u; time++) {
        sum += sample(row, time);
    }
    features[id.x] = f32(sum) / 32.0;
}
