//! Measurements in turns, so that other work on the machine slows all devices alike.

use std::time::{Duration, Instant};

use wgpu_rnn::Error;

/// The time of a device's turn. It is long compared with the cost of a change of devices.
const TURN: Duration = Duration::from_millis(50);
/// The least number of calls of each device, unless fewer calls take [`LONG`].
const LEAST: usize = 3;
pub(super) const LONG: Duration = Duration::from_secs(10);
/// A first call of at least this time counts and is not repeated: the compilation of kernels is a small
/// part of it.
const VERY_LONG: Duration = Duration::from_secs(30);

/// A forward pass to time, and its times.
pub(super) struct Runner<'a> {
    pass: Box<dyn Fn() -> Result<(), Error> + 'a>,
    times: Vec<Duration>,
    spent: Duration,
    failure: Option<Error>,
}

impl<'a> Runner<'a> {
    /// Makes a runner. The first call took `first`; it counts if that is very long.
    pub(super) fn new(first: Duration, pass: impl Fn() -> Result<(), Error> + 'a) -> Self {
        let times: Vec<Duration> = (first >= VERY_LONG).then_some(first).into_iter().collect();
        let spent = times.iter().sum();
        Runner { pass: Box::new(pass), times, spent, failure: None }
    }

    /// Returns the times, or the error that stopped the runner.
    pub(super) fn finish(self) -> Result<Times, Error> {
        match self.failure {
            Some(error) => Err(error),
            None => Ok(Times::new(&self.times)),
        }
    }

    fn is_done(&self, budget: Duration) -> bool {
        let enough = self.times.len() >= LEAST || self.spent >= LONG;
        self.failure.is_some() || (enough && self.spent >= budget)
    }

    fn turn(&mut self, budget: Duration) {
        let end = self.spent + TURN;
        while !self.is_done(budget) {
            let start = Instant::now();
            let done = (self.pass)();
            let time = start.elapsed();
            match done {
                Ok(()) => self.times.push(time),
                Err(error) => self.failure = Some(error),
            }
            self.spent += time;
            if self.spent >= end {
                break;
            }
        }
    }
}

/// Times all runners, for about `budget` each.
pub(super) fn race(runners: &mut [Runner<'_>], budget: Duration) {
    while runners.iter().any(|runner| !runner.is_done(budget)) {
        for runner in &mut *runners {
            runner.turn(budget);
        }
    }
}

/// The times of the calls in seconds, in ascending order; at least one.
#[derive(Clone, Debug)]
pub(super) struct Times(Vec<f64>);

impl Times {
    pub(super) fn new(times: &[Duration]) -> Self {
        let mut seconds: Vec<f64> = times.iter().map(Duration::as_secs_f64).collect();
        seconds.sort_by(f64::total_cmp);
        Times(seconds)
    }

    pub(super) fn runs(&self) -> usize {
        self.0.len()
    }

    pub(super) fn minimum(&self) -> f64 {
        self.quantile(0.0)
    }

    pub(super) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// Returns the distance from the first to the third quartile, as a fraction of the median.
    pub(super) fn spread(&self) -> f64 {
        (self.quantile(0.75) - self.quantile(0.25)) / self.median()
    }

    /// Interpolates linearly between the two nearest times.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place among the times")]
    fn quantile(&self, part: f64) -> f64 {
        let place = part * self.0.len().saturating_sub(1) as f64;
        let at = |place: f64| self.0.get(place as usize).copied().unwrap_or(f64::NAN);
        at(place) + place.fract() * (at(place.ceil()) - at(place))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::thread::sleep;

    use wgpu_rnn::ErrorKind;

    use super::*;

    #[test]
    fn quantiles_lie_between_times() {
        let times = Times::new(&[4, 1, 3, 2].map(Duration::from_secs));
        assert_eq!((times.runs(), times.minimum(), times.median()), (4, 1.0, 2.5));
        assert_eq!(times.spread(), (3.25 - 1.75) / 2.5);
        assert_eq!(Times::new(&[Duration::from_secs(7)]).median(), 7.0);
    }

    #[test]
    fn everyone_gets_turns_and_three_calls() {
        let order = RefCell::new(Vec::new());
        let runner = |name, millis| {
            let order = &order;
            Runner::new(Duration::ZERO, move || {
                order.borrow_mut().push(name);
                sleep(Duration::from_millis(millis));
                Ok(())
            })
        };
        let mut runners = [runner('a', 60), runner('b', 60)];
        race(&mut runners, Duration::ZERO);
        assert_eq!(*order.borrow(), ['a', 'b', 'a', 'b', 'a', 'b']);
        let times = runners.map(|runner| runner.finish().unwrap());
        assert!(times.iter().all(|times| times.runs() == 3 && times.minimum() >= 0.06));

        let mut runners = [runner('c', 1)];
        race(&mut runners, Duration::from_millis(30));
        let [runner] = runners;
        assert!((4..=31).contains(&runner.finish().unwrap().runs()));
    }

    #[test]
    fn very_long_calls_are_not_repeated() {
        let (calls, budget) = (Cell::new(0), Duration::from_secs(1));
        let runner = |first| {
            Runner::new(Duration::from_secs(first), || {
                calls.set(calls.get() + 1);
                Ok(())
            })
        };
        let mut runners = [runner(30)];
        race(&mut runners, budget);
        let [long] = runners;
        let times = long.finish().unwrap();
        assert_eq!((calls.get(), times.runs(), times.median()), (0, 1, 30.0));

        let mut runner = runner(29);
        for is_done in [false, true] {
            assert!(!runner.is_done(budget));
            runner.times.push(Duration::from_secs(6));
            runner.spent += Duration::from_secs(6);
            assert_eq!(runner.is_done(budget), is_done);
        }
        assert_eq!(runner.finish().unwrap().runs(), 2);
    }

    #[test]
    fn one_that_fails_stops_alone() {
        let calls = Cell::new(0);
        let failing = Runner::new(Duration::ZERO, || {
            calls.set(calls.get() + 1);
            if calls.get() == 2 { Err(Error::new(ErrorKind::Input, "no steps")) } else { Ok(()) }
        });
        let mut runners = [failing, Runner::new(Duration::ZERO, || Ok(()))];
        race(&mut runners, Duration::ZERO);
        let [failing, other] = runners;
        assert!(failing.finish().is_err());
        assert_eq!((calls.get(), other.finish().unwrap().runs()), (2, 3));
    }
}
