//! The results of a check as a table.

use super::Row;
use crate::columns::columns;

const HEADINGS: [&str; 9] =
    ["case", "device", "strategy", "absolute", "PyTorch's", "relative", "PyTorch's", "tolerance used", ""];

/// Formats the rows as aligned columns, with a summary line.
pub(super) fn table(rows: &[Row]) -> String {
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    lines.extend(rows.iter().map(cells));
    let mut text = columns(&lines, |column| (3..=7).contains(&column));
    text.push_str(&summary(rows));
    text
}

fn cells(row: &Row) -> [String; 9] {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1e}"));
    [
        row.case.clone(),
        row.device.clone(),
        row.strategy.clone().unwrap_or_else(|| "-".into()),
        number(row.absolute),
        number(Some(row.torch_absolute)),
        number(row.relative),
        number(Some(row.torch_relative)),
        row.used.map_or_else(|| "-".to_owned(), |used| format!("{:.1} %", 100.0 * used)),
        verdict(row),
    ]
}

fn verdict(row: &Row) -> String {
    match (row.pass, &row.error, &row.worst) {
        (true, _, _) => "pass".into(),
        (false, Some(error), _) => format!("FAIL: {}", crate::failure::one_line(error)),
        (false, None, Some(worst)) => format!(
            "FAIL: {}{:?}: expected {:?} within {:.1e}, found {:?}",
            worst.name, worst.index, worst.expected, worst.tolerance, worst.found
        ),
        (false, None, None) => "FAIL".into(),
    }
}

fn summary(rows: &[Row]) -> String {
    let failed = rows.iter().filter(|row| !row.pass).count();
    match failed {
        0 => format!("{} checks, all passed\n", rows.len()),
        _ => format!("{} checks, {failed} FAILED\n", rows.len()),
    }
}
