//! `--device`: parses the flag and opens the backend.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use wgpu_rnn::auto::Choice;
use wgpu_rnn::{AdapterChoice, Backend, Config, Error, Gpu, Layer, LayerOptions};

use crate::failure::one_line;
use crate::report;

/// A forward pass for which a device is chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work<'a> {
    /// The name in messages, if there are several passes.
    pub(crate) name: &'a str,
    pub(crate) config: Config,
    pub(crate) batch: usize,
    pub(crate) steps: usize,
}

/// The device to run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DeviceChoice {
    /// The device that the library's rule chooses for the work.
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

/// Formats the choice as on the command line.
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
    /// Opens the device for a forward pass. Prints a line on standard error if `auto` chose it or it is a
    /// software adapter.
    pub(crate) fn open(&self, work: &Work<'_>, options: &LayerOptions) -> Result<Backend, Error> {
        match self {
            DeviceChoice::Auto => Ok(auto(work, options)),
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

    /// Like [`DeviceChoice::open`], for several forward passes. `auto` opens each device that it chooses
    /// for at least one of them.
    pub(crate) fn open_for(&self, works: &[Work<'_>], options: &LayerOptions) -> Result<Vec<Backend>, Error> {
        match (self, works) {
            (DeviceChoice::Auto, [_, _, ..]) => Ok(auto_for(works, options)),
            (_, works) => works.iter().take(1).map(|work| self.open(work, options)).collect(),
        }
    }

    /// Returns the reference, the CPU backend and every adapter.
    pub(crate) fn all() -> Vec<DeviceChoice> {
        let adapters = (0..adapters()).map(|index| DeviceChoice::Adapter(AdapterChoice::Index(index)));
        [DeviceChoice::Reference, DeviceChoice::Cpu].into_iter().chain(adapters).collect()
    }
}

/// Opens the device that the rule chooses, and prints the choice on standard error.
pub(crate) fn auto(work: &Work<'_>, options: &LayerOptions) -> Backend {
    let choice = chosen(work, options);
    tell(&choice, "");
    choice.backend
}

fn chosen(work: &Work<'_>, options: &LayerOptions) -> Choice {
    Backend::auto(&work.config, work.batch, work.steps, options)
}

/// Prints a choice on standard error. `what` starts with a blank and names the pass, as in ` for small`; it is
/// empty for a single pass.
fn tell(choice: &Choice, what: &str) {
    let Choice { backend, reason, .. } = choice;
    report::note(&one_line(&format!("auto: takes {backend}{what}, since {reason}")));
}

/// Opens each device that the rule chooses for at least one of the passes.
fn auto_for(works: &[Work<'_>], options: &LayerOptions) -> Vec<Backend> {
    let mut taken: Vec<(Choice, &Work<'_>, usize)> = Vec::new();
    for work in works {
        let choice = chosen(work, options);
        let same = |known: &Choice| known.backend.to_string() == choice.backend.to_string();
        match taken.iter_mut().find(|(known, ..)| same(known)) {
            Some((.., more)) => *more += 1,
            None => taken.push((choice, work, 0)),
        }
    }
    let told = taken.into_iter().map(|(choice, work, more)| {
        tell(
            &choice,
            &match more {
                0 => format!(" for {}", work.name),
                _ => format!(" for {} and {more} more", work.name),
            },
        );
        choice.backend
    });
    told.collect()
}

/// Returns the number of adapters.
#[cfg(feature = "gpu")]
fn adapters() -> usize {
    pollster::block_on(Gpu::adapters()).len()
}

#[cfg(not(feature = "gpu"))]
fn adapters() -> usize {
    0
}

/// Returns none: a build without the feature `gpu` has no strategies to choose from.
#[cfg(not(feature = "gpu"))]
pub(crate) fn strategy(_: &Layer, _: &LayerOptions, _: usize, _: usize) -> Option<String> {
    None
}

/// Returns the strategy with which a GPU runs a batch and, if it was not forced, how it was chosen, such as
/// `scan (auto)`. Returns none on other backends and without rows.
#[cfg(feature = "gpu")]
pub(crate) fn strategy(layer: &Layer, options: &LayerOptions, rows: usize, steps: usize) -> Option<String> {
    if rows == 0 {
        return None;
    }
    let plan = layer.plan(rows, steps).ok()??;
    let chosen = match (options.strategy, options.measure) {
        (_, true) => " (measured)",
        (wgpu_rnn::Strategy::Auto, _) => " (auto)",
        _ => "",
    };
    Some(format!("{}{chosen}", plan.strategy))
}

/// Returns the number of threads of the CPU backend, which are those of rayon's global pool: `RAYON_NUM_THREADS`,
/// or the threads that the machine runs at once. It does not ask rayon, which panics where no thread can be
/// started.
pub(crate) fn cpu_threads() -> usize {
    let wanted = std::env::var("RAYON_NUM_THREADS").ok().and_then(|wanted| wanted.parse().ok());
    let available = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    wanted.filter(|&wanted: &usize| wanted > 0).unwrap_or_else(available)
}
