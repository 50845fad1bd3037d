//! The activation functions that ONNX's recurrent operators allow in place of tanh, sigmoid and ReLU.

use std::fmt;

/// An activation function: one of the eleven that ONNX's
/// [RNN](https://onnx.ai/onnx/operators/onnx__RNN.html),
/// [LSTM](https://onnx.ai/onnx/operators/onnx__LSTM.html) and
/// [GRU](https://onnx.ai/onnx/operators/onnx__GRU.html) define, with its alpha and beta.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `tanh(x)`.
    Tanh,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `alpha x + beta`.
    Affine {
        /// The factor.
        alpha: f32,
        /// The constant term.
        beta: f32,
    },
    /// `x` if it is not negative, else `alpha x`.
    LeakyRelu {
        /// The slope below zero.
        alpha: f32,
    },
    /// `x` if it is larger than `alpha`, else 0. (ONNX's reference returns `x` for `x = alpha`; in f32 the
    /// difference is a matter of rounding.)
    ThresholdedRelu {
        /// The threshold.
        alpha: f32,
    },
    /// `alpha tanh(beta x)`.
    ScaledTanh {
        /// The factor of the result.
        alpha: f32,
        /// The factor of the argument.
        beta: f32,
    },
    /// `min(max(alpha x + beta, 0), 1)`.
    HardSigmoid {
        /// The slope.
        alpha: f32,
        /// The value at 0.
        beta: f32,
    },
    /// `x` if it is not negative, else `alpha (exp(x) - 1)`.
    Elu {
        /// The negated limit for `x → -∞`.
        alpha: f32,
    },
    /// `x / (1 + |x|)`.
    Softsign,
    /// `ln(1 + exp(x))`.
    Softplus,
}

impl Activation {
    /// Returns ONNX's name, such as `HardSigmoid`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Activation::Relu => "Relu",
            Activation::Tanh => "Tanh",
            Activation::Sigmoid => "Sigmoid",
            Activation::Affine { .. } => "Affine",
            Activation::LeakyRelu { .. } => "LeakyRelu",
            Activation::ThresholdedRelu { .. } => "ThresholdedRelu",
            Activation::ScaledTanh { .. } => "ScaledTanh",
            Activation::HardSigmoid { .. } => "HardSigmoid",
            Activation::Elu { .. } => "Elu",
            Activation::Softsign => "Softsign",
            Activation::Softplus => "Softplus",
        }
    }

    /// Every function, with the parameters of ONNX's operators.
    pub(crate) const ALL: &[Activation] = &[
        Activation::Relu,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Affine { alpha: 1.0, beta: 0.0 },
        Activation::LeakyRelu { alpha: 0.01 },
        Activation::ThresholdedRelu { alpha: 1.0 },
        Activation::ScaledTanh { alpha: 1.0, beta: 1.0 },
        Activation::HardSigmoid { alpha: 0.2, beta: 0.5 },
        Activation::Elu { alpha: 1.0 },
        Activation::Softsign,
        Activation::Softplus,
    ];

    /// Returns the function of that name in any letter case, with alpha and beta if it takes them. The
    /// defaults are those of ONNX's operators of the same name (the alpha of
    /// [ThresholdedRelu](https://onnx.ai/onnx/operators/onnx__ThresholdedRelu.html) is 1, and so on). Affine
    /// and ScaledTanh have no such operator; their defaults are 1 and 0, and 1 and 1.
    pub(crate) fn named(name: &str, alpha: Option<f32>, beta: Option<f32>) -> Option<Self> {
        let mut all = Activation::ALL.iter().copied();
        let mut found = all.find(|function| function.name().eq_ignore_ascii_case(name))?;
        let [own_alpha, own_beta] = found.parameters_mut();
        [(own_alpha, alpha), (own_beta, beta)].into_iter().for_each(|(own, given)| {
            if let (Some(own), Some(given)) = (own, given) {
                *own = given;
            }
        });
        Some(found)
    }

    /// Returns the function of that name in Keras 3, with Keras' parameters: `linear`, `relu`, `tanh`,
    /// `sigmoid`, `hard_sigmoid` (x / 6 + 1 / 2), `elu`, `leaky_relu` (0.2 x below zero), `softsign`,
    /// `softplus`. Returns `None` for other names.
    ///
    /// Keras 2's `hard_sigmoid` is a different function, 0.2 x + 0.5. Its name here is `hard_sigmoid_v2`,
    /// which Keras does not use.
    pub fn keras(name: &str) -> Option<Self> {
        Some(match name {
            "linear" => Activation::Affine { alpha: 1.0, beta: 0.0 },
            "relu" => Activation::Relu,
            "tanh" => Activation::Tanh,
            "sigmoid" => Activation::Sigmoid,
            "hard_sigmoid" => Activation::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 },
            "hard_sigmoid_v2" => Activation::HardSigmoid { alpha: 0.2, beta: 0.5 },
            "elu" => Activation::Elu { alpha: 1.0 },
            "leaky_relu" => Activation::LeakyRelu { alpha: 0.2 },
            "softsign" => Activation::Softsign,
            "softplus" => Activation::Softplus,
            _ => return None,
        })
    }

    /// Returns whether it takes an alpha.
    pub(crate) fn has_alpha(mut self) -> bool {
        self.parameters_mut()[0].is_some()
    }

    /// Returns whether it takes a beta.
    pub(crate) fn has_beta(mut self) -> bool {
        self.parameters_mut()[1].is_some()
    }

    /// Returns alpha and beta; a parameter that the function lacks is 0.
    pub(crate) fn parameters(mut self) -> [f32; 2] {
        self.parameters_mut().map(|parameter| parameter.map_or(0.0, |value| *value))
    }

    /// Returns alpha and beta, if the function has them.
    fn parameters_mut(&mut self) -> [Option<&mut f32>; 2] {
        match self {
            Activation::Affine { alpha, beta }
            | Activation::ScaledTanh { alpha, beta }
            | Activation::HardSigmoid { alpha, beta } => [Some(alpha), Some(beta)],
            Activation::LeakyRelu { alpha }
            | Activation::ThresholdedRelu { alpha }
            | Activation::Elu { alpha } => [Some(alpha), None],
            Activation::Relu
            | Activation::Tanh
            | Activation::Sigmoid
            | Activation::Softsign
            | Activation::Softplus => [None, None],
        }
    }
}

/// Formats the function as in `Tanh` or `HardSigmoid(0.2, 0.5)`.
impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        let mut own = *self;
        match own.parameters_mut() {
            [Some(alpha), Some(beta)] => write!(f, "({alpha}, {beta})"),
            [Some(alpha), None] => write!(f, "({alpha})"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for &activation in Activation::ALL {
            let mut activation = activation;
            for (parameter, value) in activation.parameters_mut().into_iter().flatten().zip([0.1, f32::MAX]) {
                *parameter = value;
            }
            assert_eq!(activation.to_string().parse::<Activation>().unwrap(), activation);
        }
        for wrong in ["", "Tan", "Tanh(1)", "Elu(1, 2)", "Elu(1", "HardSigmoid(0.2)", "Elu(x)", "Elu()x"] {
            assert!(wrong.parse::<Activation>().is_err(), "{wrong}");
        }
    }
}
