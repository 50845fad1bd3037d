//! A plot of time against size.

mod axis;
mod panel;

use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, IntoDrawingArea, PathElement, RGBColor, SVGBackend, Text, WHITE};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, TextStyle};

use super::machine::Machine;
use super::{Row, Subject};
use crate::failure::{Failure, Result};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const WIDTH: u32 = 1100;
const PANEL: u32 = 460;
const MARGIN: i32 = 24;
const LEGEND_LINE: i32 = 22;
const FONT: &str = "sans-serif";
const GREY: RGBColor = RGBColor(0x60, 0x60, 0x60);
/// Okabe and Ito's colours without yellow, which is faint on white. Colour-blind people can distinguish them.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0x00, 0x00, 0x00),
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0x56, 0xB4, 0xE9),
    RGBColor(0xE6, 0x9F, 0x00),
];

/// Draws a panel for each kind of cell, with a line for each device and strategy.
pub(super) fn svg(rows: &[Row<'_>], subjects: &[Subject], machine: &Machine) -> Result<String> {
    let mut cells: Vec<&str> = rows.iter().map(|row| row.case.config.cell.name()).collect();
    cells.dedup();
    let lines: Vec<Line> =
        subjects.iter().enumerate().map(|(place, subject)| Line::new(place, subject)).collect();
    let head = 76 + LEGEND_LINE * i32::try_from(lines.len()).unwrap_or(0);
    let height = head.unsigned_abs() + PANEL * u32::try_from(cells.len()).unwrap_or(1);
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
        root.fill(&WHITE).map_err(Failure::new)?;
        let (top, below) = root.split_vertically(head);
        header(&top, &lines, machine).map_err(Failure::new)?;
        for (area, cell) in below.split_evenly((cells.len().max(1), 1)).iter().zip(cells) {
            let of_cell: Vec<&Row<'_>> =
                rows.iter().filter(|row| row.case.config.cell.name() == cell).collect();
            panel::draw(area, cell, &of_cell, &lines)?;
        }
        root.present().map_err(Failure::new)?;
    }
    Ok(text)
}

/// The style of the line of a device and strategy.
#[derive(Debug)]
struct Line {
    label: String,
    colour: RGBColor,
    /// The number of the marker. It changes when the colours start again.
    marker: usize,
}

impl Line {
    fn new(place: usize, subject: &Subject) -> Self {
        let colour = COLOURS[place % COLOURS.len()];
        Line { label: subject.label(), colour, marker: place / COLOURS.len() }
    }
}

type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

/// Draws the title, the machine and the legend.
fn header(area: &Area<'_>, lines: &[Line], machine: &Machine) -> std::result::Result<(), String> {
    let draw = || -> Drawn {
        let title = "Forward pass, from the host's input to the host's output: median time";
        area.draw(&Text::new(title, (MARGIN, 16), (FONT, 20)))?;
        let Machine { cpu, cpu_threads, cpu_instructions, os, .. } = machine;
        let place = format!("{cpu}, {cpu_instructions}, {cpu_threads} threads, {os}");
        let grey = TextStyle::from((FONT, 14)).color(&GREY);
        area.draw(&Text::new(place, (MARGIN, 42), grey))?;
        for (line, row) in lines.iter().zip(0..) {
            let y = 68 + LEGEND_LINE * row + LEGEND_LINE / 2;
            let stroke = line.colour.stroke_width(2);
            area.draw(&PathElement::new([(MARGIN, y), (MARGIN + 40, y)], stroke))?;
            area.draw(&panel::marker(line, (MARGIN + 20, y)))?;
            let beside = TextStyle::from((FONT, 15)).pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(line.label.clone(), (MARGIN + 52, y), beside))?;
        }
        Ok(())
    };
    draw().map_err(|error| error.to_string())
}
