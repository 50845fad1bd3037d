//! Standard output and standard error.

use std::io::{ErrorKind, Write, stderr, stdout};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

use crate::failure::{Failure, Result, one_line};

/// One line on standard error. That it cannot be written is no reason to stop.
pub(crate) fn note(text: &str) {
    let _ = writeln!(stderr(), "wgpu-rnn: {text}");
}

/// The library's warnings as lines on standard error.
struct Warnings;

impl log::Log for Warnings {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn && metadata.target().starts_with("wgpu_rnn")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            note(&one_line(&record.args().to_string()));
        }
    }

    fn flush(&self) {}
}

/// Shows the library's warnings from now on.
pub(crate) fn show_warnings() {
    // Nobody else in this program sets a logger.
    if log::set_logger(&Warnings).is_ok() {
        log::set_max_level(log::LevelFilter::Warn);
    }
}

/// Text on standard output. A reader that has seen enough is no failure.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut stdout = stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(format_args!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// A progress bar on standard error, if that is a terminal.
pub(crate) fn progress(steps: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{elapsed_precise} {wide_bar} {pos}/{len} {msg}");
    let bar = ProgressBar::new(steps as u64);
    ticking(bar, style)
}

/// For one step of unknown length.
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
    // Cleared when it is dropped, also on the way out with a failure.
    let bar = bar.with_finish(ProgressFinish::AndClear);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
