//! What is compared: devices, a GPU with each strategy.

use wgpu_rnn::{Backend, Strategy};

use crate::device::DeviceChoice;
use crate::failure::{Failure, Result};
use crate::report;

/// A device, and a GPU's strategy.
#[derive(Debug)]
pub(super) struct Subject {
    /// No two devices have the same.
    pub(super) device: String,
    pub(super) backend: Backend,
    /// None where a device has none.
    pub(super) strategy: Option<Strategy>,
}

impl Subject {
    pub(super) fn is_cpu(&self) -> bool {
        matches!(self.backend, Backend::Cpu)
    }

    /// Whether this is an adapter whose driver runs on the CPU.
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

/// Those that were asked for; the CPU backend and every adapter that can be opened if none was.
pub(super) fn subjects(choices: &[DeviceChoice], strategies: &[Strategy]) -> Result<Vec<Subject>> {
    let backends = match choices {
        [] => all(),
        choices => opened(choices)?,
    };
    let mut names: Vec<String> = Vec::new();
    let mut subjects = Vec::new();
    for backend in backends {
        let alike = names.iter().filter(|name| **name == backend.to_string()).count();
        names.push(backend.to_string());
        let device = if alike == 0 { backend.to_string() } else { format!("{backend} #{}", alike + 1) };
        let strategies = match backend {
            Backend::Gpu(_) => strategies.iter().copied().map(Some).collect(),
            _ => vec![None],
        };
        for strategy in strategies {
            subjects.push(Subject { device: device.clone(), backend: backend.clone(), strategy });
        }
    }
    Ok(subjects)
}

fn opened(choices: &[DeviceChoice]) -> Result<Vec<Backend>> {
    let once = choices.iter().enumerate().filter(|(place, choice)| !choices[..*place].contains(choice));
    once.map(|(_, choice)| choice.open().map_err(Failure::new)).collect()
}

fn all() -> Vec<Backend> {
    let choices = DeviceChoice::all().into_iter().filter(|choice| *choice != DeviceChoice::Reference);
    let backends = choices.filter_map(|choice| match choice.open() {
        Ok(backend) => Some(backend),
        Err(error) => {
            report::note(&format!("left out {choice}: {error}"));
            None
        }
    });
    backends.collect()
}
