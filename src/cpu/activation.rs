//! tanh and sigmoid without branches, so that the compiler can compute several at once.
//!
//! Both rest on `exp(y) = 2ⁿ·exp(r)` with `|r| <= ln 2 / 2`. The polynomial is a minimax fit (Lawson's iteration in f64, then
//! rounded to f32) whose own error is below `0.1 u` (`u = 2⁻²⁴`); what remains is rounding. NaN gives NaN; the infinities
//! give the limits.

use super::simd::Level;

/// `1 / (1 + exp(-x))`.
#[inline(always)]
pub(super) fn sigmoid<L: Level>(x: f32) -> f32 {
    /// The scale is infinite above, so that the quotient is zero, and normal below.
    const LARGEST: f32 = 89.0;
    const SMALLEST: f32 = -87.0;
    let (scale, e) = exp_m1::<L>(clamp(-x, SMALLEST, LARGEST));
    1.0 / L::mul_add(scale, e + 1.0, 1.0)
}

/// Hyperbolic tangent: `m / (m + 2)` with `m = exp(2x) - 1`.
#[inline(always)]
pub(super) fn tanh<L: Level>(x: f32) -> f32 {
    /// From here on the result rounds to one.
    const ONE: f32 = 9.02;
    let (scale, e) = exp_m1::<L>(2.0 * clamp(x, -ONE, ONE));
    // Near zero the scale is one, and nothing cancels.
    let m = L::mul_add(scale, e, scale - 1.0);
    (m / (m + 2.0)).copysign(x)
}

/// `max(x, 0)`, where NaN stays NaN, as in PyTorch.
#[inline(always)]
pub(super) fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

/// NaN stays NaN, other than with [`f32::max`].
#[inline(always)]
pub(super) fn clamp(x: f32, smallest: f32, largest: f32) -> f32 {
    let x = if x < smallest { smallest } else { x };
    if x > largest { largest } else { x }
}

