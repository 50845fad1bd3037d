//! Timestamps of the GPU at the beginning and end of the parts of a submission.

use std::time::Duration;

use wgpu::{
    Buffer, BufferUsages, CommandEncoder, ComputePassTimestampWrites, Features, MapMode, QuerySet,
    QuerySetDescriptor, QueryType,
};

use super::Gpu;
use super::buffer::{Mapped, map};
use crate::Error;

/// The indices of a submission's timestamps: before the copies to the GPU, at the beginning and end of the
/// pass, and after the copies from the GPU.
const BEFORE: u32 = 0;
const PASS: [u32; 2] = [1, 2];
const BEHIND: u32 = 3;
const MARKS: u32 = 4;
const BYTES: u64 = MARKS as u64 * wgpu::QUERY_SIZE as u64;

/// The queries of a submission and the buffers that they are read from. One submission after the other uses
/// them.
pub(super) struct Timestamps {
    queries: QuerySet,
    resolved: Buffer,
    readable: Buffer,
    /// Whether there are timestamps around the copies, too.
    around_copies: bool,
    /// The length of a tick in seconds.
    tick: f64,
}

/// The time that the GPU spent on each part of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spent {
    pub(super) copies_in: Duration,
    pub(super) compute: Duration,
    pub(super) copies_out: Duration,
}

impl Gpu {
    /// Returns whether the device has timestamp queries.
    pub(super) fn has_timestamps(&self) -> bool {
        self.device().features().contains(Features::TIMESTAMP_QUERY)
    }
}

impl Timestamps {
    /// Makes the queries and buffers. Call this inside error scopes, on a device that has timestamp
    /// queries.
    pub(super) fn new(gpu: &Gpu) -> Self {
        let device = gpu.device();
        #[cfg(test)]
        gpu.counts().queries(MARKS);
        Timestamps {
            queries: device.create_query_set(&QuerySetDescriptor {
                label: Some("timestamps"),
                ty: QueryType::Timestamp,
                count: MARKS,
            }),
            resolved: gpu.buffer(
                "timestamps",
                BYTES,
                BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC,
                false,
            ),
            readable: gpu.buffer("timestamps", BYTES, BufferUsages::MAP_READ | BufferUsages::COPY_DST, false),
            around_copies: device.features().contains(Features::TIMESTAMP_QUERY_INSIDE_ENCODERS),
            tick: f64::from(gpu.queue().get_timestamp_period()) * 1e-9,
        }
    }

    pub(super) fn around_copies(&self) -> bool {
        self.around_copies
    }

    /// Records the timestamp before the copies to the GPU.
    pub(super) fn begin(&self, encoder: &mut CommandEncoder) {
        if self.around_copies {
            encoder.write_timestamp(&self.queries, BEFORE);
        }
    }

    /// Returns the timestamps at the beginning and end of the pass.
    pub(super) fn of_pass(&self) -> ComputePassTimestampWrites<'_> {
        ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(PASS[0]),
            end_of_pass_write_index: Some(PASS[1]),
        }
    }

    /// Records the timestamp after the copies from the GPU, and copies all timestamps to the readable
    /// buffer.
    pub(super) fn end(&self, encoder: &mut CommandEncoder) {
        if self.around_copies {
            encoder.write_timestamp(&self.queries, BEHIND);
        }
        encoder.resolve_query_set(&self.queries, 0..MARKS, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.readable, 0, BYTES);
    }

    /// Maps the timestamps once the submission is done.
    pub(super) fn map(&self) -> Mapped {
        map(&self.readable, MapMode::Read)
    }

    /// Reads the mapped timestamps. Returns the times between them; `None` if the driver's clock stood
    /// still or went back.
    pub(super) async fn read(&self, gpu: &Gpu) -> Result<Option<Spent>, Error> {
        let read = || {
            let mut marks = [0; MARKS as usize];
            let view = self.readable.get_mapped_range(..).map_err(|reason| gpu.unmapped(reason))?;
            for (mark, bytes) in marks.iter_mut().zip(view.as_chunks().0) {
                *mark = u64::from_ne_bytes(*bytes);
            }
            drop(view);
            self.readable.unmap();
            Ok(marks)
        };
        let mut marks = gpu.caught(read).await?;
        if !self.around_copies {
            let [_, begin, end, _] = marks;
            marks = [begin, begin, end, end];
        }
        Ok(spent(marks, self.tick))
    }
}

/// Returns the times between the timestamps.
fn spent([before, begin, end, behind]: [u64; 4], tick: f64) -> Option<Spent> {
    let between =
        |from: u64, to: u64| Duration::try_from_secs_f64(to.saturating_sub(from) as f64 * tick).ok();
    Some(Spent {
        copies_in: between(before, begin)?,
        compute: between(begin, end).filter(|time| !time.is_zero())?,
        copies_out: between(end, behind)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_times() {
        let [a, b, c] = [20, 300, 10].map(Duration::from_nanos);
        let expected = Spent { copies_in: a, compute: b, copies_out: c };
        assert_eq!(spent([1000, 1002, 1032, 1033], 1e-8), Some(expected));
        // Copies whose timestamps are in another order count as zero. A pass of zero length was not timed.
        let expected = Spent { copies_in: Duration::ZERO, compute: b, copies_out: Duration::ZERO };
        assert_eq!(spent([1003, 1002, 1032, 1030], 1e-8), Some(expected));
        assert_eq!(spent([1000, 1002, 1002, 1003], 1e-8), None);
        assert_eq!(spent([1000, 1032, 1002, 1033], 1e-8), None);
        assert_eq!(spent([0, 0, u64::MAX, u64::MAX], 1e9), None);
        assert_eq!(spent([0, 1, 2, 3], f64::NAN), None);
    }
}
