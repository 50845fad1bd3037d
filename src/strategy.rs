//! The strategies and their names.

use std::fmt;
use std::str::FromStr;

use crate::Error;
use crate::error::Fault;

/// How the GPU backend divides a forward pass into dispatches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// The planner chooses the strategy, among those whose results have the same bits: either `Step`, or
    /// `HoistedStep` and `Scan`. Which of the two it is depends on the layer and the device alone, so all calls
    /// and sessions of a layer have the same. (If not even one row of a call fits the device's limits in this
    /// way, the other one is taken for that call.)
    #[default]
    Auto,
    /// One dispatch for each time step, which fuses both matrix products, the biases and the activation.
    /// Stacked layers of one direction share a dispatch; each layer is one step behind the layer below it.
    Step,
    /// One matrix product for the input products of all time steps, then one dispatch for each step with the
    /// product of the hidden state. A single step of few rows may have the dispatches of `Step` instead, whose
    /// kernels add up the two products apart, so that the bits are the same.
    HoistedStep,
    /// One matrix product for the input products of all time steps, then one dispatch that loops over time.
    /// Each workgroup owns some rows of the batch.
    Scan,
}

impl Strategy {
    /// All strategies except [`Strategy::Auto`].
    pub const ALL: &[Strategy] = &[Strategy::Step, Strategy::HoistedStep, Strategy::Scan];

    /// Returns whether the input products are summed apart from those of the hidden state.
    #[cfg(feature = "gpu")]
    pub(crate) fn is_hoisted(self) -> bool {
        matches!(self, Strategy::HoistedStep | Strategy::Scan)
    }
}

/// Writes `auto`, `step`, `hoisted-step` or `scan`.
impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Strategy::Auto => "auto",
            Strategy::Step => "step",
            Strategy::HoistedStep => "hoisted-step",
            Strategy::Scan => "scan",
        })
    }
}

impl FromStr for Strategy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let all = || [Strategy::Auto].iter().chain(Strategy::ALL);
        all().copied().find(|strategy| strategy.to_string() == text).ok_or_else(|| {
            let names: Vec<String> = all().map(Strategy::to_string).collect();
            Error::from(Fault::Config {
                rule: format!("strategy must be one of {}", names.join(", ")),
                found: format!("'{text}'"),
            })
        })
    }
}
