//! A race between candidates: the order of their runs, and the winner.

use std::fmt;
use std::time::Duration;

use crate::Error;

/// The minimum number of timed rounds, after the warm-up round.
const MIN_ROUNDS: usize = 3;
/// The maximum number of timed rounds.
const MAX_ROUNDS: usize = 10;
/// The total time of the timed runs after which [`MIN_ROUNDS`] rounds are enough.
const ENOUGH: Duration = Duration::from_millis(30);
/// A candidate is given up if its best time is more than this multiple of the best time of all.
const HOPELESS: u32 = 3;

/// The favourite wins unless another candidate takes less than this fraction of its time. Otherwise, noise
/// would choose among equals.
const CLEARLY_FASTER: f64 = 0.95;

/// A race of candidates that run in turn, so that other work on the machine slows all of them equally. The
/// first round is a warm-up that compiles kernels; it is not timed. The best time of each candidate counts,
/// because noise only adds to it.
pub(super) struct Race<T> {
    runners: Vec<Runner<T>>,
    /// The first candidate that may run next in this round.
    next: usize,
    /// The candidate that ran last.
    running: usize,
    round: usize,
    /// The total time of all timed runs.
    spent: Duration,
}

struct Runner<T> {
    candidate: T,
    best: Option<Duration>,
    out: Option<Out>,
}

/// The reason why a candidate does not run again.
enum Out {
    Failed(Error),
    Slow,
}

impl<T> Race<T> {
    pub(super) fn new(candidates: Vec<T>) -> Self {
        let runners = candidates.into_iter().map(|candidate| Runner { candidate, best: None, out: None });
        Race { runners: runners.collect(), next: 0, running: 0, round: 0, spent: Duration::ZERO }
    }

    /// Returns the candidate that runs next, or `None` if the race is decided.
    pub(super) fn next(&mut self) -> Option<&T> {
        let ahead =
            |race: &Self| (race.next..race.runners.len()).find(|&place| race.runners[place].out.is_none());
        let place = match ahead(self) {
            Some(place) => place,
            None => {
                self.round += 1;
                self.next = 0;
                ahead(self).filter(|_| !self.is_decided())?
            }
        };
        (self.running, self.next) = (place, place + 1);
        Some(&self.runners[place].candidate)
    }

    /// Records the result of the last run.
    pub(super) fn record(&mut self, time: Result<Duration, Error>) {
        let runner = &mut self.runners[self.running];
        match time {
            Err(error) => runner.out = Some(Out::Failed(error)),
            Ok(_) if self.round == 0 => {}
            Ok(time) => {
                runner.best = Some(runner.best.map_or(time, |best| best.min(time)));
                self.spent += time;
                self.give_up();
            }
        }
    }

