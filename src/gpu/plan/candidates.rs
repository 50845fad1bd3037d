//! The candidates of a request: the few plans that are worth timing.

use super::stage::{Pace, Stage};
use super::stages::stages;
use super::{Choice, Plan, Request, Strategy, family, tiling};
use crate::Error;
use crate::gpu::kernel::{MAX_ROWS, MIN_UNITS, Tiling, WeightsIn};

/// The maximum number of candidates. The kernels of each candidate must be compiled.
const MOST: usize = 5;
/// Candidates are left out if their expected time is more than this multiple of the best one's.
const TOO_SLOW: f64 = 4.0;

impl Choice {
    /// Returns all choices of tilings for a strategy that may be the best on some device. The planner's
    /// choice comes first.
    fn all(request: &Request<'_>, strategy: Strategy) -> Vec<Self> {
        let Ok(own) = tiling::choose(request, strategy) else { return Vec::new() };
        let usual = tiling::usual(request, strategy).ok();
        let bases = usual.into_iter().chain(tiling::apart(request, strategy)).collect::<Vec<_>>();
        let mut all = vec![own];
        for choice in bases.iter().flat_map(|base| base.variations(request)) {
            if !all.contains(&choice) {
                all.push(choice);
            }
        }
        all
    }

    /// Returns this choice, and those with other tilings of the same kernels.
    fn variations(&self, request: &Request<'_>) -> Vec<Self> {
        let Some(recurrent) = self.stages.iter().find(|stage| stage.is_recurrent()) else {
            return Vec::new();
        };
        let large = tiling::whole(request, recurrent);
        let tilings = match recurrent.loops() {
            true => tiling::loops(request, &large).iter().map(|stage| stage.tiling).collect(),
            false => steps(request, &large),
        };
        let mut all = vec![self.clone()];
        all.extend(tilings.into_iter().map(|tiling| self.with_recurrent(request, tiling)));
        let ahead: Vec<_> = all.iter().flat_map(|choice| choice.with_tilings_ahead(request)).collect();
        all.extend(ahead);
        all
    }

    /// Returns this choice with each tiling of the input products.
    fn with_tilings_ahead(&self, request: &Request<'_>) -> Vec<Self> {
        if !self.stages.iter().any(|stage| stage.pace == Pace::Rows) {
            return Vec::new();
        }
        let mut described = stages(request.config, self.strategy).into_iter();
        let Some(ahead) = described.find(|stage| stage.pace == Pace::Rows) else { return Vec::new() };
        let others = || self.stages.iter().filter(|stage| stage.pace != Pace::Rows).cloned();
        let tilings = tiling::ahead_tilings(request, &tiling::whole(request, &ahead)).into_iter();
        let with = |ahead: Vec<Stage>| Choice {
            strategy: self.strategy,
            stages: ahead.into_iter().chain(others()).collect(),
        };
        tilings.map(with).collect()
    }

    /// Returns this choice with another tiling for the recurrent stage, and for the second product of a step.
    fn with_recurrent(&self, request: &Request<'_>, tiling: Tiling) -> Self {
        let stages = self.stages.iter().map(|stage| match stage.is_recurrent() {
            true => stage.with(tiling),
            false if stage.is_of_chunk() => stage.clone(),
            false => second(request, stage, tiling),
        });
        Choice { strategy: self.strategy, stages: stages.collect() }
    }
}

/// Returns the second product of a step whose first one has that tiling. It is in blocks if the first one is. If the first
/// one is in tiles, it has its usual tiling. Otherwise it has the rows of the first one.
fn second(request: &Request<'_>, stage: &Stage, first: Tiling) -> Stage {
    let usual = tiling::whole(request, stage);
    match first.weights {
        WeightsIn::Blocks => tiling::in_blocks(request, &usual).unwrap_or(usual),
        WeightsIn::Tiles => usual,
        _ => usual.with(Tiling { rows: first.rows, ..usual.tiling }),
    }
}

/// Returns the tilings of a step that are worth timing. Small workgroups, single rows and shared items spread a step
/// over more cores, and tiles load less for many rows. Single rows are tried only if there are few rows.
fn steps(request: &Request<'_>, stage: &Stage) -> Vec<Tiling> {
    let large = stage.tiling;
    let few_rows = request.rows <= MAX_ROWS as usize;
    let rows = [large.rows, if few_rows { 1 } else { large.rows }];
    let of_rows = |rows| [large.units, MIN_UNITS].map(|units| Tiling { units, rows, ..large });
    let in_blocks = tiling::in_blocks(request, stage).filter(|_| few_rows);
    let others = in_blocks.into_iter().chain(tiling::step_in_tiles(request, stage));
    rows.into_iter().flat_map(of_rows).chain(others.map(|stage| stage.tiling)).collect()
}

impl Plan {
    /// Returns all plans of a strategy, or of all strategies, and those whose steps compute the input products, also for
    /// many steps.
    #[cfg(test)]
    pub(in crate::gpu) fn all(request: &Request<'_>, strategy: Strategy) -> Vec<Plan> {
        let strategies =
            if strategy == Strategy::Auto { Strategy::ALL } else { family::allowed(request, strategy) };
        let all = strategies.iter().flat_map(|&strategy| {
            let apart = tiling::apart_steps(request, strategy);
            let apart = apart.into_iter().flat_map(|choice| choice.variations(request));
            Choice::all(request, strategy).into_iter().chain(apart)
        });
        all.filter_map(|choice| Plan::of(request, &choice).ok()).collect()
    }

    /// Returns the plans that are worth timing: the plan of [`Plan::new`], the best one of each allowed
    /// strategy, and others, at most five in all. They are in the order of their expected times, the fastest
    /// first.
    ///
    /// # Errors
    ///
    /// The same as for [`Plan::new`].
    pub(in crate::gpu) fn candidates(request: &Request<'_>, strategy: Strategy) -> Result<Vec<Plan>, Error> {
        let own = Plan::new(request, strategy)?.choice;
        let strategies = family::allowed(request, strategy);
        let all = strategies.iter().flat_map(|&strategy| Choice::all(request, strategy));
        let mut ranked: Vec<(f64, Choice)> =
            all.filter_map(|choice| Some((tiling::expected_us(request, &choice).ok()?, choice))).collect();
        ranked.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let limit = TOO_SLOW * ranked.first().map_or(f64::INFINITY, |(best, _)| *best);

        let of = |strategy| move |(_, choice): &&(f64, Choice)| choice.strategy == strategy;
        let best_of_each = strategies.iter().filter_map(|&strategy| ranked.iter().find(of(strategy)));
        let owns = ranked.iter().filter(|(_, choice)| *choice == own);
        let mut picked: Vec<&(f64, Choice)> = Vec::new();
        for ranked in owns.chain(best_of_each).chain(&ranked) {
            let (expected, choice) = ranked;
            if picked.len() < MOST && !picked.contains(&ranked) && (*expected <= limit || *choice == own) {
                picked.push(ranked);
            }
        }
        picked.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        Ok(picked.into_iter().filter_map(|(_, choice)| Plan::of(request, choice).ok()).collect())
    }
}

#[cfg(test)]
mod tests;
