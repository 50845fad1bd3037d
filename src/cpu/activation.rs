//! The activation functions on vectors.
//!
//! tanh and sigmoid both use `exp(y) = 2ⁿ·exp(r)` with `|r| <= ln 2 / 2`. The polynomial is a minimax fit
//! (Lawson's iteration in f64, then rounded to f32). Its own error is below `0.1 u` (`u = 2⁻²⁴`); the rest
//! of the error is rounding. NaN gives NaN; the infinities give the limits.

use fearless_simd::prelude::*;

use super::simd::Vector;

/// The activation functions of a cell, named as in ONNX, and what else ONNX's operators add to it.
pub(super) trait Functions {
    /// The function of an RNN, and of the gates of an LSTM or GRU.
    fn f<S: Simd>(&self, x: Vector<S>) -> Vector<S>;

    /// The function of an LSTM's gate g and of a GRU's gate n.
    #[inline(always)]
    fn g<S: Simd>(&self, x: Vector<S>) -> Vector<S> {
        tanh(x)
    }

    /// The function of an LSTM's cell state.
    #[inline(always)]
    fn h<S: Simd>(&self, x: Vector<S>) -> Vector<S> {
        tanh(x)
    }

    /// Returns whether an LSTM's f is 1 - i.
    #[inline(always)]
    fn input_forget(&self) -> bool {
        false
    }

    /// Adds a gate's peephole term for a block to its sums. The gates i, f, o are 0, 1, 2.
    #[inline(always)]
    fn peep<S: Simd>(&self, sums: Vector<S>, _block: usize, _gate: usize, _c: Vector<S>) -> Vector<S> {
        sums
    }
}

/// The functions of PyTorch's RNN.
pub(super) struct Tanh;
/// The functions of PyTorch's RNN with `nonlinearity='relu'`.
pub(super) struct Relu;
/// The functions of PyTorch's LSTM and GRU.
pub(super) struct Sigmoid;

impl Functions for Tanh {
    #[inline(always)]
    fn f<S: Simd>(&self, x: Vector<S>) -> Vector<S> {
        tanh(x)
    }
}

impl Functions for Relu {
    #[inline(always)]
    fn f<S: Simd>(&self, x: Vector<S>) -> Vector<S> {
        relu(x)
    }
}

impl Functions for Sigmoid {
    #[inline(always)]
    fn f<S: Simd>(&self, x: Vector<S>) -> Vector<S> {
        sigmoid(x)
    }
}

/// `1 / (1 + exp(-x))`.
#[inline(always)]
pub(super) fn sigmoid<S: Simd>(x: Vector<S>) -> Vector<S> {
    /// Above this the scale is infinite, so that the quotient is zero. Below it the scale is a normal
    /// number.
    const LARGEST: f32 = 89.0;
    const SMALLEST: f32 = -87.0;
    let (scale, e) = exp_m1(clamp(-x, SMALLEST, LARGEST));
    Vector::splat(x.simd, 1.0) / scale.mul_add(e + 1.0, 1.0)
}

/// Hyperbolic tangent: `m / (m + 2)` with `m = exp(2x) - 1`.
#[inline(always)]
pub(super) fn tanh<S: Simd>(x: Vector<S>) -> Vector<S> {
    /// From this argument on the result rounds to one.
    const ONE: f32 = 9.02;
    let (scale, e) = exp_m1(clamp(x, -ONE, ONE) * 2.0);
    // Near zero the scale is one, and nothing cancels.
    let m = scale.mul_add(e, scale - 1.0);
    (m / (m + 2.0)).copysign(x)
}

/// `max(x, 0)`. NaN stays NaN, as in PyTorch.
#[inline(always)]
pub(super) fn relu<S: Simd>(x: Vector<S>) -> Vector<S> {
    at_least(x, 0.0)
}

/// Clamps `x` to a range. NaN stays NaN.
#[inline(always)]
pub(super) fn clamp<S: Simd>(x: Vector<S>, smallest: f32, largest: f32) -> Vector<S> {
    let x = at_least(x, smallest);
    x.simd_gt(largest).select(Vector::splat(x.simd, largest), x)
}

/// Clamps `x` from below. NaN stays NaN.
#[inline(always)]
fn at_least<S: Simd>(x: Vector<S>, smallest: f32) -> Vector<S> {
    x.simd_lt(smallest).select(Vector::splat(x.simd, smallest), x)
}

