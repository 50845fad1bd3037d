//! `--device`: from words to a backend.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use wgpu_rnn::{AdapterChoice, Backend, Error, Gpu, Layer, LayerOptions, Strategy, Tuning};

use crate::report;

/// What to run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DeviceChoice {
    /// A hardware GPU, else the CPU backend.
    Auto,
    Cpu,
    Reference,
    Adapter(AdapterChoice),
}

impl FromStr for DeviceChoice {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match (text, text.parse::<usize>()) {
            ("auto", _) => DeviceChoice::Auto,
            ("cpu", _) => DeviceChoice::Cpu,
            ("reference", _) => DeviceChoice::Reference,
            ("gpu", _) => DeviceChoice::Adapter(AdapterChoice::Best),
            (_, Ok(index)) => DeviceChoice::Adapter(AdapterChoice::Index(index)),
            _ => DeviceChoice::Adapter(AdapterChoice::Name(text.to_owned())),
        })
    }
}

/// What stands for the choice on the command line.
impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceChoice::Auto => f.write_str("auto"),
            DeviceChoice::Cpu => f.write_str("cpu"),
            DeviceChoice::Reference => f.write_str("reference"),
            DeviceChoice::Adapter(AdapterChoice::Index(index)) => write!(f, "adapter {index}"),
            DeviceChoice::Adapter(AdapterChoice::Name(name)) => f.write_str(name),
            DeviceChoice::Adapter(_) => f.write_str("gpu"),
        }
    }
}

impl DeviceChoice {
    /// Opens the device, and says on standard error what the user may not expect.
    pub(crate) fn open(&self) -> Result<Backend, Error> {
        match self {
            DeviceChoice::Auto => Ok(match hardware() {
                Ok(gpu) => Backend::Gpu(gpu),
                Err(error) => {
                    report::note(&format!("auto: takes the CPU backend, since {error}"));
                    Backend::Cpu
                }
            }),
            DeviceChoice::Cpu => Ok(Backend::Cpu),
            DeviceChoice::Reference => Ok(Backend::Reference),
            DeviceChoice::Adapter(choice) => {
                let gpu = Gpu::new(choice)?;
                if gpu.is_software() {
                    report::note(&format!("{gpu}: a software adapter, which runs on the CPU and is slow"));
                }
                Ok(Backend::Gpu(gpu))
            }
        }
    }

    /// The reference, the CPU backend and every adapter.
    pub(crate) fn all() -> Vec<DeviceChoice> {
        let adapters = 0..Gpu::adapters().len();
        let adapters = adapters.map(|index| DeviceChoice::Adapter(AdapterChoice::Index(index)));
        [DeviceChoice::Reference, DeviceChoice::Cpu].into_iter().chain(adapters).collect()
    }
}

/// What `auto` takes, or why it takes the CPU backend instead.
pub(crate) fn hardware() -> Result<Gpu, Error> {
    Gpu::new(&AdapterChoice::Hardware)
}

/// `scan (auto)`: the strategy that a GPU runs a batch with and, where that was open, who chose it. None on other backends
/// and without rows.
pub(crate) fn strategy(layer: &Layer, options: &LayerOptions, rows: usize, steps: usize) -> Option<String> {
    if rows == 0 {
        return None;
    }
    let plan = layer.plan(rows, steps).ok()??;
    let chosen = match (options.strategy, options.tuning) {
        (_, Tuning::Measure) => " (measured)",
        (Strategy::Auto, _) => " (auto)",
        _ => "",
    };
    Some(format!("{}{chosen}", plan.strategy))
}
