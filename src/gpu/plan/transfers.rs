//! The bytes that each segment of a plan uploads and reads back.

use std::ops::Range;

use super::request::Endpoints;
use super::{Plan, Segment};

/// Contiguous bytes of a sequence `[N, T, …]`: their offset in the sequence's buffer on the GPU, and in a
/// staging buffer that has some of the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gpu) struct Span {
    pub(in crate::gpu) resident: u64,
    pub(in crate::gpu) staged: u64,
    pub(in crate::gpu) bytes: u64,
}

impl Plan {
    /// Returns the bytes that are uploaded for a segment: its steps of the input, and for the first segment
    /// the lengths and the initial state after them.
    pub(in crate::gpu) fn upload_bytes(&self, segment: &Segment) -> u64 {
        if self.endpoints == Endpoints::Buffers {
            return 0;
        }
        let bytes = &self.bytes;
        let first = if segment.is_first { bytes.lengths + bytes.start } else { 0 };
        self.part_of(bytes.input, &segment.input) + first
    }

    /// Returns the bytes that are read back after a segment: its steps of the output, and for the last
    /// segment the final state after them.
    pub(in crate::gpu) fn download_bytes(&self, segment: &Segment) -> u64 {
        if self.endpoints == Endpoints::Buffers {
            return 0;
        }
        let bytes = &self.bytes;
        let last = if segment.is_last { bytes.end } else { 0 };
        self.part_of(bytes.output, &segment.output) + last
    }

    /// Returns the bytes of some steps of a sequence. `sequence` is the size of the whole sequence in bytes.
    pub(in crate::gpu) fn part_of(&self, sequence: u64, steps: &Range<u32>) -> u64 {
        sequence / u64::from(self.steps) * u64::from(steps.end - steps.start)
    }

    /// Returns the spans of some steps of a sequence: one for each row, or a single one if the steps are
    /// contiguous. `sequence` is the size of the whole sequence in bytes.
    pub(in crate::gpu) fn spans(&self, sequence: u64, steps: &Range<u32>) -> impl Iterator<Item = Span> {
        let part = self.part_of(sequence, steps);
        let rows = if part == sequence || self.rows == 1 { 1 } else { u64::from(self.rows) };
        let (apart, bytes) = (sequence / rows, part / rows);
        let before = apart / u64::from(self.steps) * u64::from(steps.start);
        let rows = if bytes > 0 { 0..rows } else { 0..0 };
        rows.map(move |row| Span { resident: row * apart + before, staged: row * bytes, bytes })
    }
}
