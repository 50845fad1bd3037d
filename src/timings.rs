//! The time that a forward pass spends in its parts.

use std::time::Duration;

/// The time that a forward pass on a GPU spent in each of its parts; [`Input::timed`](crate::Input::timed)
/// asks for it.
///
/// The parts do not overlap. Their sum is less than the time of the whole call: no part contains the making
/// of the output's arrays, the recording, the submitting, or the driver's work around the GPU's work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// The time of the upload. The host writes input, lengths and initial state to memory that the GPU can
    /// read (by the host's clock). The GPU copies them to its own memory (by the GPU's clock, if
    /// [`copies_timed`](Self::copies_timed) is true).
    pub upload: Duration,
    /// The time of the GPU's computation, from the beginning of each submission's compute pass to its end,
    /// by the GPU's clock.
    pub compute: Duration,
    /// The time of the readback. The GPU copies output and final state to memory that the host can read (by
    /// the GPU's clock, if [`copies_timed`](Self::copies_timed) is true). The host reads them into the
    /// output's arrays (by the host's clock).
    pub readback: Duration,
    /// Whether `upload` and `readback` include the GPU's copies. This needs wgpu's
    /// `TIMESTAMP_QUERY_INSIDE_ENCODERS`, which Apple's GPUs do not have; those share the host's memory.
    pub copies_timed: bool,
}
