//! Measures on the device which plan is the fastest for a shape.

#[cfg(all(feature = "tuning-file", not(target_arch = "wasm32")))]
mod file;
mod race;
mod tuner;

use super::Instant;
use super::call_mode::CallMode;
use super::layer::GpuLayer;
use super::plan::{CallShape, Endpoints, Pieces, Plan};
use super::resident::Resident;
use super::transfer::Given;
use crate::batch::Batch;
use crate::{Error, ErrorKind};
use race::Race;
pub(super) use tuner::Tuner;

/// A candidate, ready to run.
pub(super) struct Trial {
    /// The same layer with a tuner that knows only this plan, and with workspaces of its own.
    layer: GpuLayer,
    plan: Plan,
    /// Whether the plan is the cost model's choice.
    by_model: bool,
}

impl GpuLayer {
    /// Measures the shapes of a batch's pieces, if the options ask for measurements and the shapes are new.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::DeviceLost`]. The call itself reports all other errors.
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
            let whole = Pieces { rows, in_flight: 1, budget };
            while let Some(trial) = race.next() {
                let start = Instant::now();
                let given = Given::all(&piece);
                let done = trial.layer.run_pieces(given, &whole, Endpoints::Host, mode, None).await;
                if let Err(lost) = &done
                    && lost.kind() == ErrorKind::DeviceLost
                {
                    return Err(lost.clone());
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
        self.0.options.measure
    }

    /// Returns the race of the candidates for a batch, or `None` if the choice is known.
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
            resident.tuner.remember(size, plan.choice.clone());
            return None;
        }
        #[cfg(test)]
        resident.tuner.measurements.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let own = Plan::new(&request, resident.options.strategy).ok()?;
        let trials = candidates.into_iter().map(|plan| {
            let tuner = Tuner::with(size, plan.choice.clone());
            Trial { layer: GpuLayer::of(resident.like(tuner)), by_model: plan == own, plan }
        });
        Some(Race::new(trials.collect()))
    }

    /// Logs the measurements and returns the winner, or `None` if all candidates failed.
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

    /// Stores the winner's choice and keeps its workspace. If two measurements run at once, the first one to
    /// end decides, so that all workspaces of a shape are the same. Returns whether this measurement was the
    /// first.
    fn adopt(&self, winner: &Trial) -> bool {
        let size = winner.plan.size();
        let first = self.0.tuner.remember(size, winner.plan.choice.clone());
        if first {
            self.0.adopt(&winner.layer.0, size);
        }
        first
    }

    #[cfg(all(feature = "tuning-file", not(target_arch = "wasm32")))]
    async fn write_down(&self, winner: Plan) {
        if let Some(file) = &self.0.tuner.file {
            file.record_in_background(winner).await;
        }
    }

    #[cfg(not(all(feature = "tuning-file", not(target_arch = "wasm32"))))]
    async fn write_down(&self, _winner: Plan) {}
}

#[cfg(test)]
mod tests;
