//! The rows as a table.

use std::time::Duration;

use super::Row;
use super::machine::Machine;
use super::parts::{Missing, Parts};
use crate::columns::columns;

const HEADINGS: [&str; 10] =
    ["case", "device", "strategy", "median ms", "min ms", "spread", "runs", "GFLOP/s", "x cpu", "checked"];

const PARTS: [&str; 8] =
    ["case", "device", "strategy", "call ms", "upload ms", "compute ms", "readback ms", "rest ms"];

/// Formats the rows as aligned columns with an explanation of `x cpu`, and the parts of a call as a second
/// table.
pub(super) fn table(rows: &[Row<'_>], machine: &Machine) -> String {
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    lines.extend(rows.iter().map(cells));
    let mut text = columns(&lines, |column| (3..=8).contains(&column));
    if rows.iter().any(|row| row.cpu.is_some()) {
        text.push_str("x cpu: how many times as fast as the CPU backend (its median / this one)\n");
    }
    if rows.iter().any(|row| row.subject.is_cpu()) {
        let Machine { cpu, cpu_instructions, cpu_threads, .. } = machine;
        text.push_str(&format!("cpu: {cpu}, {cpu_instructions}, {cpu_threads} threads\n"));
    }
    if rows.iter().any(|row| row.subject.is_software()) {
        text.push_str("software: an adapter whose driver runs on the CPU; it says nothing about a GPU\n");
    }
    text + &parts(rows)
}

/// Formats the parts of the calls' times, and the reasons for missing parts.
fn parts(rows: &[Row<'_>]) -> String {
    let mut lines = vec![PARTS.map(str::to_owned)];
    lines.extend(rows.iter().filter_map(|row| Some(cells_of_parts(row, row.parts.as_ref().ok()?))));
    let mut text = String::new();
    if lines.len() > 1 {
        text = format!("\n{}", columns(&lines, |column| column >= 3));
        text.push_str("call: its submissions go one after the other, so that its parts do not overlap\n");
    }
    if rows.iter().any(|row| row.parts.is_ok_and(|parts| !parts.timings.copies_timed)) {
        text.push_str("upload, readback: the host's time only, where a device cannot time copies\n");
    }
    let mut notes: Vec<String> = Vec::new();
    for note in rows.iter().filter_map(why_not) {
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    notes.iter().for_each(|note| text.push_str(note));
    text
}

/// Returns the reason why a row of a GPU has no parts.
fn why_not(row: &Row<'_>) -> Option<String> {
    let (device, why) = (&row.subject.device, row.parts.err()?);
    let of = match why {
        Missing::Host => return None,
        Missing::NoTimestamps => device.clone(),
        Missing::Unsound | Missing::Long => format!("{} on {device}", row.case.name),
    };
    Some(format!("{of}: no separate upload, compute, readback: {why}\n"))
}

fn cells_of_parts(row: &Row<'_>, parts: &Parts) -> [String; 8] {
    let ms = |time: Duration| digits(1e3 * time.as_secs_f64());
    let timings = parts.timings;
    [
        row.case.name.clone(),
        row.subject.device.clone(),
        row.ran.clone().unwrap_or_else(|| "-".into()),
        ms(parts.call),
        ms(timings.upload),
        ms(timings.compute),
        ms(timings.readback),
        ms(parts.rest()),
    ]
}

fn cells(row: &Row<'_>) -> [String; 10] {
    [
        row.case.name.clone(),
        row.subject.device.clone(),
        row.ran.clone().unwrap_or_else(|| "-".into()),
        digits(1e3 * row.times.median()),
        digits(1e3 * row.times.minimum()),
        format!("{:.0} %", 100.0 * row.times.spread()),
        row.times.runs().to_string(),
        digits(row.gflops()),
        row.times_as_fast().map_or_else(|| "-".into(), digits),
        checked(row),
    ]
}

/// Formats how much of the result was compared with the reference.
fn checked(row: &Row<'_>) -> String {
    let of = |checked: usize, all: usize, what: &str| {
        if checked == all { None } else { Some(format!("{checked} of {all} {what}")) }
    };
    let [rows, steps] = row.checked;
    let parts = [of(rows, row.case.batch, "rows"), of(steps, row.case.steps, "steps")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "all".into() } else { parts.join(", ") }
}

/// Formats a value with at least three digits and without an exponent.
pub(super) fn digits(value: f64) -> String {
    let places = match value.abs() {
        value if value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        value if value >= 1.0 => 2,
        value if value >= 0.1 => 3,
        _ => 4,
    };
    format!("{value:.places$}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use wgpu_rnn::Timings;

    use super::*;
    use crate::bench::tests::{case, row, subject};

    fn notes(parts: [Result<Parts, Missing>; 2]) -> Vec<String> {
        let (case, subject) = (case(1), subject());
        let rows = parts.map(|parts| row(&case, &subject, Duration::from_millis(2), parts));
        super::parts(&rows)
            .lines()
            .filter(|line| line.contains(": ") && !line.starts_with("small  "))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn what_is_not_known_of_the_parts_is_told() {
        let mut timings = Timings::default();
        timings.copies_timed = true;
        let parts = Ok(Parts { call: Duration::from_millis(2), timings });
        let call = "call: its submissions go one after the other, so that its parts do not overlap";
        let host = "upload, readback: the host's time only, where a device cannot time copies";
        let no_queries =
            "gpu: it: no separate upload, compute, readback: the device has no timestamp queries";
        let unsound =
            "small on gpu: it: no separate upload, compute, readback: the device's timestamps make no sense";
        assert_eq!(notes([parts, Err(Missing::Host)]), [call]);
        timings.copies_timed = false;
        let without_copies = Ok(Parts { call: Duration::from_millis(2), timings });
        assert_eq!(notes([without_copies, Err(Missing::Unsound)]), [call, host, unsound]);
        assert_eq!(notes([Err(Missing::NoTimestamps); 2]), [no_queries]);
    }
}
