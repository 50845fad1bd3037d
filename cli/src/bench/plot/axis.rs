//! Logarithmic axes between powers of ten.

use std::ops::Range;

use plotters::prelude::{IntoLogRange, LogCoord};

/// Returns the range between powers of ten that encloses all values, which are above zero. It spans at
/// least three powers of ten, since plotters draws an end of a single decade twice.
pub(super) fn around(values: impl Iterator<Item = f64> + Clone) -> Range<f64> {
    let (least, most) = (values.clone().fold(f64::INFINITY, f64::min), values.fold(0.0, f64::max));
    // A value on the frame would be hard to see.
    let (low, high) = ((least / 1.1).log10().floor(), (most * 1.1).log10().ceil());
    10f64.powf(low)..10f64.powf(high.max(low + 2.0))
}

/// Returns the axis. It extends slightly beyond the range, so that rounding neither omits a mark nor draws
/// one twice.
pub(super) fn log(range: &Range<f64>) -> LogCoord<f64> {
    (0.9999 * range.start..1.0001 * range.end).log_scale().into()
}

/// Returns the position of a value on such an axis, from 0 to 1.
pub(super) fn place(range: &Range<f64>, value: f64) -> f64 {
    (value / range.start).log10() / (range.end / range.start).log10()
}

/// Formats a count, as in `100 k`, `1 M` or `10 G`.
pub(super) fn count(value: f64) -> String {
    let units = [(1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")];
    let unit = units.into_iter().find(|&(size, _)| value >= 0.999 * size);
    let (size, unit) = unit.unwrap_or((1.0, ""));
    format!("{}{unit}", number(value / size))
}

/// Formats a number without the rounding error of an inexact power of ten.
pub(super) fn number(value: f64) -> String {
    format!("{}", (value * 1e6).round() / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_whole_powers_of_ten_around_its_values() {
        let range = around([0.02, 3.0, 40.0].into_iter());
        assert!((range.start - 0.01).abs() < 1e-9 && (range.end - 100.0).abs() < 1e-9, "{range:?}");
        let range = around([1.0].into_iter());
        assert!((range.start - 0.1).abs() < 1e-9 && (range.end - 10.0).abs() < 1e-9, "{range:?}");
        let range = around([2.0, 3.0].into_iter());
        assert!((range.start - 1.0).abs() < 1e-9 && (range.end - 100.0).abs() < 1e-9, "{range:?}");
        let range = around([1.0].into_iter());
        assert!((place(&range, 1.0) - 0.5).abs() < 1e-9);
        assert_eq!([1e5, 1e6 - 1e-3, 5e10, 20.0].map(count), ["100 k", "1 M", "50 G", "20"]);
        assert_eq!(number(0.1 + 0.2), "0.3");
    }
}
