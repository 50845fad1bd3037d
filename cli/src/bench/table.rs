//! The rows for people.

use super::Row;
use crate::columns::columns;

const HEADINGS: [&str; 10] =
    ["case", "device", "strategy", "median ms", "min ms", "spread", "runs", "GFLOP/s", "x cpu", "checked"];

/// Aligned columns, and what the ratio is.
pub(super) fn table(rows: &[Row<'_>]) -> String {
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    lines.extend(rows.iter().map(cells));
    let mut text = columns(&lines, |column| (3..=8).contains(&column));
    if rows.iter().any(|row| row.cpu.is_some()) {
        text.push_str("x cpu: how many times as fast as the CPU backend (its median / this one)\n");
    }
    if rows.iter().any(|row| row.subject.is_software()) {
        text.push_str("software: an adapter whose driver runs on the CPU; it says nothing of a GPU\n");
    }
    text
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

/// How much of the result was held against the reference.
fn checked(row: &Row<'_>) -> String {
    let of = |checked: usize, all: usize, what: &str| {
        if checked == all { None } else { Some(format!("{checked} of {all} {what}")) }
    };
    let [rows, steps] = row.checked;
    let parts = [of(rows, row.case.batch, "rows"), of(steps, row.case.steps, "steps")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "all".into() } else { parts.join(", ") }
}

/// Three digits or more, without an exponent.
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
