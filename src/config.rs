//! The configuration of a layer: its cell, its sizes and its options, with PyTorch's names.

mod rules;
mod variant;

use std::fmt;

use crate::Activation;

/// The kind of recurrent unit.
///
/// The formulas are those of PyTorch's
/// [`RNN`](https://docs.pytorch.org/docs/stable/generated/torch.nn.RNN.html),
/// [`LSTM`](https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html) and
/// [`GRU`](https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cell {
    /// Elman RNN: `h' = tanh(W_ih x + b_ih + W_hh h + b_hh)`.
    RnnTanh,
    /// Elman RNN: `h' = max(W_ih x + b_ih + W_hh h + b_hh, 0)`.
    RnnRelu,
    /// LSTM, gates in the order i f g o:
    /// `c' = σ(f) c + σ(i) tanh(g)`, `h' = σ(o) tanh(c')`, projected by `W_hr` if the layer has a projection.
    Lstm,
    /// GRU, gates in the order r z n: `n = tanh(W_in x + b_in + r (W_hn h + b_hn))`, `h' = (1 - z) n + z h`.
    /// If the reset gate comes before the product ([`Config::reset_after`] is false),
    /// `n = tanh(W_in x + b_in + W_hn (r h) + b_hn)`.
    Gru,
}

impl Cell {
    /// Returns G, the number of gates: 1 for the RNN, 4 for the LSTM (i f g o), 3 for the GRU (r z n).
    pub fn gates(self) -> usize {
        match self {
            Cell::RnnTanh | Cell::RnnRelu => 1,
            Cell::Lstm => 4,
            Cell::Gru => 3,
        }
    }

    /// Returns whether the cell has a cell state `c` in addition to the hidden state.
    pub fn has_cell_state(self) -> bool {
        matches!(self, Cell::Lstm)
    }

    /// Returns `rnn`, `lstm` or `gru`: the name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Cell::RnnTanh | Cell::RnnRelu => "rnn",
            Cell::Lstm => "lstm",
            Cell::Gru => "gru",
        }
    }
}

/// Formats PyTorch's class name: `RNN`, `LSTM` or `GRU`.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cell::RnnTanh | Cell::RnnRelu => "RNN",
            Cell::Lstm => "LSTM",
            Cell::Gru => "GRU",
        })
    }
}

/// The configuration of a recurrent layer.
///
/// ```
/// use wgpu_rnn::Config;
///
/// let config = Config::lstm(80, 256).num_layers(2).bidirectional(true);
/// assert_eq!(config.output_size(), 512);
/// config.validate()?;
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
///
/// A program sets the features that only ONNX's operators have as fields:
///
/// ```
/// use wgpu_rnn::Config;
///
/// let config = Config { peepholes: true, clip: Some(3.0), ..Config::lstm(80, 256) };
/// assert_eq!(config.to_string(), "LSTM(80, 256, clip=3, peepholes=True)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// The kind of recurrent unit.
    pub cell: Cell,
    /// I: features of one input vector.
    pub input_size: usize,
    /// H: hidden units.
    pub hidden_size: usize,
    /// L: stacked layers, 1 by default.
    pub num_layers: usize,
    /// Whether the layer has `bias_ih` and `bias_hh`; true by default.
    pub bias: bool,
    /// Whether the layer has a reverse direction in addition to the forward one; false by default.
    pub bidirectional: bool,
    /// P: size of an LSTM's projected hidden state; 0, the default, for none.
    pub proj_size: usize,
    /// Whether the only direction processes each row from its last valid step to its first; false by
    /// default. This is ONNX's `direction = "reverse"` and Keras' `go_backwards` (which also reverses the
    /// output).
    pub reverse: bool,
    /// The activation functions of the forward direction (or the only one) and of the reverse one, each in the
    /// order f, g, h. `None`, the default, means PyTorch's functions ([`Cell::activations`]).
    pub activations: Option<[[Activation; 3]; 2]>,
    /// ONNX's `clip`: the arguments of the functions f and g are first clipped to [-clip, clip]; `None` by
    /// default. As in ONNX Runtime, an LSTM's cell state is not clipped before h. ONNX's text says "the input of
    /// activations", which leaves this open.
    pub clip: Option<f32>,
    /// ONNX's `input_forget`: an LSTM's f is 1 - i; false by default.
    pub input_forget: bool,
    /// Whether an LSTM has peepholes: its gates see the cell state, each through a weight. The gates i and f
    /// see the cell state before the step, and o the one after it; false by default.
    pub peepholes: bool,
    /// Whether a GRU's reset gate comes after the recurrent product of the gate n, `r (W_hn h + b_hn)`, or
    /// before it, `W_hn (r h) + b_hn`. Keras' `reset_after`, ONNX's `linear_before_reset`; true by default,
    /// as in PyTorch.
    pub reset_after: bool,
}

