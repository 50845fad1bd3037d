// The library's own activation functions. WGSL's tanh may return any value for large arguments
// (https://www.w3.org/TR/WGSL/#tanh-builtin), and some drivers return NaN there. These functions saturate
// instead.

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
    return select(select(large, -large, x < 0.0), small, magnitude < 0.625);
}

// 1 / (1 + exp(-x)). The argument is clamped where exp would overflow; the result there is below 2^-126.
fn act_sigmoid(x: f32) -> f32 {
    return 1.0 / (1.0 + exp(-clamp(x, -88.0, 88.0)));
}

fn act_relu(x: f32) -> f32 {
    return max(x, 0.0);
}
