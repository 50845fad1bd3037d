//! Changes of the shaders' text that the tests must notice.

/// A piece of shader text and its replacement.
pub(super) type Mutation = (&'static str, &'static str);

pub(super) const MUTATIONS: &[Mutation] = &[
    // weights/*.wgsl
    ("return packed;", "return packed.yxzw;"),
    (
        "vec4<f32>(unpack2x16float(packed.x), unpack2x16float(packed.y))",
        "vec4<f32>(unpack2x16float(packed.y), unpack2x16float(packed.x))",
    ),
    ("let at = bias + 2u * unit;", "let at = bias + unit;"),
    // activation.wgsl
    ("1.0 - 2.0 / (exp", "1.0 - 2.00002 / (exp"),
    ("-3.33332819422e-1", "-3.3332e-1"),
    ("select(large, -large, x < 0.0)", "large"),
    ("exp(select(-min(x, 88.0)", "exp(select(min(x, 88.0)"),
    ("return select(max(x, 0.0), x,", "return select(abs(x), x,"),
    // activation/rnn.wgsl and activation/pytorch.wgsl
    ("if RELU {", "if !RELU {"),
    ("    return act_sigmoid_gate(x);\n}\n\nfn act_g", "    return Gate(act_tanh(x), 1.0);\n}\n\nfn act_g"),
    ("    return act_tanh(x);\n}\n\nfn act_h", "    return act_sigmoid(x);\n}\n\nfn act_h"),
    (
        "fn act_h(index: u32, x: f32) -> f32 {\n    return act_tanh(x);",
        "fn act_h(index: u32, x: f32) -> f32 {\n    return x;",
    ),
    // unit.wgsl
    ("return vec4<f32>(0.0, 0.0, start.w, 0.0);", "return vec4<f32>(0.0, 0.0, start.z, 0.0);"),
    ("start_of_sums(bias, min(unit + UNITS, last)).x,", "start_of_sums(bias, min(unit, last)).x,"),
    ("total.x += gates[at];", "total.x -= gates[at];"),
    ("total.y += gates[at + units];", "total.y += gates[at];"),
    ("total.w = gates[at + 2u * units];", "total.w = gates[at + units];"),
    ("total.w += gates[at + 3u * units];", "total.w += gates[at + 2u * units];"),
    ("cell_state[at] = next.c;", ""),
    ("previous.c = cell_state[at];", ""),
    // activation/variant.wgsl
    ("act(F1, F1_ALPHA, F1_BETA, clipped(x))", "act(F0, F0_ALPHA, F0_BETA, clipped(x))"),
    ("act_gate(F1, F1_ALPHA, F1_BETA, clipped(x))", "act_gate(F0, F0_ALPHA, F0_BETA, clipped(x))"),
    ("    if function == 2u {", "    if function == 3u {"),
    ("act(G1, G1_ALPHA, G1_BETA, clipped(x))", "act(G0, G0_ALPHA, G0_BETA, clipped(x))"),
    ("act(H1, H1_ALPHA, H1_BETA, x)", "act(H0, H0_ALPHA, H0_BETA, x)"),
    ("return clamp(x, -CLIP, CLIP);", "return x;"),
    ("return fma(alpha, x, beta);", "return alpha * x;"),
    ("select(x, alpha * x, x < 0.0)", "x"),
    ("select(x, 0.0, x <= alpha)", "x"),
    ("return alpha * act_tanh(beta * x);", "return alpha * act_tanh(x);"),
    ("return clamp(fma(alpha, x, beta), 0.0, 1.0);", "return clamp(fma(alpha, x, beta), 0.0, 0.9);"),
    ("select(x, alpha * act_expm1(x), x < 0.0)", "alpha * act_expm1(x)"),
    ("return 2.0 * t / (1.0 - t);", "return 2.0 * t;"),
    ("return x / (1.0 + abs(x));", "return x / (1.0 + x);"),
    ("return max(x, 0.0) + 2.0 * fma(p * z, s, s);", "return max(x, 0.0) + fma(p * z, s, s);"),
    ("p = fma(p, z, 1.0 / 3.0);", "p = fma(p, z, 1.0 / 3.01);"),
    // cell/rnn.wgsl, cell/gru.wgsl and cell/lstm.wgsl
    ("return Unit(act_f(index, sums.x), 0.0);", "return Unit(act_f(index, sums.y), 0.0);"),
    ("let z = gate_f(index, sums.y);", "let z = gate_f(index, sums.x);"),
    ("fma(r.value, r.scale * sums.z, sums.w)", "fma(r.value, sums.w, sums.z)"),
    ("(1.0 - z.value) * n), 0.0)", "(1.0 - z.value) * previous.h), 0.0)"),
    ("fma(f.value, f.scale * previous.c, act_times(i, g))", "fma(i.value, previous.c, act_times(f, g))"),
    ("if PEEPHOLES {", "if false {"),
    ("dims.hidden_size + unit);\n        seen", "dims.hidden_size);\n        seen"),
    ("seen.w = fma(peephole.z, c, sums.w);", ""),
    ("if !INPUT_FORGET {", "{"),
    ("fma(peephole.z, c, sums.w)", "fma(peephole.z, previous.c, sums.w)"),
    ("act_times(o, act_h(index, c))", "act_times(o, act_g(index, c))"),
    // bindings.wgsl
    ("direction_of(index) >= dims.first_reverse", "direction_of(index) == 1u"),
    ("(place / across) * ROWS", "place / across"),
    ("+ layer_of(params.first) - layer_of(index)", ""),
    ("length - 1u - step", "dims.steps - 1u - step"),
    ("reverse && step < length", "false"),
    ("Place(step < length,", "Place(true,"),
    ("upper * dims.upper_layer_weights", "upper * dims.first_layer_weights"),
    ("if params.diagonal == 0u || ", "if params.diagonal == 0u && "),
    (
        "((step - params.chunk) * dims.directions + direction_of(index))",
        "((step - params.chunk) * dims.directions)",
    ),
    ("* dims.directions + direction_of(to.index);\n        output", "* dims.directions;\n        output"),
    (
        "dims.directions * dims.hidden_quads, index >= dims.directions",
        "dims.hidden_quads, index >= dims.directions",
    ),
    // product.wgsl, product/workgroup.wgsl and memory.wgsl
    ("value = quad_of(source, start + first + quad);", "value = quad_of(source, start + quad);"),
    ("fma(a.w, b.w,", "fma(a.w, b.z,"),
    ("(first + block) * product.columns", "block * product.columns"),
    ("quad_of(product.source, start + quad);", "quad_of(product.source, start);"),
    ("own = select(own, (*sums)[2], row == 2u);", ""),
    ("select(sums.z, sums.w, each == 3u)", "sums.z"),
    ("BLOCK - 1u || first + quad == product.quads - 1u", "BLOCK - 1u"),
    // product/direct.wgsl
    ("start + row * product.quads + quad)", "start + quad)"),
    // product/subgroup.wgsl
    ("subgroupShuffle(start, row)", "start"),
    ("of_row + first + own", "of_row + own"),
    ("subgroupShuffle(held[row], quad)", "held[row]"),
    ("partial[row] = vec4<f32>();", ""),
    ("start + row * product.quads, row < ROWS", "start, row < ROWS"),
    // step.wgsl
    (
        "sums[row] = vec4<f32>(sums[row].xy, b_hn, sums[row].z);",
        "sums[row] = vec4<f32>(sums[row].xy, sums[row].z, b_hn);",
    ),
    ("return hidden_of(index - 1u, row);", "return hidden_of(index, row);"),
    ("(row * dims.steps + place.time) * input_quads(index)", "row * dims.steps * input_quads(index)"),
    (
        "weight_ih + columns * input_quads(index);\n    let bias = weight_hh",
        "weight_ih;\n    let bias = weight_hh",
    ),
    ("to.unit = unit + each * UNITS;", "to.unit = unit;"),
    // projection.wgsl
    (
        "weights_of(index) + weights_in(index) - columns * quads",
        "weights_of(index) + weights_in(index) - columns * (quads - 1u)",
    ),
    // input_product.wgsl
    ("bias_of(bias, offsets.y)", "bias_of(bias, offsets.x)"),
    ("params.chunk + row / dims.rows", "row / dims.rows"),
    ("(row / dims.rows) * dims.directions + direction_of(index)", "(row / dims.rows) * dims.directions"),
    // scan.wgsl
    ("states[(i / size) * stride + i % size] = hidden", "states[i] = hidden"),
    ("let next = STATE - now;", "let next = now;"),
    ("let step = params.step + count;", "let step = count;"),
    ("states[turn.next + at] = h;", "states[turn.next + at] = 0.0;"),
    ("turn.first_row + row, turn.step", "row, turn.step"),
    (
        "states[turn.next + at] = value;\n        write_output(to, place.time, value);\n    } else {\n        states[turn.next + at] = states",
        "states[turn.next + at] = 2.0 * value;\n        write_output(to, place.time, value);\n    } else {\n        states[turn.next + at] = states",
    ),
    ("i < end - weight_hh;", "i < end - weight_hh - 1u;"),
    ("kept[i] = weights[weight_hh + i];", "kept[i] = weights[i];"),
    ("return weights[weight_hh + at];", "return weights[at];"),
    ("return kept[at];", "return kept[at ^ 1u];"),
    ("FROM_WIDE, quads, weight_hr, size", "FROM_WIDE, quads, 0u, size"),
    // candidate.wgsl
    ("return 3u * (index * dims.rows + row) * dims.hidden_quads;", "return 3u * row * dims.hidden_quads;"),
    ("gate_f(to.index, input[left + dims.hidden_quads][", "gate_f(to.index, input[left]["),
    ("of_input = input[left + 2u * dims.hidden_quads][unit % 4u];", "of_input = 0.0;"),
    (
        "    of_input = gates[gates_of(to.index, to.row, to.step) + 2u * dims.hidden_size + unit];",
        "    of_input = gates[gates_of(to.index, to.row, to.step) + unit];",
    ),
    // step/reset.wgsl and step/reset_gates.wgsl
    ("next_hidden[at + vector] = gates.c;", "next_hidden[at + vector] = gates.h;"),
    ("next_hidden[at + 2u * vector] = total.w;", "next_hidden[at + 2u * vector] = total.z;"),
    ("let is_update = to.unit >= dims.hidden_size;", "let is_update = to.unit > dims.hidden_size;"),
    ("act_times(gate_f(to.index, argument), h)", "h"),
    // scan/reset.wgsl
    ("act_times(gate_f(to.index, argument), states[turn.now + at])", "states[turn.now + at]"),
    ("states[turn.next + at] = argument;", "states[turn.next + at] = 0.5;"),
    ("gate_f(to.index, states[turn.next + at])", "gate_f(to.index, states[turn.now + at])"),
    (
        "let of_input = gates[gates_of(to.index, to.row, to.step) + 2u * dims.hidden_size + unit];",
        "let of_input = gates[gates_of(to.index, to.row, to.step) + unit];",
    ),
    // cell/reset_gru.wgsl and cell/reset_gates.wgsl
    ("act_times(gate_f(index, sums.x), previous.h)", "previous.h"),
    ("return 2u * dims.hidden_size;", "return dims.hidden_size;"),
];