impl Config {
    fn new(cell: Cell, input_size: usize, hidden_size: usize) -> Self {
        Config {
            cell,
            input_size,
            hidden_size,
            num_layers: 1,
            bias: true,
            bidirectional: false,
            proj_size: 0,
            reverse: false,
            activations: None,
            clip: None,
            input_forget: false,
            peepholes: false,
            reset_after: true,
        }
    }

    /// Creates one Elman RNN layer with tanh, one direction and biases:
    /// `torch.nn.RNN(input_size, hidden_size)`.
    pub fn rnn(input_size: usize, hidden_size: usize) -> Self {
        Config::new(Cell::RnnTanh, input_size, hidden_size)
    }

    /// Creates one Elman RNN layer with ReLU: `torch.nn.RNN(input_size, hidden_size, nonlinearity='relu')`.
    pub fn rnn_relu(input_size: usize, hidden_size: usize) -> Self {
        Config::new(Cell::RnnRelu, input_size, hidden_size)
    }

    /// Creates one LSTM layer with one direction and biases: `torch.nn.LSTM(input_size, hidden_size)`.
    pub fn lstm(input_size: usize, hidden_size: usize) -> Self {
        Config::new(Cell::Lstm, input_size, hidden_size)
    }

    /// Creates one GRU layer with one direction and biases: `torch.nn.GRU(input_size, hidden_size)`.
    pub fn gru(input_size: usize, hidden_size: usize) -> Self {
        Config::new(Cell::Gru, input_size, hidden_size)
    }

    /// Sets L, the number of stacked layers.
    pub fn num_layers(mut self, num_layers: usize) -> Self {
        self.num_layers = num_layers;
        self
    }

    /// Sets whether the layer has biases.
    pub fn bias(mut self, bias: bool) -> Self {
        self.bias = bias;
        self
    }

    /// Sets whether the layer has a reverse direction in addition to the forward one.
    pub fn bidirectional(mut self, bidirectional: bool) -> Self {
        self.bidirectional = bidirectional;
        self
    }

    /// Sets P, the size of an LSTM's projected hidden state; 0 for none.
    pub fn proj_size(mut self, proj_size: usize) -> Self {
        self.proj_size = proj_size;
        self
    }

    /// Returns the number of elements of one direction's cell state: H, or 0 if the cell has none.
    pub(crate) fn cell_state_size(&self) -> usize {
        if self.cell.has_cell_state() { self.hidden_size } else { 0 }
    }

    /// Returns D: 2 if bidirectional, else 1.
    pub fn directions(&self) -> usize {
        if self.bidirectional { 2 } else { 1 }
    }

    /// Returns H_out, the size of one direction's hidden state: P if there is a projection, else H.
    pub fn hidden_output_size(&self) -> usize {
        if self.proj_size > 0 { self.proj_size } else { self.hidden_size }
    }

    /// Returns D*H_out, the features of one output vector. If that overflows, it returns `usize::MAX`, and
    /// [`Config::validate`] rejects the configuration.
    pub fn output_size(&self) -> usize {
        self.directions().saturating_mul(self.hidden_output_size())
    }

    /// Returns the features of one input vector of layer `layer`: I for the first layer, D*H_out for the
    /// others.
    pub(crate) fn layer_input_size(&self, layer: usize) -> usize {
        if layer == 0 { self.input_size } else { self.output_size() }
    }
}

/// Formats the layer as PyTorch does, with the options that differ from the defaults. Options that PyTorch
/// lacks appear in the same way.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({}, {}", self.cell, self.input_size, self.hidden_size)?;
        if self.num_layers != 1 {
            write!(f, ", num_layers={}", self.num_layers)?;
        }
        if let Cell::RnnRelu = self.cell {
            f.write_str(", nonlinearity='relu'")?;
        }
        if !self.bias {
            f.write_str(", bias=False")?;
        }
        if self.bidirectional {
            f.write_str(", bidirectional=True")?;
        }
        if self.proj_size > 0 {
            write!(f, ", proj_size={}", self.proj_size)?;
        }
        if self.reverse {
            f.write_str(", reverse=True")?;
        }
        self.fmt_variant(f)?;
        f.write_str(")")
    }
}
