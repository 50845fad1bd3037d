//! The results of measurements.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[cfg(all(feature = "tuning-file", not(target_arch = "wasm32")))]
use super::file::TuningFile;
use crate::gpu::Gpu;
use crate::gpu::plan::{CallShape, Choice, Plan};
use crate::{Config, LayerOptions};

/// The results of a layer's measurements.
#[derive(Debug, Default)]
pub(in crate::gpu) struct Tuner {
    choices: Mutex<HashMap<CallShape, Choice>>,
    #[cfg(all(feature = "tuning-file", not(target_arch = "wasm32")))]
    pub(in crate::gpu) file: Option<TuningFile>,
    #[cfg(test)]
    pub(in crate::gpu) measurements: std::sync::atomic::AtomicUsize,
}

impl Tuner {
    /// Returns a tuner that knows only the results in the tuning file, if there is one.
    #[cfg_attr(
        not(all(feature = "tuning-file", not(target_arch = "wasm32"))),
        allow(unused_variables, reason = "for the file alone")
    )]
    pub(in crate::gpu) fn new(gpu: &Gpu, config: &Config, options: &LayerOptions) -> Self {
        Tuner {
            #[cfg(all(feature = "tuning-file", not(target_arch = "wasm32")))]
            file: TuningFile::open(gpu, config, options),
            ..Tuner::default()
        }
    }

    /// Returns a tuner that knows one choice.
    pub(in crate::gpu) fn with(size: CallShape, choice: Choice) -> Self {
        let tuner = Tuner::default();
        tuner.remember(size, choice);
        tuner
    }

    /// Returns the choice for a shape, if it is known.
    pub(in crate::gpu) fn choice(&self, size: CallShape) -> Option<Choice> {
        self.choices().get(&size).cloned()
    }

    pub(in crate::gpu) fn knows(&self, size: CallShape) -> bool {
        self.choices().contains_key(&size)
    }

    /// Stores a choice for a shape unless there is one already. Returns whether it was stored.
    pub(in crate::gpu) fn remember(&self, size: CallShape, choice: Choice) -> bool {
        let mut choices = self.choices();
        let new = !choices.contains_key(&size);
        if new {
            choices.insert(size, choice);
        }
        new
    }

    /// Returns the candidate that the tuning file names.
    #[cfg(all(feature = "tuning-file", not(target_arch = "wasm32")))]
    pub(in crate::gpu) fn recorded<'a>(&self, candidates: &'a [Plan]) -> Option<&'a Plan> {
        self.file.as_ref()?.choose(candidates)
    }

    #[cfg(not(all(feature = "tuning-file", not(target_arch = "wasm32"))))]
    pub(in crate::gpu) fn recorded<'a>(&self, _candidates: &'a [Plan]) -> Option<&'a Plan> {
        None
    }

    /// Locks the choices. They are valid at any time, even after a panic elsewhere.
    fn choices(&self) -> MutexGuard<'_, HashMap<CallShape, Choice>> {
        self.choices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
