//! What came of a test on an implementation, and the report of it.
//!
//! `WGPU_RNN_TEST_REPORT=FILE` has a line added to FILE for each test on each GPU: test, adapter, backend, CPU or GPU, driver,
//! limits, strategy, outcome and milliseconds, with tabs between. `scripts/matrix` makes
//! the table of `docs/adapters.md` from it.

use std::any::Any;
use std::env;
use std::fs::OpenOptions;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Instant;

use super::expected::{self, Expected};
use super::{Implementation, say};

const REPORT: &str = "WGPU_RNN_TEST_REPORT";

enum Verdict {
    Passed,
    Failed(String),
    FailedAsExpected,
}

impl Verdict {
    fn new(failure: Option<String>, expected: Option<&Expected>) -> Self {
        match (failure, expected) {
            (None, None) => Verdict::Passed,
            (Some(failure), None) => Verdict::Failed(failure),
            (Some(_), Some(_)) => Verdict::FailedAsExpected,
            (None, Some(Expected { reason, link, .. })) => Verdict::Failed(format!(
                "passes, and was expected to fail ({reason}, {link}): take the line out of expected_failures.tsv"
            )),
        }
    }

    fn outcome(&self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::Failed(_) => "failed",
            Verdict::FailedAsExpected => "expected",
        }
    }
}

/// Runs the body on each, and gives the messages of those where it failed and none was expected to, and of those where it
/// was and did not.
pub fn failures<'a>(
    implementations: impl IntoIterator<Item = &'a Implementation>,
    body: &impl Fn(&Implementation),
) -> Vec<String> {
    let expected = expected::table();
    implementations.into_iter().filter_map(|one| failure(one, body, expected)).collect()
}

fn failure(
    implementation: &Implementation,
    body: &impl Fn(&Implementation),
    expected: &[Expected],
) -> Option<String> {
    let (test, name, start) = (test(), &implementation.name, Instant::now());
    let payload = catch_unwind(AssertUnwindSafe(|| body(implementation))).err();
    let failure = payload.map(|payload| message(&*payload).to_owned());
    let verdict = Verdict::new(failure, expected.iter().find(|expected| expected.covers(&test, name)));
    if let Some(place) = &implementation.place {
        let time = start.elapsed().as_millis();
        report(&format!("{test}\t{place}\t{}\t{time}\n", verdict.outcome()));
    }
    match verdict {
        Verdict::Passed => None,
        Verdict::Failed(failure) => Some(format!("on {name}: {failure}")),
        Verdict::FailedAsExpected => {
            say(&format!("{test} fails on {name}, as expected"));
            None
        }
    }
}

/// As in `suite::golden::every_case`: the runner gives each test a thread of that name.
fn test() -> String {
    format!("{}::{}", env!("CARGO_CRATE_NAME"), thread::current().name().unwrap_or("a test"))
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message")
}

/// One write for a line, so that lines of several tests stay whole.
fn report(line: &str) {
    let Some(path) = env::var_os(REPORT) else { return };
    let file = OpenOptions::new().create(true).append(true).open(&path);
    let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
    written.unwrap_or_else(|error| panic!("{REPORT}={}: {error}", path.display()));
}

#[test]
fn a_body_that_fails_is_told_with_its_implementation() {
    let all = failures(super::host(), &|implementation| {
        assert!(!implementation.is_reference(), "wrong by {}", 3);
    });
    assert_eq!(all, ["on reference (f64): wrong by 3"]);
}

#[test]
fn a_failure_that_is_expected_fails_once_it_passes() {
    let [reference, cpu] = &*super::HOST;
    let line = format!("reference\t{}\trounds wrong\thttps://example.org/1\n", test());
    let table = expected::parse(&line).unwrap();
    let (wrong, right) = (|_: &Implementation| panic!("wrong"), |_: &Implementation| {});
    assert_eq!(failure(reference, &wrong, &table), None);
    assert_eq!(failure(cpu, &wrong, &table).unwrap(), "on cpu: wrong");
    assert_eq!(failure(cpu, &right, &table), None);
    assert_eq!(
        failure(reference, &right, &table).unwrap(),
        "on reference (f64): passes, and was expected to fail (rounds wrong, https://example.org/1): take the line out \
         of expected_failures.tsv"
    );
}
