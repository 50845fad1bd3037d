//! `wgpu-rnn bench`: how long forward passes take.

mod case;
mod expected;
mod files;
mod json;
mod machine;
mod parts;
mod plot;
mod race;
mod subject;
mod table;

use indicatif::ProgressBar;
use wgpu_rnn::ndarray::Array3;
use wgpu_rnn::{Error, Input, Layer, LayerOptions, State, Weights};

use crate::args::BenchArguments;
use crate::device;
use crate::failure::{Failure, Result};
use crate::report;
use case::Case;
use expected::Expected;
use parts::{Missing, Parts};
use race::{Runner, Times};
use subject::Subject;

/// One case on one device with one strategy: right, and timed.
#[derive(Debug)]
struct Row<'a> {
    case: &'a Case,
    subject: &'a Subject,
    /// The strategy that ran and who chose it, on a GPU.
    ran: Option<String>,
    times: Times,
    parts: std::result::Result<Parts, Missing>,
    /// The CPU backend's median in seconds, if it ran.
    cpu: Option<f64>,
    /// How many rows and steps were held against the reference.
    checked: [usize; 2],
    /// How much of its tolerance the worst element used.
    tolerance_used: f64,
}

impl Row<'_> {
    /// How many times as fast as the CPU backend.
    fn times_as_fast(&self) -> Option<f64> {
        Some(self.cpu? / self.times.median())
    }

    fn gflops(&self) -> f64 {
        2e-9 * self.case.multiply_adds() / self.times.median()
    }
}

/// Why there is no row.
#[derive(Debug)]
struct Fault<'a> {
    case: &'a Case,
    subject: &'a Subject,
    error: String,
}

/// What a device has to show.
#[derive(Debug, Default)]
struct Results<'a> {
    rows: Vec<Row<'a>>,
    faults: Vec<Fault<'a>>,
}

/// Whether every result was right.
pub(crate) fn bench(arguments: &BenchArguments) -> Result<bool> {
    let cases = case::cases(arguments)?;
    let mut files = files::Files::new(arguments)?;
    let subjects = subject::subjects(&arguments.device, &arguments.strategy.0)?;
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
        report::note(&crate::failure::one_line(&format!("{} on {}: {error}", case.name, subject.label())));
    }
    if results.rows.is_empty() && results.faults.is_empty() {
        return Err(Failure::new("no strategy fits"));
    }
    report::print(&table::table(&results.rows))?;
    files.commit(&results, &subjects, arguments)?;
    Ok(results.faults.is_empty())
}

/// A subject that gave the right result once.
struct Ready<'a> {
    subject: &'a Subject,
    layer: Layer,
    ran: Option<String>,
    tolerance_used: f64,
}

impl<'a> Results<'a> {
    /// Every subject on a case: checked one by one, then timed in turns.
    fn add(
        &mut self,
        case: &'a Case,
        subjects: &'a [Subject],
        arguments: &BenchArguments,
        bar: &ProgressBar,
    ) -> Result<()> {
        let weights = Weights::seeded(case.config, 0).map_err(Failure::new)?;
        let input = case.input();
        let expected = Expected::new(&weights, arguments.precision, &input).map_err(Failure::new)?;
        let mut ready = Vec::new();
        for subject in subjects {
            match prepare(case, subject, &weights, &input, &expected, arguments) {
                Ok(layer) => ready.push(layer),
                Err(Refusal::Fits(error)) => {
                    bar.suspend(|| {
                        report::note(&format!("left out {} on {}: {error}", case.name, subject.label()));
                    });
                }
                Err(Refusal::Fault(error)) => self.faults.push(Fault { case, subject, error }),
            }
        }
        let mut runners: Vec<Runner<'_>> = ready
            .iter()
            .map(|ready| {
                Runner::new(|| ready.layer.forward(&Input::new(input.view()), &State::zero()).map(drop))
            })
            .collect();
        race::race(&mut runners, arguments.seconds);
        let results: Vec<std::result::Result<Times, Error>> =
            runners.into_iter().map(Runner::finish).collect();
        let cpu = ready.iter().zip(&results).find(|(ready, _)| ready.subject.is_cpu());
        let cpu = cpu.and_then(|(_, times)| Some(times.as_ref().ok()?.median()));
        for (ready, times) in ready.into_iter().zip(results) {
            let Ready { subject, layer, ran, tolerance_used } = ready;
            let timed =
                times.and_then(|times| Ok((times, parts::measure(&layer, &input, arguments.seconds)?)));
            match timed {
                Ok((times, parts)) => {
                    let checked = expected.checked();
                    self.rows.push(Row { case, subject, ran, times, parts, cpu, checked, tolerance_used });
                }
                Err(error) => self.faults.push(Fault { case, subject, error: error.to_string() }),
            }
        }
        bar.inc(subjects.len() as u64);
        Ok(())
    }
}

/// Why a subject does not take part in a case.
enum Refusal {
    /// The case does not fit the device's limits.
    Fits(Error),
    Fault(String),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::TooLarge { .. } => Refusal::Fits(error),
            error => Refusal::Fault(error.to_string()),
        }
    }
}

/// Makes the layer, runs it once and checks what it gave.
fn prepare<'a>(
    case: &Case,
    subject: &'a Subject,
    weights: &Weights,
    input: &Array3<f32>,
    expected: &Expected,
    arguments: &BenchArguments,
) -> std::result::Result<Ready<'a>, Refusal> {
    let strategy = subject.strategy.unwrap_or_default();
    let options =
        LayerOptions::default().strategy(strategy).precision(arguments.precision).tuning(arguments.tuning);
    let layer = Layer::with_options(weights, subject.backend.clone(), &options)?;
    let found = layer.forward(&Input::new(input.view()), &State::zero())?;
    let tolerance_used = expected.check(&found).map_err(Refusal::Fault)?;
    let ran = device::strategy(&layer, &options, case.batch, case.steps);
    Ok(Ready { subject, layer, ran, tolerance_used })
}
