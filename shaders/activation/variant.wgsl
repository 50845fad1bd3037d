// The activation functions of ONNX's operators. Overrides choose f, g and h (see activation.rs) for each
// direction: 0 is the forward direction (or the only one), 1 is the reverse direction.

override F0: u32 = 2u;
override F0_ALPHA: f32 = 0.0;
override F0_BETA: f32 = 0.0;
override G0: u32 = 1u;
override G0_ALPHA: f32 = 0.0;
override G0_BETA: f32 = 0.0;
override H0: u32 = 1u;
override H0_ALPHA: f32 = 0.0;
override H0_BETA: f32 = 0.0;
override F1: u32 = 2u;
override F1_ALPHA: f32 = 0.0;
override F1_BETA: f32 = 0.0;
override G1: u32 = 1u;
override G1_ALPHA: f32 = 0.0;
override G1_BETA: f32 = 0.0;
override H1: u32 = 1u;
override H1_ALPHA: f32 = 0.0;
override H1_BETA: f32 = 0.0;
// The arguments of f and g are clamped to [-CLIP, CLIP].
override CLIP: f32 = 3.4028234e38;

fn clipped(x: f32) -> f32 {
    if CLIP == 3.4028234e38 || act_is_nan(x) {
        return x;
    }
    return clamp(x, -CLIP, CLIP);
}

fn act_f(index: u32, x: f32) -> f32 {
    if direction_of(index) == 0u {
        return act(F0, F0_ALPHA, F0_BETA, clipped(x));
    }
    return act(F1, F1_ALPHA, F1_BETA, clipped(x));
}

// f of a gate.
fn gate_f(index: u32, x: f32) -> Gate {
    if direction_of(index) == 0u {
        return act_gate(F0, F0_ALPHA, F0_BETA, clipped(x));
    }
    return act_gate(F1, F1_ALPHA, F1_BETA, clipped(x));
}

fn act_g(index: u32, x: f32) -> f32 {
    if direction_of(index) == 0u {
        return act(G0, G0_ALPHA, G0_BETA, clipped(x));
    }
    return act(G1, G1_ALPHA, G1_BETA, clipped(x));
}

fn act_h(index: u32, x: f32) -> f32 {
    if direction_of(index) == 0u {
        return act(H0, H0_ALPHA, H0_BETA, x);
    }
    return act(H1, H1_ALPHA, H1_BETA, x);
}

fn act_gate(function: u32, alpha: f32, beta: f32, x: f32) -> Gate {
    if function == 2u {
        return act_sigmoid_gate(x);
    }
    return Gate(act(function, alpha, beta, x), 1.0);
}

fn act(function: u32, alpha: f32, beta: f32, x: f32) -> f32 {
    return select(act_of_number(function, alpha, beta, x), x, act_is_nan(x));
}

// `function` is a number from kernel/variant.rs.
fn act_of_number(function: u32, alpha: f32, beta: f32, x: f32) -> f32 {
    switch function {
        case 0u: {
            return act_relu(x);
        }
        case 1u: {
            return act_tanh(x);
        }
        case 2u: {
            return act_sigmoid(x);
        }
        case 3u: {
            return fma(alpha, x, beta);
        }
        case 4u: {
            return select(x, alpha * x, x < 0.0);
        }
        case 5u: {
            return select(x, 0.0, x <= alpha);
        }
        case 6u: {
            return alpha * act_tanh(beta * x);
        }
        case 7u: {
            return clamp(fma(alpha, x, beta), 0.0, 1.0);
        }
        case 8u: {
            return select(x, alpha * act_expm1(x), x < 0.0);
        }
        case 9u: {
            return x / (1.0 + abs(x));
        }
        default: {
            return act_softplus(x);
        }
    }
}

// exp(x) - 1 for x <= 0, as 2 t / (1 - t) with t = tanh(x / 2).
fn act_expm1(x: f32) -> f32 {
    let t = act_tanh(0.5 * min(x, 0.0));
    return 2.0 * t / (1.0 - t);
}

// max(x, 0) + ln(1 + t) with t = exp(-|x|), and ln(1 + t) = 2 artanh(t / (2 + t)). No term of artanh's
// series that is left out is above 3^-16 / 17. WGSL's log is not used because it may be off by 2^-21 near 1.
fn act_softplus(x: f32) -> f32 {
    let t = exp(-min(abs(x), 88.0));
    let s = t / (2.0 + t);
    let z = s * s;
    var p = fma(1.0 / 15.0, z, 1.0 / 13.0);
    p = fma(p, z, 1.0 / 11.0);
    p = fma(p, z, 1.0 / 9.0);
    p = fma(p, z, 1.0 / 7.0);
    p = fma(p, z, 1.0 / 5.0);
    p = fma(p, z, 1.0 / 3.0);
    return max(x, 0.0) + 2.0 * fma(p * z, s, s);
}
