//! The panel of one kind of cell.

use plotters::chart::ChartBuilder;
use plotters::element::Circle;
use plotters::prelude::{LineSeries, PathElement, RGBColor, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, ShapeStyle, TextStyle};

use super::{Area, Drawn, FONT, GREY, Line, MARGIN, WIDTH, axis};
use crate::bench::Row;
use crate::failure::{Failure, Result};

const LEFT: i32 = 76;
const BOTTOM: i32 = 50;
/// The height of the title and of two lines of the cases' names.
const TOP: i32 = 74;
const GRID: RGBColor = RGBColor(0xDD, 0xDD, 0xDD);
const FAINT: RGBColor = RGBColor(0xF2, 0xF2, 0xF2);
/// An upper bound of the width of a character of a case's name, in pixels.
const CHARACTER: f64 = 7.5;

/// Draws the rows of one kind of cell.
pub(super) fn draw(area: &Area<'_>, cell: &str, rows: &[&Row<'_>], lines: &[Line]) -> Result<()> {
    drawn(area, cell, rows, lines).map_err(Failure::new)
}

fn drawn(area: &Area<'_>, cell: &str, rows: &[&Row<'_>], lines: &[Line]) -> Drawn {
    let point = |row: &Row<'_>| (row.case.multiply_adds(), 1e3 * row.times.median());
    let x = axis::around(rows.iter().map(|row| point(row).0));
    let y = axis::around(rows.iter().map(|row| point(row).1));
    area.draw(&Text::new(cell.to_uppercase(), (MARGIN, 8), (FONT, 18)))?;
    let mut chart = ChartBuilder::on(area)
        .margin_top(TOP)
        .margin_bottom(8)
        .margin_right(MARGIN)
        .margin_left(MARGIN)
        .x_label_area_size(BOTTOM)
        .y_label_area_size(LEFT)
        .build_cartesian_2d(axis::log(&x), axis::log(&y))?;
    chart
        .configure_mesh()
        .x_desc("multiply-adds of the forward pass")
        .y_desc("median, ms")
        .x_label_formatter(&|value| axis::count(*value))
        .y_label_formatter(&|value| axis::number(*value))
        .bold_line_style(GRID)
        .light_line_style(FAINT)
        .axis_style(GREY)
        .label_style((FONT, 14))
        .axis_desc_style((FONT, 15))
        .draw()?;

    let mut cases: Vec<(f64, &str)> =
        rows.iter().map(|row| (point(row).0, row.case.short_name.as_str())).collect();
    cases.sort_by(|a, b| a.0.total_cmp(&b.0));
    cases.dedup();
    for (at, _) in &cases {
        let guide = PathElement::new([(*at, y.start), (*at, y.end)], GREY.mix(0.35));
        chart.draw_series([guide])?;
    }
    for line in lines {
        let of_line = rows.iter().filter(|row| row.subject.label() == line.label);
        let mut points: Vec<(f64, f64)> = of_line.map(|row| point(row)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        chart.draw_series(LineSeries::new(points.iter().copied(), line.colour.stroke_width(2)))?;
        chart.draw_series(points.iter().map(|&at| marker(line, at)))?;
    }
    names(area, &cases, |value| axis::place(&x, value))
}

/// Draws the cases' names above the frame, in two lines where they would touch.
fn names(area: &Area<'_>, cases: &[(f64, &str)], place: impl Fn(f64) -> f64) -> Drawn {
    let (left, right) = (f64::from(MARGIN + LEFT), f64::from(WIDTH) - f64::from(MARGIN));
    let style = TextStyle::from((FONT, 14)).color(&GREY).pos(Pos::new(HPos::Center, VPos::Bottom));
    let mut ends = [f64::NEG_INFINITY; 2];
    for &(value, name) in cases {
        let half = CHARACTER / 2.0 * name.chars().count() as f64;
        let centre = left + place(value) * (right - left);
        let centre = centre.clamp((left + half).min(right), (right - half).max(left));
        let line = if ends[0] < centre - half { 0 } else { 1 };
        ends[line] = centre + half;
        let bottom = TOP - 6 - 18 * i32::from(line == 1);
        area.draw(&Text::new(name.to_owned(), (pixel(centre), bottom), style.clone()))?;
    }
    Ok(())
}

#[allow(clippy::cast_possible_truncation, reason = "within the picture")]
fn pixel(value: f64) -> i32 {
    value.round() as i32
}

/// Returns a dot, or a ring for a line whose colour is already used with dots.
pub(super) fn marker<C>(line: &Line, at: C) -> Circle<C, i32> {
    let style = ShapeStyle { color: line.colour.to_rgba(), filled: line.marker == 0, stroke_width: 2 };
    Circle::new(at, if line.marker == 0 { 4 } else { 6 }, style)
}