    /// Returns the fastest candidate that did not fail, or the favourite if it is about as fast.
    pub(super) fn winner(self, is_favourite: impl Fn(&T) -> bool) -> Option<T> {
        let left = self.runners.into_iter().filter(|runner| runner.out.is_none());
        let handicapped = left.map(|Runner { candidate, best, .. }| {
            let factor = if is_favourite(&candidate) { CLEARLY_FASTER } else { 1.0 };
            (best.map_or(f64::INFINITY, |best| factor * best.as_secs_f64()), candidate)
        });
        handicapped.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, candidate)| candidate)
    }

    /// Returns each candidate with a description of its result.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (&T, impl fmt::Display)> {
        self.runners.iter().map(|runner| {
            let outcome = match (&runner.out, runner.best) {
                (Some(Out::Failed(error)), _) => error.to_string(),
                (Some(Out::Slow), Some(best)) => format!("{best:?}, given up"),
                (_, Some(best)) => format!("{best:?}"),
                (_, None) => "the only one".into(),
            };
            (&runner.candidate, outcome)
        })
    }

    /// Returns whether no further round is needed, after `round` rounds.
    fn is_decided(&self) -> bool {
        let left = self.runners.iter().filter(|runner| runner.out.is_none()).count();
        let timed = self.round - 1;
        left < 2 || timed >= MAX_ROUNDS || (timed >= MIN_ROUNDS && self.spent >= ENOUGH)
    }

    fn give_up(&mut self) {
        let best = self.runners.iter().filter(|runner| runner.out.is_none()).filter_map(|runner| runner.best);
        let Some(limit) = best.min().and_then(|best| best.checked_mul(HOPELESS)) else { return };
        for runner in &mut self.runners {
            if runner.out.is_none() && runner.best.is_some_and(|best| best > limit) {
                runner.out = Some(Out::Slow);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Fault;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// Runs a race of `count` candidates. `time` returns the time of a candidate's run, or `None` if it
    /// fails. Returns the candidates in the order of their runs, and the winner if the first one is the
    /// favourite.
    fn run(count: usize, time: impl Fn(usize, usize) -> Option<Duration>) -> (Vec<usize>, Option<usize>) {
        let mut race = Race::new((0..count).collect());
        let (mut order, mut runs) = (Vec::new(), vec![0; count]);
        while let Some(&who) = race.next() {
            order.push(who);
            race.record(time(who, runs[who]).ok_or_else(|| Error::from(Fault::NoSteps)));
            runs[who] += 1;
        }
        (order, race.winner(|&who| who == 0))
    }

    #[test]
    fn candidates_take_turns_and_the_best_time_wins() {
        // The first run compiles. Then each candidate is slowed down in one of three rounds.
        let times = [[900, 12, 30, 12], [100, 30, 11, 11], [500, 13, 13, 30]];
        let (order, winner) = run(3, |who, run| Some(ms(times[who][run])));
        assert_eq!(order[..3], [0, 1, 2]);
        assert_eq!(winner, Some(1));
        let (order, winner) = run(2, |who, _| Some(ms(40 - 4 * who as u64)));
        assert_eq!(order, [0, 1, 0, 1, 0, 1, 0, 1]);
        assert_eq!(winner, Some(1));
    }

    #[test]
    fn the_favourite_wins_unless_another_is_clearly_faster() {
        assert_eq!(run(2, |who, _| Some(ms([100, 96][who]))).1, Some(0));
        assert_eq!(run(2, |who, _| Some(ms([100, 94][who]))).1, Some(1));
        assert_eq!(run(3, |who, _| Some(ms([500, 100, 99][who]))).1, Some(2));
        assert_eq!(run(3, |who, _| (who > 0).then_some(ms([0, 100, 99][who]))).1, Some(2));
    }

    #[test]
    fn short_runs_are_repeated_for_longer() {
        let (order, _) = run(2, |_, _| Some(Duration::from_micros(50)));
        assert_eq!(order.len(), 2 * (1 + MAX_ROUNDS));
        let (order, _) = run(2, |_, _| Some(ms(4)));
        assert_eq!(order.len(), 2 * (1 + 4));
    }

    #[test]
    fn the_hopeless_are_given_up() {
        let (order, winner) = run(3, |who, _| Some(ms([100, 400, 250][who])));
        assert_eq!(order, [0, 1, 2, 0, 1, 2, 0, 2, 0, 2]);
        assert_eq!(winner, Some(0));
        // The race ends when only one candidate is left.
        let (order, winner) = run(2, |who, _| Some(ms([100, 30][who])));
        assert_eq!((order, winner), (vec![0, 1, 0, 1], Some(1)));
    }

    #[test]
    fn those_that_fail_are_passed_over() {
        let (order, winner) = run(3, |who, run| (who != 0 && (who, run) != (1, 2)).then_some(ms(20)));
        assert_eq!(order, [0, 1, 2, 1, 2, 1, 2]);
        assert_eq!(winner, Some(2));
        let (order, winner) = run(2, |_, _| None);
        assert_eq!((order, winner), (vec![0, 1], None));
        let (order, winner) = run(2, |who, _| (who == 1).then_some(ms(20)));
        assert_eq!((order, winner), (vec![0, 1], Some(1)));
    }
}
