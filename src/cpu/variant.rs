//! What ONNX's operators add to PyTorch's cells, for a block of units at a time.

use fearless_simd::prelude::*;

use super::activation::{Functions, clamp, exp_m1, relu, sigmoid, tanh};
use super::simd::{Block, PANEL, Vector};
use crate::{Activation, Config, DirectionWeights};

/// The features of a direction that differ from PyTorch's cell.
#[derive(Debug)]
pub(super) struct VariantFunctions {
    f: Activation,
    g: Activation,
    h: Activation,
    clip: f32,
    input_forget: bool,
    /// For each block of units, the peephole weights of the gates i, f and o; empty without peepholes.
    peepholes: Vec<[Block; 3]>,
}

impl VariantFunctions {
    /// Returns `None` if the direction is PyTorch's cell.
    pub(super) fn new(config: &Config, direction: usize, weights: &DirectionWeights) -> Option<Self> {
        if !config.is_variant() {
            return None;
        }
        let Config { clip, input_forget, .. } = *config;
        let mut peepholes = Vec::new();
        if let Some(weight) = &weights.weight_ch {
            peepholes.resize(config.hidden_size.div_ceil(PANEL), [Block::default(); 3]);
            for (index, &weight) in weight.iter().enumerate() {
                let (gate, unit) = (index / config.hidden_size, index % config.hidden_size);
                peepholes[unit / PANEL][gate].0[unit % PANEL] = weight;
            }
        }
        let [f, g, h] = config.activations_of(direction);
        let clip = clip.unwrap_or(f32::INFINITY);
        Some(VariantFunctions { f, g, h, clip, input_forget, peepholes })
    }
}

impl Functions for VariantFunctions {
    #[inline(always)]
    fn f<S: Simd>(&self, x: Vector<S>) -> Vector<S> {
        apply(self.f, clamp(x, -self.clip, self.clip))
    }

    #[inline(always)]
    fn g<S: Simd>(&self, x: Vector<S>) -> Vector<S> {
        apply(self.g, clamp(x, -self.clip, self.clip))
    }

    #[inline(always)]
    fn h<S: Simd>(&self, x: Vector<S>) -> Vector<S> {
        apply(self.h, x)
    }

    #[inline(always)]
    fn input_forget(&self) -> bool {
        self.input_forget
    }

    #[inline(always)]
    fn peep<S: Simd>(&self, sums: Vector<S>, block: usize, gate: usize, c: Vector<S>) -> Vector<S> {
        match self.peepholes.get(block) {
            Some(weights) => sums + weights[gate].load(sums.simd) * c,
            None => sums,
        }
    }
}

/// Compiled as a separate function for each instruction set. Otherwise eleven activations would be inlined
/// for each gate.
#[inline(never)]
fn apply<S: Simd>(activation: Activation, x: Vector<S>) -> Vector<S> {
    x.simd.vectorize(
        #[inline(always)]
        || {
            let [alpha, beta] = activation.parameters();
            match activation {
                Activation::Relu => relu(x),
                Activation::Tanh => tanh(x),
                Activation::Sigmoid => sigmoid(x),
                Activation::Affine { .. } => x.mul_add(alpha, beta),
                Activation::LeakyRelu { .. } => x.simd_lt(0.0).select(x * alpha, x),
                Activation::ThresholdedRelu { .. } => x.simd_le(alpha).select(Vector::splat(x.simd, 0.0), x),
                Activation::ScaledTanh { .. } => tanh(x * beta) * alpha,
                Activation::HardSigmoid { .. } => clamp(x.mul_add(alpha, beta), 0.0, 1.0),
                Activation::Elu { .. } => elu(x, alpha),
                Activation::Softsign => x / (x.abs() + 1.0),
                Activation::Softplus => softplus(x),
            }
        },
    )
}

/// Below this argument, exp(x) is less than half a unit in the last place of -1.
const SMALLEST: f32 = -87.0;

#[inline(always)]
fn elu<S: Simd>(x: Vector<S>, alpha: f32) -> Vector<S> {
    let (scale, e) = exp_m1(clamp(x, SMALLEST, 0.0));
    let below = scale.mul_add(e, scale - 1.0) * alpha;
    x.simd_lt(0.0).select(below, x)
}

/// `max(x, 0) + ln(1 + t)` with `t = exp(-|x|)`, and `ln(1 + t) = 2 artanh(t / (2 + t))`, whose omitted
/// series terms are at most `3⁻¹⁶ / 17`.
#[inline(always)]
fn softplus<S: Simd>(x: Vector<S>) -> Vector<S> {
    let (scale, e) = exp_m1(clamp(-x.abs(), SMALLEST, 0.0));
    let t = scale.mul_add(e, scale);
    let s = t / (t + 2.0);
    let square = s * s;
    let mut series = Vector::splat(x.simd, 1.0 / 15.0);
    for odd in [13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        series = series.mul_add(square, 1.0 / odd);
    }
    relu(x) + s * series * 2.0
}
