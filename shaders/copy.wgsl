// Copies vectors between the caller's buffers and the layer's own, and adds or removes their padding. The
// kernel copies words, so that every bit is kept.

struct Vectors {
    // The first vector, the same in both buffers, and the number of vectors.
    first: u32,
    count: u32,
    // Number of words of a vector in the source (0 if nothing is read) and in the destination.
    from_size: u32,
    to_size: u32,
    // The maximum of a word that is read; larger words are replaced by it.
    most: u32,
    // The value of a vector's words after those that are read.
    padding: u32,
}

@group(0) @binding(1) var<uniform> vectors: Vectors;
@group(0) @binding(7) var<storage, read_write> copied: array<u32>;
@group(0) @binding(9) var<storage, read> original: array<u32>;

// Number of invocations in a workgroup.
override UNITS: u32 = 64u;

@compute @workgroup_size(UNITS)
fn copy(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let words = vectors.count * vectors.to_size;
    // Rounds up without a sum that could overflow.
    let tiles = words / UNITS + select(0u, 1u, words % UNITS > 0u);
    for (var tile = group.x + group.y * groups.x; tile < tiles; tile += groups.x * groups.y) {
        let word = tile * UNITS + local;
        if word < words {
            let vector = vectors.first + word / vectors.to_size;
            let place = word % vectors.to_size;
            var value = vectors.padding;
            if place < vectors.from_size {
                value = min(original[vector * vectors.from_size + place], vectors.most);
            }
            copied[vector * vectors.to_size + place] = value;
        }
    }
}
