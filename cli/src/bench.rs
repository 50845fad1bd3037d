//! `wgpu-rnn bench`: times forward passes.

pub(crate) mod case;
mod expected;
mod files;
mod json;
mod machine;
mod parts;
mod plot;
mod race;
mod subject;
mod table;

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use wgpu_rnn::ndarray::Array3;
use wgpu_rnn::{Error, ErrorKind, Layer, LayerOptions, Weights};

use crate::args::{BenchArguments, threads};
use crate::device;
use crate::failure::{Failure, Result};
use crate::report;
use crate::tuning::Tuning;
use case::Case;
use expected::Expected;
use parts::{Missing, Parts};
use race::{Runner, Times};
use subject::Subject;

/// The times of one case on one device with one strategy. The result was correct.
#[derive(Debug)]
struct Row<'a> {
    case: &'a Case,
    subject: &'a Subject,
    /// On a GPU, the strategy that ran and how it was chosen.
    ran: Option<String>,
    to_first_result: Duration,
    times: Times,
    parts: std::result::Result<Parts, Missing>,
    /// The CPU backend's median in seconds, if it ran.
    cpu: Option<f64>,
    /// The numbers of rows and steps that were compared with the reference.
    checked: [usize; 2],
    /// The fraction of its tolerance that the worst element used.
    tolerance_used: f64,
}

impl Row<'_> {
    /// Returns how many times as fast as the CPU backend the device is.
    fn times_as_fast(&self) -> Option<f64> {
        Some(self.cpu? / self.times.median())
    }

    fn gflops(&self) -> f64 {
        2e-9 * self.case.multiply_adds() / self.times.median()
    }
}

/// The seconds that a call may take; --seconds replaces it if that is more.
const BEARABLE: f64 = 60.0;

/// A case without a row, with the reason.
#[derive(Debug)]
struct Fault<'a> {
    case: &'a Case,
    subject: &'a Subject,
    error: String,
}

/// The rows and faults of all cases.
#[derive(Debug, Default)]
struct Results<'a> {
    rows: Vec<Row<'a>>,
    faults: Vec<Fault<'a>>,
}

/// Runs the benchmark, and returns whether every result was correct.
pub(crate) fn bench(arguments: &BenchArguments) -> Result<bool> {
    let cases = case::cases(arguments)?;
    let mut files = files::Files::new(arguments)?;
    let machine = machine::Machine::this(arguments.threads)?;
    let subjects = subject::subjects(arguments, &cases)?;
    files.open()?;
    if cfg!(debug_assertions) {
        report::note("built without full optimisation: the figures say little");
    }
    let bar = report::progress(cases.len() * subjects.len());
    let mut results = Results::default();
    for case in &cases {
        bar.set_message(case.name.clone());
        results.add(case, &subjects, arguments, &bar)?;
    }
    bar.finish_and_clear();
    for Fault { case, subject, error } in &results.faults {
        report::note(&format!("{} on {}: {error}", case.name, subject.label()));
    }
    if results.rows.is_empty() && results.faults.is_empty() {
        return Err(Failure::new("no strategy fits"));
    }
    report::print(&table::table(&results.rows, &machine))?;
    files.commit(&results, &subjects, &machine, arguments)?;
    Ok(results.faults.is_empty())
}

/// A subject whose first result was correct.
struct Ready<'a> {
    subject: &'a Subject,
    layer: Layer,
    ran: Option<String>,
    /// The time of the first call; zero if that call is unlike the others.
    first: Duration,
    /// The time from the weights to the first result.
    to_first_result: Duration,
    tolerance_used: f64,
}

impl<'a> Results<'a> {
    /// Checks every subject on a case, one by one, then times them in turns.
    fn add(
        &mut self,
        case: &'a Case,
        subjects: &'a [Subject],
        arguments: &BenchArguments,
        bar: &ProgressBar,
    ) -> Result<()> {
        let weights = case.weights()?;
        let input = case.input()?;
        let expected = Expected::new(&weights, arguments.precision, &input).map_err(Failure::new)?;
        let mut ready = Vec::new();
        let bearable = arguments.seconds.as_secs_f64().max(BEARABLE);
        for subject in subjects {
            if let Some(seconds) = self.expected_seconds(case, subject).filter(|seconds| *seconds > bearable)
            {
                left_out(bar, case, subject, &format_args!("a call would take more than {seconds:.0} s"));
                continue;
            }
            match prepare(case, subject, &weights, &input, &expected, arguments) {
                Ok(layer) => ready.push(layer),
                Err(Refusal::Fits(error)) => left_out(bar, case, subject, &error),
                Err(Refusal::Fault(error)) => self.faults.push(Fault { case, subject, error }),
            }
        }
        let mut runners: Vec<Runner<'_>> = ready
            .iter()
            .map(|ready| {
                let pass = || ready.layer.forward(&input).map(drop);
                Runner::new(ready.first, pass)
            })
            .collect();
        race::race(&mut runners, arguments.seconds);
        let results: Vec<std::result::Result<Times, Error>> =
            runners.into_iter().map(Runner::finish).collect();
        let cpu = ready.iter().zip(&results).find(|(ready, _)| ready.subject.is_cpu());
        let cpu = cpu.and_then(|(_, times)| Some(times.as_ref().ok()?.median()));
        for (ready, times) in ready.into_iter().zip(results) {
            let Ready { subject, layer, ran, first, to_first_result, tolerance_used } = ready;
            let timed = times
                .and_then(|times| Ok((times, parts::measure(&layer, &input, first, arguments.seconds)?)));
            match timed {
                Ok((times, parts)) => {
                    let checked = expected.checked();
                    self.rows.push(Row {
                        case,
                        subject,
                        ran,
                        to_first_result,
                        times,
                        parts,
                        cpu,
                        checked,
                        tolerance_used,
                    });
                }
                Err(error) => self.faults.push(Fault { case, subject, error: error.to_string() }),
            }
        }
        bar.inc(subjects.len() as u64);
        Ok(())
    }

