// The declarations that all kernels share: the dimensions of the layer, the parameters of the dispatch and
// the buffers. Arrays are row-major. Vectors that kernels read are padded with zeros to whole vec4s
// ("quads"). An `index` names one direction of one layer, layer * D + direction, as on the first axis of
// h_n.

// The dimensions are the same for all dispatches of a call.
struct LayerDims {
    // N and T.
    rows: u32,
    steps: u32,
    // The number of units whose weights are in the weights buffer: H, unless those of one direction are divided.
    hidden_size: u32,
    // H_out, D and L.
    hidden_output_size: u32,
    directions: u32,
    layers: u32,
    // Quads of the first layer's input vector, and of a vector of H_out elements.
    input_quads: u32,
    hidden_quads: u32,
    // The first index in the weights buffer.
    first_in_weights: u32,
    // Number of weight elements of one direction: of layer 0, and of each layer above it.
    first_layer_weights: u32,
    upper_layer_weights: u32,
    // The first direction that processes rows from their end: 1, or 0 if the only direction does so.
    first_reverse: u32,
    // The first unit whose weights are in the weights buffer, and H. They are read only if DIVIDED.
    first_unit: u32,
    cell_size: u32,
}

// The parameters of one dispatch. It computes the indices from `first` on, along grid z. The index `first`
// starts at `step`; kernels that compute several steps compute `count` of them. On a diagonal, each layer is
// one step behind the layer below it.
struct DispatchParams {
    first: u32,
    step: u32,
    count: u32,
    // The first step in the gates buffer.
    chunk: u32,
    // Number of floats of one direction's vector in `output`.
    output_stride: u32,
    // 1 if layers above the first read the hidden state of the layer below. The previous dispatch computed
    // that state for the same step.
    diagonal: u32,
}

// A unit of one row at one step, in one direction of a layer. Units count from the first one in the weights buffer.
struct Target {
    index: u32,
    row: u32,
    step: u32,
    unit: u32,
}

// The position of a row in a direction's sequence at a step.
struct Place {
    // Whether the row is in the batch and the step is within its length.
    valid: bool,
    // The position: the step itself, or in the reverse direction the step counted from the row's own end.
    time: u32,
}

@group(0) @binding(0) var<uniform> dims: LayerDims;
@group(0) @binding(1) var<uniform> params: DispatchParams;
// Binding 2, the weights, is in weights/.
// [N, T, D, quads]: the layer's input sequence. For a step's second product: the first one's result.
@group(0) @binding(3) var<storage, read> input: array<vec4<f32>>;
// [L*D, N, quads of H_out]: the hidden state before the step.
@group(0) @binding(4) var<storage, read> hidden: array<vec4<f32>>;
// The hidden state after the step, in the same layout, as floats. If the step has a second product:
// [L*D, N, vectors, quads of H], the result of the first product. For the input product: the gates,
// [chunk's steps, D, N, G*H].
@group(0) @binding(5) var<storage, read_write> next_hidden: array<f32>;
// [L*D, N, H]: the cell state. Each invocation reads and writes only its own elements.
@group(0) @binding(6) var<storage, read_write> cell_state: array<f32>;
// [N, T, D, output_stride].
@group(0) @binding(7) var<storage, read_write> output: array<f32>;
// [N]: each row's number of steps.
@group(0) @binding(8) var<storage, read> lengths: array<u32>;
// [chunk's steps, D, N, G*H]: the input products with their biases, if they were computed ahead.
@group(0) @binding(9) var<storage, read> gates: array<f32>;

// Number of invocations in a workgroup.
override UNITS: u32 = 64u;
// Number of invocations with different items of the same rows: UNITS, or fewer in tiles and in blocks. The columns of an
// invocation lie so far apart.
override ITEMS: u32 = 64u;
// Number of rows that each invocation computes, 1 to MAX_ROWS.
override ROWS: u32 = 8u;
const MAX_ROWS = 8u;
// Whether an invocation loads the weights of several quads before it multiplies them, so that one latency is
// paid for all of them. A software driver has no latency to hide, and compiles each load.
override LOADS_AHEAD: bool = true;

// True if a buffer has the weights of only some units of a direction.
override DIVIDED: bool = false;

fn first_unit() -> u32 {
    if DIVIDED {
        return dims.first_unit;
    }
    return 0u;
}

// Number of elements of a vector of the cell state.
fn cell_size() -> u32 {
    if DIVIDED {
        return dims.cell_size;
    }
    return dims.hidden_size;
}

// The tile of a workgroup: its first column and row. The tiles are folded over grid x and y, because one
// side of a grid is limited to 65535.
struct Tile {
    inside: bool,
    column: u32,
    row: u32,
}

fn tile_of(group: vec3<u32>, groups: vec3<u32>, columns: u32, width: u32, rows: u32) -> Tile {
    return tall_tile_of(group, groups, columns, width, rows, ROWS);
}

// The same for tiles of `tall` rows.
fn tall_tile_of(
    group: vec3<u32>,
    groups: vec3<u32>,
    columns: u32,
    width: u32,
    rows: u32,
    tall: u32,
) -> Tile {
    let across = (columns + width - 1u) / width;
    let down = (rows + tall - 1u) / tall;
    let place = group.x + group.y * groups.x;
    return Tile(place < across * down, (place % across) * width, (place / across) * tall);
}

// D is 1 or 2, so no division is needed.
fn layer_of(index: u32) -> u32 {
    return index >> (dims.directions - 1u);
}

fn direction_of(index: u32) -> u32 {
    return index & (dims.directions - 1u);
}

fn step_of(index: u32) -> u32 {
    return params.step + layer_of(params.first) - layer_of(index);
}

fn place_of(index: u32, row: u32, step: u32) -> Place {
    if row >= dims.rows {
        return Place(false, 0u);
    }
    let length = lengths[row];
    let reverse = direction_of(index) >= dims.first_reverse;
    return Place(step < length, select(step, length - 1u - step, reverse && step < length));
}

// Number of quads of a layer's input vector.
fn input_quads(index: u32) -> u32 {
    return select(dims.input_quads, dims.directions * dims.hidden_quads, index >= dims.directions);
}

// The start of the weights of an index.
fn weights_of(index: u32) -> u32 {
    let first = dims.first_in_weights;
    let lower = min(index, dims.directions) - min(first, dims.directions);
    let upper = max(index, dims.directions) - max(first, dims.directions);
    return lower * dims.first_layer_weights + upper * dims.upper_layer_weights;
}

// Number of weight elements of an index.
fn weights_in(index: u32) -> u32 {
    return select(dims.first_layer_weights, dims.upper_layer_weights, index >= dims.directions);
}

// The start of a row's hidden state, in quads.
fn hidden_of(index: u32, row: u32) -> u32 {
    return (index * dims.rows + row) * dims.hidden_quads;
}

// The place of a unit's hidden state, in floats.
fn own_hidden(to: Target) -> u32 {
    return 4u * hidden_of(to.index, to.row) + first_unit() + to.unit;
}

// The start of a row's gates of a step.
fn gates_of(index: u32, row: u32, step: u32) -> u32 {
    let at = ((step - params.chunk) * dims.directions + direction_of(index)) * dims.rows + row;
    return at * GATES * dims.hidden_size;
}

fn write_output(to: Target, time: u32, value: f32) {
    // On a diagonal, only the last layer writes its hidden state to a sequence.
    if params.diagonal == 0u || layer_of(to.index) == dims.layers - 1u {
        let vector = (to.row * dims.steps + time) * dims.directions + direction_of(to.index);
        output[vector * params.output_stride + first_unit() + to.unit] = value;
    }
}
