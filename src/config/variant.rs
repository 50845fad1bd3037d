//! The features of ONNX's operators that PyTorch's modules lack.

use std::fmt;

use super::{Cell, Config};
use crate::Activation;

impl Cell {
    /// Returns PyTorch's activation functions of one direction, with ONNX's letters f, g and h. A function that
    /// the cell does not have is tanh.
    ///
    /// | cell | f | g | h |
    /// |---|---|---|---|
    /// | RNN | the hidden state | – | – |
    /// | LSTM | the gates i, f and o | the gate g | the new cell state, for the hidden state |
    /// | GRU | the gates r and z | the gate n | – |
    pub fn activations(self) -> [Activation; 3] {
        let f = match self {
            Cell::RnnTanh => Activation::Tanh,
            Cell::RnnRelu => Activation::Relu,
            Cell::Lstm | Cell::Gru => Activation::Sigmoid,
        };
        [f, Activation::Tanh, Activation::Tanh]
    }

    /// Returns how many of the functions f, g and h the cell has.
    pub(crate) fn functions(self) -> usize {
        match self {
            Cell::RnnTanh | Cell::RnnRelu => 1,
            Cell::Gru => 2,
            Cell::Lstm => 3,
        }
    }
}

impl Config {
    /// Sets whether the only direction processes each row from its end.
    pub fn reverse(mut self, reverse: bool) -> Self {
        self.reverse = reverse;
        self
    }

    /// Sets the activation functions of the forward direction (or the only one) and of the reverse
    /// direction, each in the order f, g, h ([`Cell::activations`]). A function that the cell does not have is
    /// ignored. Functions that equal PyTorch's are stored as `None`.
    ///
    /// ```
    /// use wgpu_rnn::{Activation, Cell, Config};
    ///
    /// let [_, g, h] = Cell::Gru.activations();
    /// let hard = Activation::HardSigmoid { alpha: 0.2, beta: 0.5 };
    /// let config = Config::gru(4, 8).activations([[hard, g, h]; 2]);
    /// assert_eq!(config.to_string(), "GRU(4, 8, activations=[HardSigmoid(0.2, 0.5), Tanh])");
    /// ```
    pub fn activations(mut self, activations: [[Activation; 3]; 2]) -> Self {
        let (own, count) = (self.cell.activations(), self.cell.functions());
        let differs = activations.iter().any(|given| given[..count] != own[..count]);
        self.activations = differs.then_some(activations);
        self
    }

    /// Sets whether a GRU's reset gate comes after the recurrent product.
    ///
    /// ```
    /// let config = wgpu_rnn::Config::gru(4, 8).reset_after(false);
    /// assert_eq!(config.to_string(), "GRU(4, 8, reset_after=False)");
    /// ```
    pub fn reset_after(mut self, reset_after: bool) -> Self {
        self.reset_after = reset_after;
        self
    }

    /// Returns whether the layer has a feature that PyTorch's modules lack.
    pub(crate) fn is_variant(&self) -> bool {
        let Config { activations, clip, input_forget, peepholes, reset_after, .. } = *self;
        activations.is_some() || clip.is_some() || input_forget || peepholes || !reset_after
    }

    /// Returns whether a step needs all reset gates of the layer before it can compute the gate n.
    pub(crate) fn resets_before(&self) -> bool {
        !self.reset_after
    }

    /// Returns the functions of a direction (0 forward or the only one, 1 reverse).
    pub(crate) fn activations_of(&self, direction: usize) -> [Activation; 3] {
        self.activations.map_or_else(|| self.cell.activations(), |given| given[direction.min(1)])
    }

    /// Returns whether a direction (0 or 1) processes rows from their end.
    pub(crate) fn is_reverse(&self, direction: usize) -> bool {
        direction == 1 || self.reverse
    }

    pub(super) fn fmt_variant(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Config { activations, clip, input_forget, peepholes, reset_after, .. } = self;
        if let Some(activations) = activations {
            let of_directions = activations.iter().take(self.directions());
            let all = of_directions.flat_map(|functions| functions.iter().take(self.cell.functions()));
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
