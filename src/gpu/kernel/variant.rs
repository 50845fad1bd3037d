//! The overrides for what ONNX's operators add to PyTorch's cells, such as other activation functions.

use crate::{Activation, Activations, Config, Variant};

/// The additions of ONNX's operators, as `activation/variant.wgsl`, `cell/lstm.wgsl` and
/// `cell/reset_gru.wgsl` need them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) struct VariantSpec {
    /// The activation functions f, g and h of both directions.
    functions: [[Function; 3]; 2],
    clip: u32,
    pub(super) input_forget: bool,
    pub(super) peepholes: bool,
    pub(super) resets_before: bool,
}

/// The number of a function in `act` of `activation/variant.wgsl`, and the bits of its alpha and beta.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Function {
    number: u32,
    alpha: u32,
    beta: u32,
}

impl VariantSpec {
    /// Returns `None` if the configuration is one of PyTorch's.
    pub(in crate::gpu) fn new(config: &Config) -> Option<Self> {
        let Variant { clip, input_forget, peepholes, .. } = config.variant;
        let of = |direction| {
            let Activations { f, g, h } = config.activations_of(direction);
            [f, g, h].map(Function::new)
        };
        config.variant.is_any().then(|| VariantSpec {
            functions: [of(0), of(1)],
            clip: clip.unwrap_or(f32::MAX).to_bits(),
            input_forget,
            peepholes,
            resets_before: config.resets_before(),
        })
    }

    pub(super) fn overrides(&self) -> impl Iterator<Item = (&'static str, f64)> {
        const NAMES: [[[&str; 3]; 3]; 2] = [
            [["F0", "F0_ALPHA", "F0_BETA"], ["G0", "G0_ALPHA", "G0_BETA"], ["H0", "H0_ALPHA", "H0_BETA"]],
            [["F1", "F1_ALPHA", "F1_BETA"], ["G1", "G1_ALPHA", "G1_BETA"], ["H1", "H1_ALPHA", "H1_BETA"]],
        ];
        let float = |bits| f64::from(f32::from_bits(bits));
        let functions = NAMES.into_iter().flatten().zip(self.functions.into_iter().flatten());
        let functions = functions.flat_map(move |([name, alpha, beta], function)| {
            [(name, f64::from(function.number)), (alpha, float(function.alpha)), (beta, float(function.beta))]
        });
        functions.chain([("CLIP", float(self.clip))])
    }
}

impl Function {
    fn new(activation: Activation) -> Self {
        let number = match activation {
            Activation::Relu => 0,
            Activation::Tanh => 1,
            Activation::Sigmoid => 2,
            Activation::Affine { .. } => 3,
            Activation::LeakyRelu { .. } => 4,
            Activation::ThresholdedRelu { .. } => 5,
            Activation::ScaledTanh { .. } => 6,
            Activation::HardSigmoid { .. } => 7,
            Activation::Elu { .. } => 8,
            Activation::Softsign => 9,
            Activation::Softplus => 10,
        };
        let [alpha, beta] = activation.parameters().map(f32::to_bits);
        Function { number, alpha, beta }
    }
}
