//! plan
pub(super) const MAX_UNITS: u32 = 64;
pub(super) const WORKGROUP_BYTES: u32 = 16384;

/// How the GPU backend cuts a forward pass into dispatches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// The planner chooses.
    #[default]
    Auto,
    /// A dispatch for each time step, which fuses both matrix products, the biases and the activation.
    Step,
}

impl Strategy {
    /// Every strategy that can be forced.
    pub const ALL: &[Strategy] = &[Strategy::Step];
}

/// `auto` or `step`.
impl std::fmt::Display for Strategy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Strategy::Auto => "auto",
            Strategy::Step => "step",
        })
    }
}

impl std::str::FromStr for Strategy {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Self, crate::Error> {
        match text {
            "auto" => Ok(Strategy::Auto),
            "step" => Ok(Strategy::Step),
            _ => Err(crate::Error::Config {
                rule: "strategy must be one of auto, step".into(),
                found: format!("'{text}'"),
            }),
        }
    }
}
