//! tanh and sigmoid without branches, so that the compiler can compute several at once.
//!
//! The polynomials are minimax fits (Lawson's iteration in f64, then rounded to f32) whose own error is below `0.1 u`
//! (`u = 2⁻²⁴`); what remains is rounding. NaN gives NaN; the infinities give the limits.

/// `1 / (1 + exp(-x))`.
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    // The smaller of the two probabilities; its rounding errors count at most half in the larger one.
    let e = exp_of_negative(-x.abs());
    let smaller = e / (1.0 + e);
    if x < 0.0 { smaller } else { 1.0 - smaller }
}

/// Hyperbolic tangent.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    let a = x.abs();
    // Near zero the difference below cancels; there an odd polynomial takes over.
    let square = a * a;
    let mut p = -0.005_717_042_4;
    for coefficient in [0.020_650_584, -0.053_743_497, 0.133_314_91, -0.333_332_84] {
        p = p * square + coefficient;
    }
    let near = p * square * a + a;
    let e = exp_of_negative(-2.0 * a);
    let far = 1.0 - 2.0 * e / (1.0 + e);
    (if a < 0.625 { near } else { far }).copysign(x)
}

/// `max(x, 0)`, where NaN stays NaN, as in PyTorch.
#[inline(always)]
pub(super) fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

/// `exp(x)` for `x <= 0`; zero where it would be below the normal numbers.
#[inline(always)]
fn exp_of_negative(x: f32) -> f32 {
    /// Adding 1.5·2²³ rounds to an integer and leaves it in the low bits of the sum.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts, the first short enough for exact products with the exponents that occur.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    /// ln 2⁻¹²⁶: the smallest normal number.
    const LN_MIN: f32 = -87.336_54;
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let exponent = rounded - ROUND;
    let rest = x - exponent * LN_2[0] - exponent * LN_2[1];
    let mut p = 0.001_395_060_2;
    for coefficient in [0.008_368_954, 0.041_666_206, 0.166_665_18, 0.5] {
        p = p * rest + coefficient;
    }
    let e = p * rest * rest + rest + 1.0;
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    if x < LN_MIN { 0.0 } else { e * power }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every 997th f32 from 2⁻⁴⁰ to 128, both signs.
    fn arguments() -> impl Iterator<Item = f32> {
        let range = 2f32.powi(-40).to_bits()..128f32.to_bits();
        range.step_by(997).map(f32::from_bits).flat_map(|x| [x, -x])
    }

    /// The largest error in units of u = 2⁻²⁴ relative to the result.
    fn worst(found: fn(f32) -> f32, exact: fn(f64) -> f64) -> f64 {
        let u = 2f64.powi(-24);
        let error = |x: f32| {
            let exact = exact(f64::from(x));
            let difference = (f64::from(found(x)) - exact).abs();
            if difference <= f64::from(f32::MIN_POSITIVE) { 0.0 } else { difference / (u * exact.abs()) }
        };
        arguments().map(error).fold(0.0, f64::max)
    }

    #[test]
    fn errors_are_a_few_roundings() {
        let tanh_error = worst(tanh, f64::tanh);
        assert!(tanh_error < 4.0, "tanh: {tanh_error} u");
        let sigmoid_error = worst(sigmoid, |x| 1.0 / (1.0 + (-x).exp()));
        assert!(sigmoid_error < 6.0, "sigmoid: {sigmoid_error} u");
    }

    #[test]
    fn a_wrong_function_is_noticed() {
        assert!(worst(|x| tanh(x) * (1.0 + 1e-6), f64::tanh) > 4.0);
    }

    #[test]
    fn limits_and_special_values() {
        assert_eq!([tanh(f32::INFINITY), tanh(f32::NEG_INFINITY)], [1.0, -1.0]);
        assert_eq!([sigmoid(f32::INFINITY), sigmoid(f32::NEG_INFINITY), sigmoid(0.0)], [1.0, 0.0, 0.5]);
        assert_eq!([tanh(0.0).to_bits(), tanh(-0.0).to_bits()], [0.0f32.to_bits(), (-0.0f32).to_bits()]);
        assert_eq!([tanh(f32::MAX), tanh(f32::MIN), tanh(1e-40)], [1.0, -1.0, 1e-40]);
        assert_eq!([sigmoid(f32::MAX), sigmoid(f32::MIN)], [1.0, 0.0]);
        assert_eq!(
            [relu(f32::INFINITY), relu(f32::NEG_INFINITY), relu(-1.0), relu(2.0)],
            [f32::INFINITY, 0.0, 0.0, 2.0]
        );
        assert!(tanh(f32::NAN).is_nan() && sigmoid(f32::NAN).is_nan() && relu(f32::NAN).is_nan());
    }
}
