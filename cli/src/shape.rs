//! The flags that define a layer.

use clap::{Args, ValueEnum};
use wgpu_rnn::{Activation, Cell, Config};

use crate::failure::{Failure, Result};

/// A layer in flags. Each command decides which of them are required.
#[derive(Debug, Args)]
pub(crate) struct LayerArguments {
    #[arg(long, help = "The kind of recurrent unit")]
    pub(crate) cell: Option<CellName>,
    /// The number of features of one input vector.
    #[arg(long, value_name = "I")]
    pub(crate) input_size: Option<usize>,
    /// The number of hidden units.
    #[arg(long, value_name = "H")]
    pub(crate) hidden_size: Option<usize>,
    /// The number of stacked layers.
    #[arg(long, value_name = "L", default_value_t = 1)]
    pub(crate) num_layers: usize,
    /// Add a reverse direction.
    #[arg(long)]
    pub(crate) bidirectional: bool,
    /// Omit bias_ih and bias_hh.
    #[arg(long)]
    pub(crate) no_bias: bool,
    /// The size of an LSTM's projected hidden state; 0 for no projection.
    #[arg(long, value_name = "P", default_value_t = 0)]
    pub(crate) proj_size: usize,
    /// The activation of an RNN.
    #[arg(long, value_name = "tanh|relu", value_parser = nonlinearity)]
    pub(crate) nonlinearity: Option<Activation>,
}

/// The flags that every layer needs, and the optional ones.
pub(crate) const NEEDED: [&str; 3] = ["cell", "input_size", "hidden_size"];
pub(crate) const OPTIONAL: [&str; 4] = ["num_layers", "bidirectional", "no_bias", "proj_size"];

impl LayerArguments {
    /// Returns the configuration if it is valid.
    pub(crate) fn config(&self) -> Result<Config> {
        let (Some(cell), Some(input_size), Some(hidden_size)) =
            (self.cell, self.input_size, self.hidden_size)
        else {
            return Err(Failure::new("expected --cell, --input-size and --hidden-size"));
        };
        let mut config = cell
            .config(input_size, hidden_size)
            .num_layers(self.num_layers)
            .bidirectional(self.bidirectional)
            .bias(!self.no_bias)
            .proj_size(self.proj_size);
        if let Some(choice) = self.nonlinearity {
            config = with_nonlinearity(config, choice).map_err(Failure::new)?;
        }
        config.validate().map_err(Failure::new)?;
        Ok(config)
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum CellName {
    Rnn,
    Lstm,
    Gru,
}

impl CellName {
    /// Returns a configuration with one layer and the default options.
    pub(crate) fn config(self, input_size: usize, hidden_size: usize) -> Config {
        match self {
            CellName::Rnn => Config::rnn(input_size, hidden_size),
            CellName::Lstm => Config::lstm(input_size, hidden_size),
            CellName::Gru => Config::gru(input_size, hidden_size),
        }
    }
}

/// Parses the activation of an RNN.
pub(crate) fn nonlinearity(name: &str) -> std::result::Result<Activation, String> {
    match name {
        "tanh" => Ok(Activation::Tanh),
        "relu" => Ok(Activation::Relu),
        _ => Err("expected tanh or relu".to_owned()),
    }
}

/// Sets the nonlinearity of an RNN; other cells are an error.
fn with_nonlinearity(config: Config, nonlinearity: Activation) -> std::result::Result<Config, String> {
    let is_relu = nonlinearity == Activation::Relu;
    match config.cell {
        Cell::RnnTanh | Cell::RnnRelu => {
            Ok(Config { cell: if is_relu { Cell::RnnRelu } else { Cell::RnnTanh }, ..config })
        }
        cell => {
            let found = if is_relu { "relu" } else { "tanh" };
            Err(format!("nonlinearity is only supported for RNN, not {cell}, found {found}"))
        }
    }
}

/// The batch size and the number of steps of a forward pass.
#[derive(Debug, Args)]
pub(crate) struct BatchArguments {
    /// The number of sequences in the batch.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) batch: usize,
    /// The number of steps of each sequence.
    #[arg(long, value_name = "T", default_value_t = 100)]
    pub(crate) steps: usize,
}

impl BatchArguments {
    /// Checks that the batch has at least one row.
    pub(crate) fn check(&self) -> Result<()> {
        match self.batch {
            0 => Err(Failure::new("batch must be greater than zero, found 0")),
            _ => Ok(()),
        }
    }
}
