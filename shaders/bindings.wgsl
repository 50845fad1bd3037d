// What every kernel sees: the sizes, the moment and the buffers. Arrays are dense and row-major. An `index` is that of one
// direction of one layer, layer * D + direction, as along the first axis of h_n.

// The same for all dispatches of a call.
struct Shape {
    // N, T, I, H, H_out, D and L.
    rows: u32,
    steps: u32,
    input_size: u32,
    hidden_size: u32,
    hidden_output_size: u32,
    directions: u32,
    layers: u32,
    // The index that the weights buffer starts with.
    first_in_weights: u32,
    // vec4s in the weights of one direction of layer 0, and of a layer above it.
    first_layer_weights: u32,
    upper_layer_weights: u32,
}

// What one dispatch does: the indices from `first` on, in grid z; the first of them its step `step`, and a layer above it
// one step less for each layer.
struct Moment {
    first: u32,
    step: u32,
}

// A row's place in a direction's sequence at a step.
struct Place {
    // The row is in the batch and the step within its length.
    valid: bool,
    // Where in the row's sequence: the step itself, or counted from the row's own end in the reverse direction.
    time: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<uniform> moment: Moment;
// For each direction of each layer W_ih, W_hh, the folded biases and W_hr, packed as pack.rs says.
@group(0) @binding(2) var<storage, read> weights: array<vec4<f32>>;
// [N, T, features]: the layer's input sequence. For the projection: [L*D, N, H], what it projects.
@group(0) @binding(3) var<storage, read> input: array<f32>;
// [L*D, N, H_out]: the hidden state before the step, and after it; for a projected LSTM [L*D, N, H], before projection.
@group(0) @binding(4) var<storage, read> hidden: array<f32>;
@group(0) @binding(5) var<storage, read_write> next_hidden: array<f32>;
// [L*D, N, H]: the cell state; each invocation reads and writes its own.
@group(0) @binding(6) var<storage, read_write> cell_state: array<f32>;
// [N, T, D*H_out].
@group(0) @binding(7) var<storage, read_write> output: array<f32>;
// [N]: each row's number of steps.
@group(0) @binding(8) var<storage, read> lengths: array<u32>;

// Invocations of a workgroup; each computes one unit of ROWS batch rows.
override UNITS: u32 = 64u;
// 1 to MAX_ROWS.
override ROWS: u32 = 8u;
const MAX_ROWS = 8u;

// Where a workgroup works: its first unit and row. Grid x and y hold all tiles of units and rows, folded, since one side
// of a grid ends at 65535.
struct Tile {
    inside: bool,
    unit: u32,
    row: u32,
}

fn tile_of(group: vec3<u32>, groups: vec3<u32>, units: u32) -> Tile {
    let across = (units + UNITS - 1u) / UNITS;
    let down = (shape.rows + ROWS - 1u) / ROWS;
    let place = group.x + group.y * groups.x;
    return Tile(place < across * down, (place % across) * UNITS, (place / across) * ROWS);
}

fn layer_of(index: u32) -> u32 {
    return index / shape.directions;
}

fn step_of(index: u32) -> u32 {
    return moment.step + layer_of(moment.first) - layer_of(index);
}

fn place_of(index: u32, row: u32) -> Place {
    if row >= shape.rows {
        return Place(false, 0u);
    }
    let step = step_of(index);
    let length = lengths[row];
    let reverse = index % shape.directions == 1u;
    return Place(step < length, select(step, length - 1u - step, reverse && step < length));
}

// Where the weights of a direction of a layer start.
fn weights_of(index: u32) -> u32 {
    let first = shape.first_in_weights;
    let lower = min(index, shape.directions) - min(first, shape.directions);
    let upper = max(index, shape.directions) - max(first, shape.directions);
    return lower * shape.first_layer_weights + upper * shape.upper_layer_weights;
}

// Whether the layer's hidden state is part of a sequence that is written: that of the last layer, or of any bidirectional
// one, since the layer above starts at both ends of it.
fn writes_output(index: u32) -> bool {
    return shape.directions == 2u || layer_of(index) == shape.layers - 1u;
}

fn write_hidden(index: u32, row: u32, unit: u32, time: u32, value: f32) {
    let size = shape.hidden_output_size;
    next_hidden[(index * shape.rows + row) * size + unit] = value;
    write_output(index, row, unit, time, value);
}

// The row has ended: its state stays, and the sequence behind its length is zero.
fn carry_hidden(index: u32, row: u32, unit: u32) {
    let at = (index * shape.rows + row) * shape.hidden_output_size + unit;
    next_hidden[at] = hidden[at];
    write_output(index, row, unit, step_of(index), 0.0);
}

fn write_output(index: u32, row: u32, unit: u32, time: u32, value: f32) {
    if writes_output(index) {
        let size = shape.hidden_output_size;
        let vector = (row * shape.steps + time) * shape.directions + index % shape.directions;
        output[vector * size + unit] = value;
    }
}
