//! The names of the strategies.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// How the GPU backend cuts a forward pass into dispatches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// The planner chooses.
    #[default]
    Auto,
    /// A dispatch for each time step, which fuses both matrix products, the biases and the activation. Stacked layers of
    /// one direction share a dispatch, each one step behind the layer below it.
    Step,
}

impl Strategy {
    /// Every strategy that can be forced.
    pub const ALL: &[Strategy] = &[Strategy::Step];

    /// The strategy that is run: itself, or what the planner chooses for [`Strategy::Auto`].
    pub fn resolve(self) -> Strategy {
        match self {
            Strategy::Auto | Strategy::Step => Strategy::Step,
        }
    }
}

/// `auto` or `step`.
impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Strategy::Auto => "auto",
            Strategy::Step => "step",
        })
    }
}

impl FromStr for Strategy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let all = || [Strategy::Auto].iter().chain(Strategy::ALL);
        all().copied().find(|strategy| strategy.to_string() == text).ok_or_else(|| {
            let names: Vec<String> = all().map(Strategy::to_string).collect();
            Error::Config {
                rule: format!("strategy must be one of {}", names.join(", ")),
                found: format!("'{text}'"),
            }
        })
    }
}