/// `exp(y) = scale * (1 + e)`, where the scale is a power of two: the two of them, for `-87 <= y <= 89`.
#[inline(always)]
pub(super) fn exp_m1<L: Level>(y: f32) -> (f32, f32) {
    /// Adding 1.5·2²³ rounds to an integer and leaves it in the low bits of the sum.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts, the first short enough for exact products with the exponents that occur.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let rounded = L::mul_add(y, std::f32::consts::LOG2_E, ROUND);
    let exponent = rounded - ROUND;
    let rest = L::mul_add(exponent, -LN_2[1], L::mul_add(exponent, -LN_2[0], y));
    let mut p = 0.001_395_060_2;
    for coefficient in [0.008_368_954, 0.041_666_206, 0.166_665_18, 0.5] {
        p = L::mul_add(p, rest, coefficient);
    }
    let scale = f32::from_bits((rounded.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    (scale, L::mul_add(p * rest, rest, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::cpu::simd::{Instructions, Kernel};

    /// Bounds on the errors over all f32, in units of u relative to the result, and how far below
    /// the smallest normal number a result may be flushed to zero.
    const TANH: f64 = 3.5;
    const SIGMOID: f64 = 3.5;
    const FLUSHED: f64 = f32::MIN_POSITIVE as f64;

    #[derive(Clone, Copy, Debug)]
    enum Function {
        Tanh,
        Sigmoid,
    }

    impl Function {
        fn exact(self, x: f64) -> f64 {
            match self {
                Function::Tanh => x.tanh(),
                Function::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            }
        }

        fn bound(self) -> f64 {
            match self {
                Function::Tanh => TANH,
                Function::Sigmoid => SIGMOID,
            }
        }
    }

    struct Apply<'a>(Function, &'a mut [f32]);

    impl Kernel for Apply<'_> {
        #[inline(always)]
        fn run<L: Level>(self) {
            match self.0 {
                Function::Tanh => self.1.iter_mut().for_each(|x| *x = tanh::<L>(*x)),
                Function::Sigmoid => self.1.iter_mut().for_each(|x| *x = sigmoid::<L>(*x)),
            }
        }
    }

    /// `function` of `x`, computed as the layers do.
    fn apply<const N: usize>(instructions: Instructions, function: Function, mut x: [f32; N]) -> [f32; N] {
        instructions.run(Apply(function, &mut x));
        x
    }

    /// The largest error over some arguments and their negatives, in units of u relative to the result.
    fn worst(
        instructions: Instructions,
        function: Function,
        scale: f32,
        mut arguments: impl Iterator<Item = u32>,
    ) -> f64 {
        let mut worst = 0f64;
        while let Some(first) = arguments.next() {
            let mut x = [f32::from_bits(first); 4096];
            for (x, bits) in x[2..].chunks_exact_mut(2).zip(&mut arguments) {
                x.fill(f32::from_bits(bits));
            }
            x.iter_mut().step_by(2).for_each(|x| *x = -*x);
            let found = apply(instructions, function, x);
            for (x, found) in x.into_iter().zip(found) {
                worst = worst.max(error(function.exact(f64::from(x)), found * scale));
            }
        }
        worst
    }

    /// In units of u relative to the result; infinite where one is NaN and the other is not.
    fn error(exact: f64, found: f32) -> f64 {
        let difference = (f64::from(found) - exact).abs();
        match (exact.is_nan(), found.is_nan()) {
            (true, true) => 0.0,
            (true, false) | (false, true) => f64::INFINITY,
            _ if difference <= FLUSHED => 0.0,
            _ => difference / (2f64.powi(-24) * exact.abs()),
        }
    }

    fn holds(function: Function, step: usize) {
        for instructions in Instructions::available() {
            // All bit patterns of positive numbers, infinity and NaN.
            let worst = worst(instructions, function, 1.0, (0..1 << 31).step_by(step));
            println!("{function:?}, {instructions:?}: {worst:.2} u");
            assert!(worst < function.bound(), "{function:?}, {instructions:?}: {worst} u");
        }
    }

    #[test]
    fn errors_are_a_few_roundings() {
        holds(Function::Tanh, 997);
        holds(Function::Sigmoid, 997);
    }

    #[test]
    #[ignore = "every f32 takes minutes"]
    fn errors_are_a_few_roundings_for_every_f32() {
        holds(Function::Tanh, 1);
        holds(Function::Sigmoid, 1);
    }

    #[test]
    fn a_wrong_function_is_noticed() {
        for function in [Function::Tanh, Function::Sigmoid] {
            let arguments = (0..1 << 31).step_by(99_991);
            assert!(worst(Instructions::best(), function, 1.0 + 1e-6, arguments) > function.bound());
        }
        assert!(error(f64::NAN, 0.0) > SIGMOID && error(0.0, f32::NAN) > SIGMOID);
    }

    #[test]
    fn limits_and_special_values() {
        for instructions in Instructions::available() {
            let tanh = |x| apply(instructions, Function::Tanh, [x])[0];
            let sigmoid = |x| apply(instructions, Function::Sigmoid, [x])[0];
            assert_eq!([tanh(f32::INFINITY), tanh(f32::NEG_INFINITY)], [1.0, -1.0]);
            assert_eq!([sigmoid(f32::INFINITY), sigmoid(f32::NEG_INFINITY), sigmoid(0.0)], [1.0, 0.0, 0.5]);
            assert_eq!([tanh(0.0).to_bits(), tanh(-0.0).to_bits()], [0.0f32.to_bits(), (-0.0f32).to_bits()]);
            assert_eq!([tanh(f32::MAX), tanh(f32::MIN), tanh(1e-40)], [1.0, -1.0, 1e-40]);
            assert_eq!([sigmoid(f32::MAX), sigmoid(f32::MIN)], [1.0, 0.0]);
            assert!(tanh(f32::NAN).is_nan() && sigmoid(f32::NAN).is_nan());
        }
        assert_eq!(
            [relu(f32::INFINITY), relu(f32::NEG_INFINITY), relu(-1.0), relu(2.0)],
            [f32::INFINITY, 0.0, 0.0, 2.0]
        );
        assert!(relu(f32::NAN).is_nan());
    }
}
