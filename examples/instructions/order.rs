//! Whether wider instruction sets are faster.

use std::time::Duration;

use wgpu_rnn::CpuInstructions;

/// A wider set may take this many times as long as a narrower one: the fastest of several runs differs by that much on a
/// machine that does other work, too, and a processor with two units of 256 bits for one of 512 is as fast with either.
pub(crate) const MARGIN: f64 = 1.25;

/// What is slower than it may be, of times of the same work, the narrowest set first.
pub(crate) fn faults(times: &[(CpuInstructions, Duration)]) -> Vec<String> {
    let mut faults = Vec::new();
    for (place, (wider, time)) in times.iter().enumerate() {
        for (narrower, less) in &times[..place] {
            if time.as_secs_f64() > MARGIN * less.as_secs_f64() {
                faults.push(format!(
                    "{wider} takes {:.3} ms, and {narrower}, which is narrower, {:.3} ms",
                    1e3 * time.as_secs_f64(),
                    1e3 * less.as_secs_f64()
                ));
            }
        }
    }
    faults
}
