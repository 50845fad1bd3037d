//! Every golden case on every implementation, within the tolerance of its f64 result.
//!
//! `cargo test --test suite -- --nocapture golden::every` prints the errors beside PyTorch's own.

use std::cell::RefCell;
use std::fmt::Write;

use wgpu_rnn::reference;
use wgpu_rnn::tolerance::Comparison;

use crate::case::{self, Case};
use crate::harness::{Implementation, on_each};

#[test]
fn all_cases_are_there() {
    assert_eq!(case::all().len(), 37);
}

/// The tolerance is right only if the f32 arithmetic that everybody uses stays inside it.
#[test]
fn pytorchs_f32_is_within_the_tolerance() {
    let failures: Vec<String> = case::all()
        .iter()
        .filter_map(|case| verdict("PyTorch f32", case, &compare_pytorch(case)).err())
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// f64 rounds by 2⁻⁵³ where f32 rounds by 2⁻²⁴, and the tolerance is proportional to that unit: two f64
/// implementations may differ by 2⁻²⁹ of it.
#[test]
fn the_reference_is_pytorchs_f64() {
    let mut failures = Vec::new();
    for case in case::all() {
        let found = reference::forward(&case.weights, &case.input()).unwrap();
        let (expected, tolerance) = (&case.expected, &case.tolerance);
        let mut arrays = vec![
            ("output", &found.output, &expected.output, &tolerance.output),
            ("h_n", &found.h_n, &expected.h_n, &tolerance.h_n),
        ];
        if let (Some(found), Some(expected), Some(tolerance)) = (&found.c_n, &expected.c_n, &tolerance.c_n) {
            arrays.push(("c_n", found, expected, tolerance));
        }
        assert_eq!(arrays.len() == 3, case.weights.config().cell.has_cell_state());
        for (name, found, expected, tolerance) in arrays {
            assert_eq!((found.shape(), expected.shape()), (expected.shape(), tolerance.shape()));
            for ((index, &found), (&expected, &tolerance)) in
                found.indexed_iter().zip(expected.iter().zip(tolerance))
            {
                let within = (found - expected).abs() <= tolerance * f64::powi(2.0, -29);
                if !within {
                    failures.push(format!("{} {name}{index:?}: {found} instead of {expected}", case.name));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_case_passes_on_every_implementation() {
    let pytorch = case::all().iter().map(compare_pytorch).collect();
    let columns = RefCell::new(vec![("PyTorch f32".to_owned(), pytorch)]);
    on_each(|implementation| {
        let compared = case::all().iter().map(|case| compare(implementation, case));
        let (passed, failed): (Vec<_>, Vec<_>) = compared.partition(Result::is_ok);
        let failures: Vec<String> = failed.into_iter().filter_map(Result::err).collect();
        assert!(failures.is_empty(), "{}", failures.join("\n"));
        columns.borrow_mut().push((implementation.name.clone(), passed.into_iter().flatten().collect()));
    });
    println!("{}", Table::of(&columns.into_inner()));
}

fn compare(implementation: &Implementation, case: &Case) -> Result<Comparison, String> {
    let name = &implementation.name;
    let found = implementation
        .layer(&case.weights)
        .forward(&case.input())
        .map_err(|error| format!("{} on {name}: {error}", case.name))?;
    let comparison = Comparison::new(&found, &case.expected, &case.tolerance)
        .map_err(|error| format!("{} on {name}: {error}", case.name))?;
    verdict(name, case, &comparison)?;
    Ok(comparison)
}

fn compare_pytorch(case: &Case) -> Comparison {
    Comparison::new(&case.pytorch, &case.expected, &case.tolerance).unwrap()
}

fn verdict(name: &str, case: &Case, comparison: &Comparison) -> Result<(), String> {
    if comparison.passes() {
        return Ok(());
    }
    Err(format!("{} on {name}: {:?}", case.name, comparison))
}

/// The largest absolute error and, in brackets, the largest part of a tolerance that was used.
struct Table {
    text: String,
    worst: Vec<(f64, f64)>,
}

impl Table {
    /// A column for each implementation, with a comparison for each case.
    fn of(columns: &[(String, Vec<Comparison>)]) -> String {
        let mut text = String::from("worst error against f64 (part of the tolerance)\n");
        for (number, (name, _)) in columns.iter().enumerate() {
            let _ = writeln!(text, "  {number}: {name}");
        }
        let _ = write!(text, "{:<36}", "case");
        (0..columns.len()).for_each(|number| text.push_str(&format!("{number:>18}")));
        text.push('\n');
        let mut table = Table { text, worst: vec![(0.0, 0.0); columns.len()] };
        for (index, case) in case::all().iter().enumerate() {
            let row: Vec<&Comparison> = columns.iter().map(|(_, comparisons)| &comparisons[index]).collect();
            table.add(&case.name, &row);
        }
        table.finish()
    }

    fn add(&mut self, name: &str, row: &[&Comparison]) {
        let errors: Vec<_> = row.iter().map(|comparison| (comparison.absolute, comparison.ratio)).collect();
        for (worst, error) in self.worst.iter_mut().zip(&errors) {
            *worst = (worst.0.max(error.0), worst.1.max(error.1));
        }
        self.line(name, &errors);
    }

    fn line(&mut self, name: &str, errors: &[(f64, f64)]) {
        let _ = write!(self.text, "{name:<36}");
        for (absolute, ratio) in errors {
            let _ = write!(self.text, "{:>18}", format!("{absolute:.2e} ({ratio:.3})"));
        }
        self.text.push('\n');
    }

    fn finish(mut self) -> String {
        let worst = std::mem::take(&mut self.worst);
        self.line("all", &worst);
        self.text
    }
}
