//! Standard output and standard error.

use std::io::{ErrorKind, Write, stderr, stdout};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

use crate::failure::{Failure, Result, one_line};

/// Writes one line on standard error. A failure to write it is ignored.
pub(crate) fn note(text: &str) {
    let _ = writeln!(stderr(), "wgpu-rnn: {}", one_line(text));
}

/// A logger that prints the library's warnings on standard error.
struct Warnings;

impl log::Log for Warnings {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn && metadata.target().starts_with("wgpu_rnn")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            note(&record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// Shows the library's warnings from now on.
pub(crate) fn show_warnings() {
    // Nothing else in this program sets a logger.
    if log::set_logger(&Warnings).is_ok() {
        log::set_max_level(log::LevelFilter::Warn);
    }
}

/// Writes text on standard output. A closed pipe is not a failure.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut stdout = stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(format_args!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Shows a progress bar on standard error, if that is a terminal.
pub(crate) fn progress(steps: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{elapsed_precise} {wide_bar} {pos}/{len} {msg}");
    let bar = ProgressBar::new(steps as u64);
    ticking(bar, style)
}

/// Shows a spinner for one step of unknown length.
pub(crate) fn spinner(what: String) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(what);
    ticking(bar, ProgressStyle::with_template("{elapsed_precise} {spinner} {msg}"))
}

fn ticking(
    bar: ProgressBar,
    style: std::result::Result<ProgressStyle, indicatif::style::TemplateError>,
) -> ProgressBar {
    let bar = match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    };
    // Dropping the bar clears it, also if the command fails.
    let bar = bar.with_finish(ProgressFinish::AndClear);
    tick(&bar);
    bar
}

/// Moves the bar five times a second until it is dropped. The bar's own ticking panics where no thread can be
/// started; here it then stands still.
fn tick(bar: &ProgressBar) {
    if bar.is_hidden() {
        return;
    }
    let bar = bar.downgrade();
    let _ = thread::Builder::new().spawn(move || {
        while let Some(bar) = bar.upgrade().filter(|bar| !bar.is_finished()) {
            bar.tick();
            drop(bar);
            thread::sleep(Duration::from_millis(200));
        }
    });
}