/// Returns scale and e of `exp(y) = scale * (1 + e)` for `-87 <= y <= 89`. The scale is a power of two.
#[inline(always)]
pub(super) fn exp_m1<S: Simd>(y: Vector<S>) -> (Vector<S>, Vector<S>) {
    /// Adding 1.5·2²³ rounds to an integer and leaves it in the low bits of the sum.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts. The first is short enough for exact products with the exponents that occur.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let rounded = y.mul_add(std::f32::consts::LOG2_E, ROUND);
    let exponent = rounded - ROUND;
    let rest = exponent.mul_add(-LN_2[1], exponent.mul_add(-LN_2[0], y));
    let mut p = Vector::splat(y.simd, 0.001_395_060_2);
    for coefficient in [0.008_368_954, 0.041_666_206, 0.166_665_18, 0.5] {
        p = p.mul_add(rest, coefficient);
    }
    let scale = Vector::from_bits((rounded.to_bits() << 23) + 1.0f32.to_bits());
    (scale, (p * rest).mul_add(rest, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::CpuInstructions;
    use crate::cpu::simd::{Block, Kernel, PANEL, Set};

    /// Bounds on the errors over all f32, in units of u relative to the result. `FLUSHED` is the absolute
    /// error that is ignored, because a result below the smallest normal number may be flushed to zero.
    const TANH: f64 = 3.5;
    const SIGMOID: f64 = 3.5;
    const FLUSHED: f64 = f32::MIN_POSITIVE as f64;

    #[derive(Clone, Copy, Debug)]
    enum Function {
        Tanh,
        Sigmoid,
        Relu,
    }

    impl Function {
        fn exact(self, x: f64) -> f64 {
            match self {
                Function::Tanh => x.tanh(),
                Function::Sigmoid => 1.0 / (1.0 + (-x).exp()),
                Function::Relu => x.max(0.0),
            }
        }

        fn bound(self) -> f64 {
            match self {
                Function::Tanh => TANH,
                Function::Sigmoid => SIGMOID,
                Function::Relu => 0.0,
            }
        }
    }

    struct Apply<'a>(Function, &'a mut [f32]);

    impl Kernel for Apply<'_> {
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            for values in self.1.chunks_mut(PANEL) {
                let mut block = Block::default();
                block.0[..values.len()].copy_from_slice(values);
                let x = block.load(simd);
                block.store(match self.0 {
                    Function::Tanh => tanh(x),
                    Function::Sigmoid => sigmoid(x),
                    Function::Relu => relu(x),
                });
                values.copy_from_slice(&block.0[..values.len()]);
            }
        }
    }

    /// Applies `function` to `x` with the code of the layers.
    fn apply<const N: usize>(instructions: CpuInstructions, function: Function, mut x: [f32; N]) -> [f32; N] {
        Set::of(instructions).unwrap().run(Apply(function, &mut x));
        x
    }

    /// Returns the largest error over some arguments and their negatives, in units of u relative to the
    /// result.
    fn worst(
        instructions: CpuInstructions,
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

    /// Returns the error in units of u relative to the result; infinite if exactly one of the two is NaN.
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
        for instructions in CpuInstructions::available() {
            // This range has all bit patterns of positive numbers, infinity and NaN.
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
            assert!(
                worst(CpuInstructions::best().unwrap(), function, 1.0 + 1e-6, arguments) > function.bound()
            );
        }
        assert!(error(f64::NAN, 0.0) > SIGMOID && error(0.0, f32::NAN) > SIGMOID);
    }

    #[test]
    fn limits_and_special_values() {
        for instructions in CpuInstructions::available() {
            let tanh = |x| apply(instructions, Function::Tanh, [x])[0];
            let sigmoid = |x| apply(instructions, Function::Sigmoid, [x])[0];
            assert_eq!([tanh(f32::INFINITY), tanh(f32::NEG_INFINITY)], [1.0, -1.0]);
            assert_eq!([sigmoid(f32::INFINITY), sigmoid(f32::NEG_INFINITY), sigmoid(0.0)], [1.0, 0.0, 0.5]);
            assert_eq!([tanh(0.0).to_bits(), tanh(-0.0).to_bits()], [0.0f32.to_bits(), (-0.0f32).to_bits()]);
            assert_eq!([tanh(f32::MAX), tanh(f32::MIN), tanh(1e-40)], [1.0, -1.0, 1e-40]);
            assert_eq!([sigmoid(f32::MAX), sigmoid(f32::MIN)], [1.0, 0.0]);
            let relu = |x| apply(instructions, Function::Relu, [x])[0];
            assert_eq!(
                [relu(f32::INFINITY), relu(f32::NEG_INFINITY), relu(-1.0), relu(2.0)],
                [f32::INFINITY, 0.0, 0.0, 2.0]
            );
            assert!(tanh(f32::NAN).is_nan() && sigmoid(f32::NAN).is_nan() && relu(f32::NAN).is_nan());
        }
    }
}
