// The library's own activation functions. WGSL's tanh may return any value for large arguments
// (https://www.w3.org/TR/WGSL/#tanh-builtin), and some drivers return NaN there. These functions saturate
// instead. NaN stays NaN. It is told by its bits, since a compiler may take a comparison of x with x for true, and
// since min, max and clamp may return the other operand.

fn act_is_nan(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

// Below 0.625, tanh is the odd polynomial of Cephes' tanhf (S. Moshier, https://www.netlib.org/cephes/),
// which keeps the relative accuracy of small arguments. Above, it is 1 - 2 / (exp(2x) + 1). From 9.02 on,
// the result rounds to 1 in f32, so the argument is cut at 10, long before exp overflows.
fn act_tanh(x: f32) -> f32 {
    let z = x * x;
    var p = fma(-5.70498872745e-3, z, 2.06390887954e-2);
    p = fma(p, z, -5.37397155531e-2);
    p = fma(p, z, 1.33314422036e-1);
    p = fma(p, z, -3.33332819422e-1);
    let small = fma(p * z, x, x);
    let magnitude = min(abs(x), 10.0);
    let large = 1.0 - 2.0 / (exp(2.0 * magnitude) + 1.0);
    return select(select(large, -large, x < 0.0), small, magnitude < 0.625 || act_is_nan(x));
}

// A gate is the product of two factors. A nearly closed gate is a number below 2^-126, which many devices
// replace by zero, and which still matters where it multiplies a state of 1e36. Its factors are not that small.
// Every other gate has the scale 1.
struct Gate {
    value: f32,
    scale: f32,
}

// The gate times x.
fn act_times(gate: Gate, x: f32) -> f32 {
    return gate.value * (gate.scale * x);
}

// 1 / (1 + exp(-x)). Below -87 this is exp(x) in f32: the square of exp(x / 2), which is zero from -200 on.
fn act_sigmoid_gate(x: f32) -> Gate {
    let closed = x < -87.0;
    let e = exp(select(-min(x, 88.0), 0.5 * max(x, -200.0), closed));
    let value = select(1.0 / (1.0 + e), e, closed);
    return Gate(select(value, x, act_is_nan(x)), select(1.0, e, closed));
}

fn act_sigmoid(x: f32) -> f32 {
    return act_times(act_sigmoid_gate(x), 1.0);
}

fn act_relu(x: f32) -> f32 {
    return select(max(x, 0.0), x, act_is_nan(x));
}
