//! The subjects of the benchmark: devices, and for a GPU each strategy.

use wgpu_rnn::{Backend, LayerOptions, Strategy};

use super::case::Case;
use crate::args::{BenchArguments, threads};
use crate::device::{DeviceChoice, Work};
use crate::failure::{Failure, Result};
use crate::report;

/// A device with, for a GPU, a strategy.
#[derive(Debug)]
pub(super) struct Subject {
    /// The device's name, unique among the subjects' devices.
    pub(super) device: String,
    pub(super) backend: Backend,
    /// The strategy of a GPU; none for other devices.
    pub(super) strategy: Option<Strategy>,
}

impl Subject {
    pub(super) fn is_cpu(&self) -> bool {
        matches!(self.backend, Backend::Cpu)
    }

    /// Returns whether the device is a software adapter: its driver runs on the CPU.
    pub(super) fn is_software(&self) -> bool {
        matches!(&self.backend, Backend::Gpu(gpu) if gpu.is_software())
    }

    pub(super) fn label(&self) -> String {
        match self.strategy {
            Some(strategy) => format!("{}, {strategy}", self.device),
            None => self.device.clone(),
        }
    }
}

/// Returns the requested subjects; by default the CPU backend and every adapter that can be opened.
pub(super) fn subjects(arguments: &BenchArguments, cases: &[Case]) -> Result<Vec<Subject>> {
    let options = LayerOptions { precision: arguments.precision, ..LayerOptions::default() };
    let options =
        LayerOptions { strategy: arguments.strategy.one(), threads: threads(arguments.threads), ..options };
    let works: Vec<Work<'_>> = cases.iter().map(work).collect();
    let backends = match &arguments.device[..] {
        [] => all(&works, &options),
        choices => opened(choices, &works, &options)?,
    };
    let mut names: Vec<String> = Vec::new();
    let mut subjects = Vec::new();
    for backend in backends {
        let alike = names.iter().filter(|name| **name == backend.to_string()).count();
        names.push(backend.to_string());
        let device = if alike == 0 { backend.to_string() } else { format!("{backend} #{}", alike + 1) };
        let strategies = match backend {
            Backend::Gpu(_) => arguments.strategy.0.iter().copied().map(Some).collect(),
            _ => vec![None],
        };
        for strategy in strategies {
            subjects.push(Subject { device: device.clone(), backend: backend.clone(), strategy });
        }
    }
    Ok(subjects)
}

fn work(case: &Case) -> Work<'_> {
    Work { name: &case.name, config: case.config, batch: case.batch, steps: case.steps }
}

/// Opens each choice once. The devices that `auto` chooses come last, and only if no other choice opened
/// them.
fn opened(choices: &[DeviceChoice], works: &[Work<'_>], options: &LayerOptions) -> Result<Vec<Backend>> {
    let once = choices.iter().enumerate().filter(|(place, choice)| !choices[..*place].contains(choice));
    let mut once: Vec<&DeviceChoice> = once.map(|(_, choice)| choice).collect();
    once.sort_by_key(|choice| **choice == DeviceChoice::Auto);
    let mut backends: Vec<Backend> = Vec::new();
    for choice in once {
        let mut opened = choice.open_for(works, options).map_err(Failure::new)?;
        if *choice == DeviceChoice::Auto {
            opened.retain(|backend| !backends.iter().any(|known| known.to_string() == backend.to_string()));
        }
        backends.extend(opened);
    }
    Ok(backends)
}

fn all(works: &[Work<'_>], options: &LayerOptions) -> Vec<Backend> {
    let choices = DeviceChoice::all().into_iter().filter(|choice| *choice != DeviceChoice::Reference);
    let backends = choices.flat_map(|choice| match choice.open_for(works, options) {
        Ok(backends) => backends,
        Err(error) => {
            report::note(&format!("left out {choice}: {error}"));
            Vec::new()
        }
    });
    backends.collect()
}
