//! The bytes that each segment of a plan uploads and reads back.

use std::ops::Range;

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
        if self.endpoints.are_buffers() {
            return 0;
        }
        let bytes = &self.bytes;
        let first = if segment.is_first { bytes.lengths + bytes.start } else { 0 };
        self.part_of(bytes.input, &segment.input) + first
    }

    /// Returns the bytes that are read back after a segment: its steps of the output, and for the last
    /// segment the final state after them.
    pub(in crate::gpu) fn download_bytes(&self, segment: &Segment) -> u64 {
        if self.endpoints.are_buffers() {
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

#[cfg(test)]
mod tests {
    use super::super::{BUDGET, Endpoints, Request, Strategy, parts};
    use super::*;
    use crate::gpu::Capabilities;
    use crate::{Config, Precision};

    #[test]
    fn between_the_callers_buffers_nothing_is_staged() {
        let capabilities = &Capabilities::default();
        // From the host, these inputs are wide enough for several segments.
        for (config, own_input) in [(Config::gru(8000, 64), 0), (Config::gru(7999, 64), 4 * 300 * 8000)] {
            let parts = &parts(&config, Precision::F32, capabilities).unwrap()[..];
            let plan = |endpoints, budget| {
                let request =
                    Request { budget, endpoints, ..Request::usual(&config, parts, 1, 300, capabilities) };
                Plan::new(&request, Strategy::Scan).unwrap()
            };
            let half = plan(Endpoints::Host, BUDGET).bytes.workspace() * 2 / 3;
            let [host, buffers] =
                [Endpoints::Host, Endpoints::Buffers].map(|endpoints| plan(endpoints, half));
            assert!(host.segments.len() > 1 && host.bytes.upload > 0 && host.bytes.download > 0);
            let [segment] = &buffers.segments[..] else { panic!("{:?}", buffers.segments) };
            assert_eq!(segment.dispatches, 0..buffers.dispatches.len());
            assert_eq!((buffers.upload_bytes(segment), buffers.download_bytes(segment)), (0, 0));
            assert_eq!((buffers.bytes.upload, buffers.bytes.download), (0, 0));
            assert_eq!((buffers.bytes.own_input, buffers.bytes.own_output), (own_input, 0));
            assert_eq!((host.bytes.own_input, host.bytes.own_output), (host.bytes.input, host.bytes.output));
            // Everything else is the same, so the results have the same bits.
            assert_eq!((&host.dispatches, &host.kernels), (&buffers.dispatches, &buffers.kernels));
            assert_eq!(host.bytes.workspace(), buffers.bytes.workspace());
        }
    }
}
