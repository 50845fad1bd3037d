//! The parts of a call's time, on devices with timestamps.

use std::fmt;
use std::time::{Duration, Instant};

use wgpu_rnn::ndarray::Array3;
#[cfg(feature = "gpu")]
use wgpu_rnn::wgpu;
use wgpu_rnn::{Backend, Error, Gpu, Input, Layer, Timings};

use super::race::LONG;

/// The timed parts get the time of the whole calls divided by this.
const SHARE: u32 = 4;

/// A call with one submission after the other, and its parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    pub(super) call: Duration,
    pub(super) timings: Timings,
}

impl Parts {
    /// Returns the time that belongs to no part.
    pub(super) fn rest(&self) -> Duration {
        let Timings { upload, compute, readback, .. } = self.timings;
        self.call.saturating_sub(upload + compute + readback)
    }
}

/// The reason why there are no parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Host,
    NoTimestamps,
    Unsound,
    Long,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Missing::Host => "nothing is uploaded or read back",
            Missing::NoTimestamps => "the device has no timestamp queries",
            Missing::Unsound => "the device's timestamps make no sense",
            Missing::Long => "a call takes too long to be repeated",
        })
    }
}

/// Measures the parts of the call with the median time. They are parts of one call, so they add up to less
/// than its time. `first` is the time of an earlier call.
pub(super) fn measure(
    layer: &Layer,
    input: &Array3<f32>,
    first: Duration,
    budget: Duration,
) -> Result<Result<Parts, Missing>, Error> {
    match layer.backend() {
        Backend::Gpu(gpu) if has_timestamps(gpu) && first >= LONG => return Ok(Err(Missing::Long)),
        Backend::Gpu(gpu) if has_timestamps(gpu) => {}
        Backend::Gpu(_) => return Ok(Err(Missing::NoTimestamps)),
        _ => return Ok(Err(Missing::Host)),
    }
    let (mut spent, mut parts) = (Duration::ZERO, Vec::new());
    // At least one call.
    while spent.is_zero() || spent < budget / SHARE {
        let start = Instant::now();
        let timings = layer.forward(Input::new(input).timed())?.timings;
        let call = start.elapsed();
        parts.extend(timings.map(|timings| Parts { call, timings }));
        spent += call;
    }
    Ok(median(parts).ok_or(Missing::Unsound))
}

#[cfg(feature = "gpu")]
fn has_timestamps(gpu: &Gpu) -> bool {
    gpu.device().features().contains(wgpu::Features::TIMESTAMP_QUERY)
}

#[cfg(not(feature = "gpu"))]
fn has_timestamps(_: &Gpu) -> bool {
    false
}

fn median(mut parts: Vec<Parts>) -> Option<Parts> {
    parts.sort_by_key(|parts| parts.call);
    parts.get(parts.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn the_median_call_has_its_own_parts() {
        let parts = |ms| Parts { call: Duration::from_millis(ms), timings: Timings::default() };
        assert_eq!(median([5, 1, 9, 3].map(parts).to_vec()).unwrap().call, Duration::from_millis(3));
        assert_eq!(median([5, 1, 9].map(parts).to_vec()).unwrap().rest(), Duration::from_millis(5));
        assert!(median(Vec::new()).is_none());
    }
}
