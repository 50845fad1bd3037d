//! `--tuning`: how the plan of a GPU is chosen.

use std::fmt;
use std::str::FromStr;

/// How the strategy and the tile sizes are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tuning {
    /// By the library's cost model.
    #[default]
    Model,
    /// By measurements ([`LayerOptions::measure`](wgpu_rnn::LayerOptions::measure)).
    Measure,
}

/// Writes `model` or `measure`.
impl fmt::Display for Tuning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tuning::Model => "model",
            Tuning::Measure => "measure",
        })
    }
}

impl FromStr for Tuning {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Tuning::Model, Tuning::Measure];
        let found = all.into_iter().find(|tuning| tuning.to_string() == text);
        found.ok_or_else(|| format!("tuning must be one of model, measure, found '{text}'"))
    }
}
