//! The activation functions of ONNX's operators, a block of units at a time. PyTorch's cells have their own loops.

use super::activation::{clamp, exp_m1, relu, sigmoid, tanh};
use super::pack::PANEL;
use super::simd::Level;
use crate::{Activation, Activations, Config, DirectionWeights, Variant};

/// A value for each unit of a block.
pub(super) type Block = [f32; PANEL];

/// What tells a direction of a layer from PyTorch's.
#[derive(Debug)]
pub(super) struct Functions {
    activations: Activations,
    clip: f32,
    pub(super) input_forget: bool,
    /// For each block of units the weights through which the gates i, f and o see the cell state; empty where they do not.
    peepholes: Vec<[Block; 3]>,
}

impl Functions {
    /// None where it is PyTorch's.
    pub(super) fn new(config: &Config, direction: usize, weights: &DirectionWeights) -> Option<Self> {
        if !config.variant.is_any() {
            return None;
        }
        let Variant { clip, input_forget, .. } = config.variant;
        let mut peepholes = Vec::new();
        if let Some(weight) = &weights.weight_ch {
            peepholes.resize(config.hidden_size.div_ceil(PANEL), [[0.0; PANEL]; 3]);
            for (index, &weight) in weight.iter().enumerate() {
                let (gate, unit) = (index / config.hidden_size, index % config.hidden_size);
                peepholes[unit / PANEL][gate][unit % PANEL] = weight;
            }
        }
        let activations = config.activations_of(direction);
        Some(Functions { activations, clip: clip.unwrap_or(f32::INFINITY), input_forget, peepholes })
    }

    /// Adds what a gate (i, f, o: 0, 1, 2) sees of the cell state of a block.
    #[inline(always)]
    pub(super) fn peep(&self, sums: &mut Block, block: usize, gate: usize, c: &Block) {
        if let Some(weights) = self.peepholes.get(block) {
            for unit in 0..PANEL {
                sums[unit] += weights[gate][unit] * c[unit];
            }
        }
    }

    /// ONNX's f.
    #[inline(always)]
    pub(super) fn f<L: Level>(&self, x: &mut Block) {
        each(x, |x| clamp(x, -self.clip, self.clip));
        apply::<L>(self.activations.f, x);
    }

    /// ONNX's g.
    #[inline(always)]
    pub(super) fn g<L: Level>(&self, x: &mut Block) {
        each(x, |x| clamp(x, -self.clip, self.clip));
        apply::<L>(self.activations.g, x);
    }

    /// ONNX's h.
    #[inline(always)]
    pub(super) fn h<L: Level>(&self, x: &mut Block) {
        apply::<L>(self.activations.h, x);
    }
}

#[inline(always)]
fn apply<L: Level>(activation: Activation, x: &mut Block) {
    let [alpha, beta] = activation.parameters();
    match activation {
        Activation::Relu => each(x, relu),
        Activation::Tanh => each(x, tanh::<L>),
        Activation::Sigmoid => each(x, sigmoid::<L>),
        Activation::Affine { .. } => each(x, |x| L::mul_add(alpha, x, beta)),
        Activation::LeakyRelu { .. } => each(x, |x| if x < 0.0 { alpha * x } else { x }),
        Activation::ThresholdedRelu { .. } => each(x, |x| if x <= alpha { 0.0 } else { x }),
        Activation::ScaledTanh { .. } => each(x, |x| alpha * tanh::<L>(beta * x)),
        Activation::HardSigmoid { .. } => each(x, |x| clamp(L::mul_add(alpha, x, beta), 0.0, 1.0)),
        Activation::Elu { .. } => each(x, |x| elu::<L>(x, alpha)),
        Activation::Softsign => each(x, |x| x / (1.0 + x.abs())),
        Activation::Softplus => each(x, softplus::<L>),
    }
}

#[inline(always)]
fn each(block: &mut Block, function: impl Fn(f32) -> f32) {
    block.iter_mut().for_each(|x| *x = function(*x));
}

/// exp(x) is below half a unit of -1 from here on.
const SMALLEST: f32 = -87.0;

#[inline(always)]
fn elu<L: Level>(x: f32, alpha: f32) -> f32 {
    let (scale, e) = exp_m1::<L>(clamp(x, SMALLEST, 0.0));
    let below = alpha * L::mul_add(scale, e, scale - 1.0);
    if x < 0.0 { below } else { x }
}

/// `max(x, 0) + ln(1 + t)` with `t = exp(-|x|)`, and `ln(1 + t) = 2 artanh(t / (2 + t))`, whose series has no term above
/// `3⁻¹⁶ / 17` left.
#[inline(always)]
fn softplus<L: Level>(x: f32) -> f32 {
    let (scale, e) = exp_m1::<L>(clamp(-x.abs(), SMALLEST, 0.0));
    let t = L::mul_add(scale, e, scale);
    let s = t / (2.0 + t);
    let square = s * s;
    let mut series = 1.0 / 15.0;
    for odd in [13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        series = L::mul_add(series, square, 1.0 / odd);
    }
    relu(x) + 2.0 * s * series
}