    /// Returns the least time of a call: at the best rate that the subject reached in any case so far.
    fn expected_seconds(&self, case: &Case, subject: &Subject) -> Option<f64> {
        let of_subject = self.rows.iter().filter(|row| std::ptr::eq(row.subject, subject));
        let rate = of_subject.map(|row| row.case.multiply_adds() / row.times.median()).max_by(f64::total_cmp);
        rate.map(|rate| case.multiply_adds() / rate)
    }
}

fn left_out(bar: &ProgressBar, case: &Case, subject: &Subject, why: &dyn std::fmt::Display) {
    bar.suspend(|| report::note(&format!("left out {} on {}: {why}", case.name, subject.label())));
}

/// The reason why a subject does not take part in a case.
enum Refusal {
    /// The case does not fit the device's limits.
    Fits(Error),
    Fault(String),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::TooLarge => Refusal::Fits(error),
            _ => Refusal::Fault(error.to_string()),
        }
    }
}

/// Makes the layer, runs it once and checks the result.
fn prepare<'a>(
    case: &Case,
    subject: &'a Subject,
    weights: &Weights,
    input: &Array3<f32>,
    expected: &Expected,
    arguments: &BenchArguments,
) -> std::result::Result<Ready<'a>, Refusal> {
    let strategy = subject.strategy.unwrap_or_default();
    let measure = arguments.tuning == Tuning::Measure;
    let options =
        LayerOptions { strategy, precision: arguments.precision, measure, ..LayerOptions::default() };
    let options = LayerOptions { threads: threads(arguments.threads), ..options };
    let begin = Instant::now();
    let layer = Layer::new(weights, (subject.backend.clone(), options.clone()))?;
    let start = Instant::now();
    let found = layer.forward(input)?;
    let to_first_result = begin.elapsed();
    // The first call with measurements runs many candidates.
    let first = if measure { Duration::ZERO } else { start.elapsed() };
    let tolerance_used = expected.check(&found).map_err(Refusal::Fault)?;
    let ran = device::strategy(&layer, &options, case.batch, case.steps);
    Ok(Ready { subject, layer, ran, first, to_first_result, tolerance_used })
}

#[cfg(test)]
mod tests {
    use wgpu_rnn::{Backend, Config};

    use super::*;

    /// Makes a row with one call of the given time.
    pub(super) fn row<'a>(
        case: &'a Case,
        subject: &'a Subject,
        time: Duration,
        parts: std::result::Result<Parts, Missing>,
    ) -> Row<'a> {
        let times = Times::new(&[time]);
        let (checked, tolerance_used) = ([1, 1], 0.0);
        Row {
            case,
            subject,
            ran: None,
            to_first_result: time,
            times,
            parts,
            cpu: None,
            checked,
            tolerance_used,
        }
    }

    pub(super) fn case(steps: usize) -> Case {
        let (name, config) = (String::from("small"), Config::rnn(2, 3));
        Case { short_name: name.clone(), name, config, weights: None, batch: 1, steps }
    }

    pub(super) fn subject() -> Subject {
        Subject { device: "gpu: it".into(), backend: Backend::Cpu, strategy: None }
    }

    #[test]
    fn the_best_rate_says_how_long_a_case_takes() {
        let (cases, subjects) = ([10, 40, 1000].map(case), [subject(), subject(), subject()]);
        let timed = |case: usize, subject: usize, seconds| {
            row(&cases[case], &subjects[subject], Duration::from_secs(seconds), Err(Missing::Host))
        };
        // The first subject does 5 steps a second, then 10; the second does 40.
        let rows = vec![timed(0, 0, 2), timed(1, 0, 4), timed(1, 1, 1)];
        let results = Results { rows, faults: Vec::new() };
        let expected = [&subjects[0], &subjects[1], &subjects[2]]
            .map(|subject| results.expected_seconds(&cases[2], subject));
        assert_eq!(expected, [Some(100.0), Some(25.0), None]);
    }
}
