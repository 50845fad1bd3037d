//! Which plan of a shape is the fastest, found out on the device.

#[cfg(all(feature = "tuning-file", not(target_arch = "wasm32")))]
mod file;
mod race;

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Instant;
use super::call_mode::CallMode;
use super::layer::{GpuLayer, Resident};
use super::plan::{CallShape, Choice, Endpoints, Pieces, Plan};
use crate::batch::Batch;
use crate::{Error, LayerOptions};

#[cfg(all(feature = "tuning-file", not(target_arch = "wasm32")))]
pub(super) use file::TuningFile;
use race::Race;

/// How the GPU backend comes to the strategy and the tile sizes for a shape, N rows of T steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tuning {
    /// A cost model says what should be the fastest: at once, and always the same.
    #[default]
    Model,
    /// The few best plans by the cost model are timed on the device in the first call with a shape, on that call's
    /// batch, and the fastest serves all calls with that shape: the model's choice, unless another takes at least 5 % less.
    ///
    /// That first call takes as long as some twenty others, compiles the kernels of up to five plans and takes their
    /// memory. It pays where few shapes come again and again.
    ///
    /// Each strategy has its own bits. With a strategy that is forced, the bits are those of [`Tuning::Model`]; with
    /// [`Strategy::Auto`](crate::Strategy::Auto) another strategy may win in another run or for another shape, and
    /// results then differ by rounding, within [`tolerance`](mod@crate::tolerance).
    ///
    /// In a browser the clock has steps (Chromium's of 0.1 ms): what differs by less is chosen by chance.
    Measure,
}

/// `model` or `measure`.
impl fmt::Display for Tuning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tuning::Model => "model",
            Tuning::Measure => "measure",
        })
    }
}

impl FromStr for Tuning {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let all = [Tuning::Model, Tuning::Measure];
        all.into_iter().find(|tuning| tuning.to_string() == text).ok_or_else(|| Error::Config {
            rule: "tuning must be one of model, measure".into(),
            found: format!("'{text}'"),
        })
    }
}

/// What a layer remembers of its measurements.
#[derive(Debug, Default)]
pub(super) struct Tuner {
    choices: Mutex<HashMap<CallShape, Choice>>,
    #[cfg(all(feature = "tuning-file", not(target_arch = "wasm32")))]
    file: Option<TuningFile>,
    #[cfg(test)]
    pub(super) measurements: std::sync::atomic::AtomicUsize,
}

impl Tuner {
    /// Nothing is known yet, but for what the file says.
    #[cfg_attr(
        not(all(feature = "tuning-file", not(target_arch = "wasm32"))),
        allow(unused_variables, reason = "for the file alone")
    )]
    pub(super) fn new(gpu: &super::Gpu, config: &crate::Config, options: &LayerOptions) -> Self {
        Tuner {
            #[cfg(all(feature = "tuning-file", not(target_arch = "wasm32")))]
            file: TuningFile::open(gpu, config, options),
            ..Tuner::default()
        }
    }

    /// One choice is known.
    fn with(size: CallShape, choice: Choice) -> Self {
        let tuner = Tuner::default();
        tuner.remember(size, choice);
        tuner
    }

    /// What is to be run for a shape, if that is known.
    pub(super) fn choice(&self, size: CallShape) -> Option<Choice> {
        self.choices().get(&size).cloned()
    }

    fn knows(&self, size: CallShape) -> bool {
        self.choices().contains_key(&size)
    }

    /// Keeps a choice, unless there is one. Whether it was kept.
    fn remember(&self, size: CallShape, choice: Choice) -> bool {
        let mut choices = self.choices();
        let new = !choices.contains_key(&size);
        if new {
            choices.insert(size, choice);
        }
        new
    }

    /// The candidate that the file names.
    #[cfg(all(feature = "tuning-file", not(target_arch = "wasm32")))]
    fn recorded<'a>(&self, candidates: &'a [Plan]) -> Option<&'a Plan> {
        self.file.as_ref()?.choose(candidates)
    }

    #[cfg(not(all(feature = "tuning-file", not(target_arch = "wasm32"))))]
    fn recorded<'a>(&self, _candidates: &'a [Plan]) -> Option<&'a Plan> {
        None
    }

    /// What is kept is valid at any time, also after a panic elsewhere.
    fn choices(&self) -> MutexGuard<'_, HashMap<CallShape, Choice>> {
        self.choices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A candidate, ready to run.
