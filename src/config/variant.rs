//! The features of ONNX's operators that PyTorch's modules lack.

use std::fmt;

use super::Config;
use crate::Activations;

/// The features of ONNX's operators that PyTorch's modules lack. The default is PyTorch's behaviour.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Variant {
    /// The functions of the forward direction (or the only one) and of the reverse one, or `None` if they
    /// are the cell's [`Activations::of`].
    pub activations: Option<[Activations; 2]>,
    /// ONNX's `clip`: the arguments of the functions f and g are first clipped to [-clip, clip]. As in ONNX
    /// Runtime, an LSTM's cell state is not clipped before h. ONNX's text says "the input of activations",
    /// which leaves this open.
    pub clip: Option<f32>,
    /// ONNX's `input_forget`: an LSTM's f is 1 - i.
    pub input_forget: bool,
    /// Whether an LSTM has peepholes: its gates see the cell state, each through a weight. The gates i and f
    /// see the cell state before the step, and o the one after it.
    pub peepholes: bool,
    /// Whether a GRU's reset gate comes after the recurrent product of the gate n, `r (W_hn h + b_hn)`, or
    /// before it, `W_hn (r h) + b_hn`. Keras' `reset_after`, ONNX's `linear_before_reset`; true by default,
    /// as in PyTorch.
    pub reset_after: bool,
}

/// PyTorch's behaviour.
impl Default for Variant {
    fn default() -> Self {
        Variant { activations: None, clip: None, input_forget: false, peepholes: false, reset_after: true }
    }
}

impl Variant {
    /// Returns whether anything differs from PyTorch.
    pub(crate) fn is_any(&self) -> bool {
        *self != Variant::default()
    }
}

impl Config {
    /// Sets whether the only direction processes each row from its end.
    pub fn reverse(mut self, reverse: bool) -> Self {
        self.reverse = reverse;
        self
    }

    /// Sets the activation functions of the forward direction (or the only one) and of the reverse
    /// direction. Functions that equal PyTorch's are stored as `None`.
    ///
    /// ```
    /// use wgpu_rnn::{Activation, Activations, Config};
    ///
    /// let hard = Activation::HardSigmoid { alpha: 0.2, beta: 0.5 };
    /// let config = Config::gru(4, 8).activations([Activations { f: hard, ..Activations::of(wgpu_rnn::Cell::Gru) }; 2]);
    /// assert_eq!(config.to_string(), "GRU(4, 8, activations=[HardSigmoid(0.2, 0.5), Tanh])");
    /// ```
    pub fn activations(mut self, activations: [Activations; 2]) -> Self {
        let own = Activations::of(self.cell);
        let differs = activations.iter().any(|given| !given.used(self.cell).eq(own.used(self.cell)));
        self.variant.activations = differs.then_some(activations);
        self
    }

    /// Sets ONNX's `clip`; `None` means no clipping.
    pub fn clip(mut self, clip: Option<f32>) -> Self {
        self.variant.clip = clip;
        self
    }

    /// Sets ONNX's `input_forget`.
    pub fn input_forget(mut self, input_forget: bool) -> Self {
        self.variant.input_forget = input_forget;
        self
    }

    /// Sets whether an LSTM's gates see the cell state.
    pub fn peepholes(mut self, peepholes: bool) -> Self {
        self.variant.peepholes = peepholes;
        self
    }

    /// Sets whether a GRU's reset gate comes after the recurrent product.
    ///
    /// ```
    /// let config = wgpu_rnn::Config::gru(4, 8).reset_after(false);
    /// assert_eq!(config.to_string(), "GRU(4, 8, reset_after=False)");
    /// ```
    pub fn reset_after(mut self, reset_after: bool) -> Self {
        self.variant.reset_after = reset_after;
        self
    }

    /// Returns whether a step needs all reset gates of the layer before it can compute the gate n.
    pub(crate) fn resets_before(&self) -> bool {
        !self.variant.reset_after
    }

    /// Returns the functions of a direction (0 forward or the only one, 1 reverse).
    pub(crate) fn activations_of(&self, direction: usize) -> Activations {
        match self.variant.activations {
            Some(given) => given[direction.min(1)],
            None => Activations::of(self.cell),
        }
    }

    /// Returns whether a direction (0 or 1) processes rows from their end.
    pub(crate) fn is_reverse(&self, direction: usize) -> bool {
        direction == 1 || self.reverse
    }

    pub(super) fn fmt_variant(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Variant { activations, clip, input_forget, peepholes, reset_after } = &self.variant;
        if let Some(activations) = activations {
            let all =
                activations.iter().take(self.directions()).flat_map(|functions| functions.used(self.cell));
            let names: Vec<String> = all.map(|function| function.to_string()).collect();
            write!(f, ", activations=[{}]", names.join(", "))?;
        }
        if let Some(clip) = clip {
            write!(f, ", clip={clip}")?;
        }
        if *input_forget {
            f.write_str(", input_forget=True")?;
        }
        if *peepholes {
            f.write_str(", peepholes=True")?;
        }
        if !reset_after {
            f.write_str(", reset_after=False")?;
        }
        Ok(())
    }
}
