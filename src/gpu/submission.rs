//! A segment of a pass that has been submitted.

#[cfg(not(target_arch = "wasm32"))]
use wgpu::SubmissionIndex;

use super::buffer::Mapped;
use super::faults::Caught;

/// A segment that has been submitted.
pub(super) struct Submitted {
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) index: SubmissionIndex,
    /// The mapping of the upload buffer, for the next call.
    pub(super) upload: Option<Mapped>,
    pub(super) download: Option<Mapped>,
    /// The mapping of the timestamps.
    pub(super) marks: Option<Mapped>,
    /// The errors of the submission. A submission that failed cannot be waited for.
    pub(super) caught: Caught,
}
