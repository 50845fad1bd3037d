//! The cases: the forward passes to time.

use std::borrow::Cow;

use wgpu_rnn::ndarray::Array3;
use wgpu_rnn::{Config, Weights};

use crate::args::BenchArguments;
use crate::failure::{Failure, Result};
use crate::files::Source;
use crate::shape::{BatchArguments, CellName};

/// A forward pass.
#[derive(Debug)]
pub(crate) struct Case {
    /// The name in rows and messages.
    pub(crate) name: String,
    /// The name without the cell, for the plot of that cell.
    pub(crate) short_name: String,
    pub(crate) config: Config,
    /// The weights from a file; none for seeded ones.
    pub(crate) weights: Option<Weights>,
    pub(crate) batch: usize,
    pub(crate) steps: usize,
}

/// The standard sizes: name, N, T, I, H, L, D.
const GRID: [(&str, [usize; 6]); 8] = [
    ("tiny", [1, 100, 5, 8, 1, 1]),
    ("stream", [1, 1, 80, 256, 2, 1]),
    ("small", [1, 100, 64, 128, 1, 1]),
    ("seed", [128, 100, 20, 64, 1, 2]),
    ("speech", [8, 200, 80, 256, 2, 1]),
    ("wide", [32, 64, 512, 512, 1, 1]),
    ("big", [64, 128, 512, 1024, 1, 1]),
    ("long", [1, 4096, 64, 128, 1, 1]),
];

/// Returns the grid, or the case that the flags describe.
pub(super) fn cases(arguments: &BenchArguments) -> Result<Vec<Case>> {
    let cells = match (arguments.grid, arguments.layer.cell) {
        (false, _) => return Ok(vec![one(arguments)?]),
        (true, Some(cell)) => vec![cell],
        (true, None) => vec![CellName::Rnn, CellName::Lstm, CellName::Gru],
    };
    arguments.source.check_none()?;
    Ok(cells.into_iter().flat_map(grid).collect())
}

/// Returns the grid's sizes with the given cell.
pub(crate) fn grid(cell: CellName) -> [Case; 8] {
    GRID.map(|(name, sizes)| of_grid(cell, name, sizes))
}

fn one(arguments: &BenchArguments) -> Result<Case> {
    let source = arguments.source.read(arguments.layer.nonlinearity, None)?;
    let weights = source.map(Source::alone).transpose()?;
    let config = match &weights {
        Some(weights) => *weights.config(),
        None => arguments.layer.config()?,
    };
    arguments.size.check()?;
    let BatchArguments { batch, steps } = arguments.size;
    if steps == 0 {
        return Err(Failure::new("input: Expected sequence length to be larger than 0 in RNN, found 0"));
    }
    let name = format!("{config} N {batch} T {steps}");
    Ok(Case { short_name: name.clone(), name, config, weights, batch, steps })
}

fn of_grid(cell: CellName, name: &str, sizes: [usize; 6]) -> Case {
    let [batch, steps, input_size, hidden_size, layers, directions] = sizes;
    let config = cell.config(input_size, hidden_size).num_layers(layers).bidirectional(directions == 2);
    let (name, short_name) = (format!("{} {name}", config.cell.name()), name.to_owned());
    Case { name, short_name, config, weights: None, batch, steps }
}

impl Case {
    /// Returns the file's weights, or seeded ones.
    pub(super) fn weights(&self) -> Result<Cow<'_, Weights>> {
        match &self.weights {
            Some(weights) => Ok(Cow::Borrowed(weights)),
            None => Weights::seeded(self.config, 0).map(Cow::Owned).map_err(Failure::new),
        }
    }

    /// Returns sines as the input, so that no two neighbours are equal.
    pub(super) fn input(&self) -> Result<Array3<f32>> {
        let shape = [self.batch, self.steps, self.config.input_size];
        let too_large = || Failure::new(format_args!("out of memory: input of shape {shape:?}"));
        let count = shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
        let mut values = Vec::new();
        values.try_reserve_exact(count.ok_or_else(too_large)?).map_err(|_| too_large())?;
        let rows = (0..self.batch).flat_map(|n| (0..self.steps).map(move |t| n + 3 * t));
        values.extend(rows.flat_map(|row| (0..shape[2]).map(move |i| ((row + 7 * i) as f32).sin())));
        Array3::from_shape_vec(shape, values).map_err(|_| too_large())
    }

    /// Returns the multiply-adds of the whole forward pass.
    pub(super) fn multiply_adds(&self) -> f64 {
        self.batch as f64 * self.steps as f64 * multiply_adds_of_a_step(&self.config)
    }
}

/// Returns the multiply-adds of one step of one row: D * the sum over layers of G*H*(in + H_out) + P*H.
pub(super) fn multiply_adds_of_a_step(config: &Config) -> f64 {
    let (h, p) = (config.hidden_size as f64, config.proj_size as f64);
    let gates = config.cell.gates() as f64;
    let layers = (0..config.num_layers).map(|layer| {
        let below = if layer == 0 { config.input_size } else { config.output_size() };
        let inputs = below + config.hidden_output_size();
        gates * h * inputs as f64 + p * h
    });
    config.directions() as f64 * layers.sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiply_adds_are_those_of_the_parameters() {
        // Without biases each parameter takes part in one multiply-add a step.
        let configs = [
            Config::rnn(5, 8).num_layers(3),
            Config::gru(7, 4).num_layers(2).bidirectional(true),
            Config::lstm(6, 9).num_layers(2).proj_size(3).bidirectional(true),
        ];
        for config in configs {
            let weights = Weights::seeded(config.bias(false), 0);
            let count: usize =
                weights.iter().flat_map(|w| w.parameters()).map(|(_, values)| values.len()).sum();
            assert!(count > 0);
            assert_eq!(multiply_adds_of_a_step(&config), count as f64, "{config}");
        }
    }
}