pub(super) struct Trial {
    /// The same layer, which knows this one plan and keeps its workspaces for itself.
    layer: GpuLayer,
    plan: Plan,
    /// Whether the plan is the cost model's choice.
    by_model: bool,
}

impl GpuLayer {
    /// Measures the shapes of a batch that goes in those pieces, if that is asked for and was not done before.
    ///
    /// # Errors
    ///
    /// [`Error::DeviceLost`]. What else goes wrong is left for the call itself to report.
    pub(super) async fn tune(
        &self,
        batch: &Batch<'_>,
        &Pieces { rows, budget, .. }: &Pieces,
        mode: CallMode,
    ) -> Result<(), Error> {
        if !self.measures() {
            return Ok(());
        }
        for (_, piece) in batch.pieces(rows) {
            let Some(mut race) = self.race(&piece, budget) else { continue };
            while let Some(trial) = race.next() {
                let start = Instant::now();
                let done = trial.layer.run_whole(&piece, budget, mode).await;
                if let Err(lost @ Error::DeviceLost { .. }) = done {
                    return Err(lost);
                }
                race.record(done.map(|_| start.elapsed()));
            }
            let Some(winner) = self.winner(race, &piece) else { return Ok(()) };
            if self.adopt(&winner) {
                self.write_down(winner.plan).await;
            }
        }
        Ok(())
    }

    fn measures(&self) -> bool {
        self.0.options.tuning == Tuning::Measure
    }

    /// The candidates for a batch; none if it is known what to run.
    fn race(&self, batch: &Batch<'_>, budget: u64) -> Option<Race<Trial>> {
        let resident = &self.0;
        let size = CallShape { rows: batch.rows(), steps: batch.steps(), budget, endpoints: Endpoints::Host };
        if resident.tuner.knows(size) {
            return None;
        }
        let request = resident.request(size);
        let candidates = Plan::candidates(&request, resident.options.strategy).ok()?;
        let known = match &candidates[..] {
            [only] => Some(only),
            several => resident.tuner.recorded(several),
        };
        if let Some(plan) = known {
            resident.tuner.remember(size, plan.choice());
            return None;
        }
        #[cfg(test)]
        resident.tuner.measurements.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let own = Plan::new(&request, resident.options.strategy).ok()?;
        let trials = candidates.into_iter().map(|plan| {
            let tuner = Tuner::with(size, plan.choice());
            Trial { layer: GpuLayer::trial(resident, tuner), by_model: plan == own, plan }
        });
        Some(Race::new(trials.collect()))
    }

    /// The candidate to take; none if all failed.
    fn winner(&self, race: Race<Trial>, batch: &Batch<'_>) -> Option<Trial> {
        let Resident { config, gpu, .. } = &*self.0;
        let over = format!("{config} over N={}, T={} on {gpu}", batch.rows(), batch.steps());
        for (trial, outcome) in race.outcomes() {
            log::debug!("{over}, {}: {outcome}", trial.plan);
        }
        let winner = race.winner(|trial| trial.by_model);
        match &winner {
            Some(trial) => log::info!("{over}: takes {}", trial.plan),
            None => log::warn!("{over}: no plan could be measured; the cost model's is taken"),
        }
        winner
    }

    /// Remembers the winner's plan and keeps its workspace. Of two measurements at once the first to end decides, so that
    /// all workspaces of a shape are alike. Whether that was this one.
    fn adopt(&self, winner: &Trial) -> bool {
        let size = winner.plan.size();
        let first = self.0.tuner.remember(size, winner.plan.choice());
        if first {
            self.0.adopt(&winner.layer.0, size);
        }
        first
    }

    #[cfg(all(feature = "tuning-file", not(target_arch = "wasm32")))]
    async fn write_down(&self, winner: Plan) {
        if let Some(file) = &self.0.tuner.file {
            file.record_beside(winner).await;
        }
    }

    #[cfg(not(all(feature = "tuning-file", not(target_arch = "wasm32"))))]
    async fn write_down(&self, _winner: Plan) {}
}

#[cfg(test)]
mod tests;
