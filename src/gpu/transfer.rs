//! A batch on its way to the GPU and its result on the way back.

use std::mem;
use std::ops::Range;
use std::sync::Arc;

use futures_intrusive::channel::shared::{OneshotReceiver, oneshot_channel};
use ndarray::{ArrayView2, ArrayView3, ArrayViewMut3, s};
use wgpu::{Buffer, BufferAsyncError, MapMode, MapRangeError, SubmissionIndex, WriteOnly};

use super::faults::{Caught, Scopes};
use super::layer::Resident;
use super::plan::{Ends, Plan, Segment, quads};
use super::poll::Poller;
use super::session::NOBODY;
use super::timed::Stopwatch;
use super::workspace::{Staging, Turn, Workspace};
use crate::batch::Batch;
use crate::{Config, Error, Output};

pub(super) type Mapped = OneshotReceiver<Result<(), BufferAsyncError>>;

/// A forward pass that has been submitted. Dropped, it is simply forgotten: its workspace is not used again.
pub(super) struct Pending {
    resident: Arc<Resident>,
    workspace: Workspace,
    submitted: Vec<Submitted>,
    caught: Caught,
    /// Zeros, until the result is read into it.
    output: Output,
}

/// What a pass takes from the host.
#[derive(Clone, Copy)]
pub(super) struct Given<'a, 'b> {
    pub(super) batch: &'a Batch<'b>,
    /// Of a session: for each row of the batch which it is, see `exchange.wgsl`; and what is done with its states.
    pub(super) rows: &'a [u32],
    pub(super) turn: Turn,
}

impl<'a, 'b> Given<'a, 'b> {
    /// A batch with its state.
    pub(super) fn all(batch: &'a Batch<'b>) -> Self {
        Given { batch, rows: &[], turn: Turn::default() }
    }
}

/// A segment that has been submitted.
pub(super) struct Submitted {
    pub(super) index: SubmissionIndex,
    /// The upload buffer, for the next call.
    pub(super) upload: Option<Mapped>,
    pub(super) download: Option<Mapped>,
}

impl Pending {
    /// Submits segment after segment. What it writes for one, the GPU need not wait for to begin with the one before.
    pub(super) fn start(
        resident: Arc<Resident>,
        workspace: Workspace,
        given: Given<'_, '_>,
    ) -> Result<Self, Error> {
        let scopes = Scopes::open(resident.gpu.device());
        let submitted: Result<_, _> = workspace
            .segments()
            .map(|(segment, staging)| submit(&resident, &workspace, segment, staging, given, None))
            .collect();
        let caught = scopes.close(&resident.gpu);
        let submitted = submitted.map_err(|reason| resident.gpu.unmapped(reason))?;
        let output = match workspace.plan.ends {
            Ends::Host => Output::zeros(&resident.config, given.batch)?,
            Ends::Session { .. } | Ends::Buffers => Output::without_state(&resident.config, given.batch)?,
        };
        Ok(Pending { resident, workspace, submitted, caught, output })
    }

    /// Blocks until the result is there.
    pub(super) fn wait(self) -> Result<Output, Error> {
        pollster::block_on(self.collect(Poller::wait))
    }

    /// The result, waited for on another thread.
    pub(super) async fn result(self) -> Result<Output, Error> {
        self.collect(Poller::finish_beside).await
    }

    /// Reads each segment's output once it is mapped, and keeps the workspace for the next call. `finish` has a
    /// submission's buffers mapped, now or later.
    async fn collect(
        self,
        finish: impl Fn(&Poller, SubmissionIndex) -> Result<(), Error>,
    ) -> Result<Output, Error> {
        let Pending { resident, workspace, submitted, caught, mut output } = self;
        // What was caught comes first: a submission that failed cannot be waited for.
        caught.await?;
        let mut uploads = Vec::new();
        for ((segment, staging), Submitted { index, upload, download }) in workspace.segments().zip(submitted)
        {
            uploads.extend(upload);
            let (Some(buffer), Some(download)) = (&staging.download, download) else { continue };
            finish(resident.gpu.poller(), index)?;
            is_mapped(&resident, download).await?;
            take(&resident, &workspace, segment, buffer, &mut output)?;
        }
        // The last segment has a download buffer, and no upload buffer is in use behind it.
        for upload in uploads {
            is_mapped(&resident, upload).await?;
        }
        resident.put_back(workspace);
        Ok(output)
    }
}

pub(super) async fn is_mapped(resident: &Resident, mapped: Mapped) -> Result<(), Error> {
    match mapped.receive().await {
        Some(Ok(())) => Ok(()),
        Some(Err(error)) => Err(resident.gpu.unmapped(error)),
        None => Err(resident.gpu.unmapped("a buffer's callback was dropped")),
    }
}

/// Uploads and starts a segment, and has it timed if there is something to time it with.
pub(super) fn submit(
    resident: &Resident,
    workspace: &Workspace,
    segment: &Segment,
    staging: &Staging,
    given: Given<'_, '_>,
    mut stopwatch: Option<&mut Stopwatch>,
) -> Result<Submitted, MapRangeError> {
    let (gpu, config) = (&resident.gpu, &resident.config);
    if let Some(upload) = &staging.upload {
        let give = || give(&workspace.plan, segment, upload, config, given);
        match &mut stopwatch {
            Some(stopwatch) => stopwatch.upload(give)?,
            None => give()?,
        }
    }
    let timestamps = stopwatch.map(|stopwatch| &stopwatch.timestamps);
    let encoder = workspace.record(gpu, config, segment, staging, given.turn, timestamps);
    let index = gpu.submit(encoder.finish());
    Ok(Submitted {
        index,
        upload: staging.upload.as_ref().map(|buffer| map(buffer, MapMode::Write)),
        download: staging.download.as_ref().map(|buffer| map(buffer, MapMode::Read)),
    })
}

pub(super) fn map(buffer: &Buffer, mode: MapMode) -> Mapped {
    let (sender, receiver) = oneshot_channel();
    buffer.map_async(mode, .., move |result| {
        // A receiver that is gone means that nobody waits any more.
        let _ = sender.send(result);
    });
    receiver
}

/// Writes a segment's part of the batch into its mapped upload buffer, and leaves that to the GPU.
fn give(
    plan: &Plan,
    segment: &Segment,
    upload: &Buffer,
    config: &Config,
    given: Given<'_, '_>,
) -> Result<(), MapRangeError> {
    fill(plan, segment, upload, config, given)?;
    upload.unmap();
    Ok(())
}

/// Reads a segment's part of the result from its mapped download buffer, and leaves that to the GPU.
pub(super) fn take(
    resident: &Resident,
    workspace: &Workspace,
    segment: &Segment,
    download: &Buffer,
    output: &mut Output,
) -> Result<(), Error> {
    read(&workspace.plan, segment, download, output).map_err(|reason| resident.gpu.unmapped(reason))?;
    download.unmap();
    Ok(())
}

fn fill(
    plan: &Plan,
    segment: &Segment,
    upload: &Buffer,
    config: &Config,
    Given { batch, rows, .. }: Given<'_, '_>,
) -> Result<(), MapRangeError> {
    let bytes = &plan.bytes;
    let mut view = upload.get_mapped_range_mut(..)?;
    let (input, rest) = view.slice(..).split_at(size(plan.part_of(bytes.input, &segment.input)));
    let steps = batch.input.slice(s![.., range(&segment.input), ..]);
    write(input, Some(&steps), padded(batch.input.dim().2));
    if !segment.is_first {
        return Ok(());
    }
    let (lengths, start) = rest.split_at(size(bytes.lengths));
    let slots = plan.rows as usize;
    // T fits, and no length is above it. Slots beyond the batch have no steps.
    let of_batch = batch.lengths().map(|length| u32::try_from(length).unwrap_or(u32::MAX));
    write_u32(lengths, of_batch.chain(std::iter::repeat(0)).take(slots));
    if let Ends::Session { .. } = plan.ends {
        write_u32(start, rows.iter().copied().chain(std::iter::repeat(NOBODY)).take(slots));
        return Ok(());
    }
    let (h_0, c_0) = start.split_at(size(bytes.hidden));
    write(h_0, batch.h_0.as_ref(), padded(config.hidden_output_size()));
    write(c_0, batch.c_0.as_ref(), config.hidden_size);
    Ok(())
}

/// Steps as ndarray slices by them.
fn range(steps: &Range<u32>) -> Range<usize> {
    steps.start as usize..steps.end as usize
}

/// Floats of a vector in whole quads.
pub(super) fn padded(size: usize) -> usize {
    4 * quads(size)
}

/// An array whose vectors take `stride` floats each, padded with zeros; or zeros where there is none.
fn write(mut to: WriteOnly<'_, [u8]>, from: Option<&ArrayView3<'_, f32>>, stride: usize) {
    let Some(from) = from else { return to.fill(0) };
    let (_, vectors, values) = from.dim();
    for from in from.outer_iter() {
        let (mut row, rest) = to.split_at(vectors * stride * mem::size_of::<f32>());
        match from.as_slice().filter(|_| values == stride) {
            Some(dense) => row.copy_from_slice(bytemuck::cast_slice(dense)),
            None => write_padded(row, &from, stride),
        }
        to = rest;
    }
}

fn write_padded(to: WriteOnly<'_, [u8]>, from: &ArrayView2<'_, f32>, stride: usize) {
    let padding = stride - from.dim().1;
    let vectors = from.rows().into_iter();
    let padded = vectors.flat_map(|vector| {
        let values = vector.into_iter().map(|value| value.to_ne_bytes());
        values.chain(std::iter::repeat_n([0; 4], padding))
    });
    write_words(to, padded);
}

fn write_u32(to: WriteOnly<'_, [u8]>, values: impl Iterator<Item = u32>) {
    write_words(to, values.map(u32::to_ne_bytes));
}

fn write_words(to: WriteOnly<'_, [u8]>, words: impl Iterator<Item = [u8; 4]>) {
    let (whole, _) = to.into_chunks::<4>();
    whole.write_iter(words);
}

fn read(plan: &Plan, segment: &Segment, download: &Buffer, output: &mut Output) -> Result<(), MapRangeError> {
    let bytes = &plan.bytes;
    let view = download.get_mapped_range(..)?;
    let (steps, states) = view.split_at(size(plan.part_of(bytes.output, &segment.output)));
    let Output { output, h_n, c_n } = output;
    let stride = output.dim().2;
    copy(steps, output.slice_mut(s![.., range(&segment.output), ..]), stride);
    if segment.is_last && bytes.end > 0 {
        let (hidden, cell) = states.split_at(size(bytes.hidden));
        let stride = padded(h_n.dim().2);
        copy(hidden, h_n.view_mut(), stride);
        if let Some(c_n) = c_n {
            let stride = c_n.dim().2;
            copy(cell, c_n.view_mut(), stride);
        }
    }
    Ok(())
}

/// Fills an array, whose rows are dense, from vectors that take `stride` floats each.
pub(super) fn copy(from: &[u8], mut to: ArrayViewMut3<'_, f32>, stride: usize) {
    let float = mem::size_of::<f32>();
    let (_, vectors, size) = to.dim();
    let rows = from.chunks_exact((vectors * stride * float).max(1));
    for (mut to, from) in to.outer_iter_mut().zip(rows) {
        let Some(dense) = to.as_slice_mut() else { return };
        let bytes = bytemuck::cast_slice_mut::<f32, u8>(dense);
        if stride == size {
            bytes.copy_from_slice(from);
            continue;
        }
        for (to, from) in bytes.chunks_exact_mut(size * float).zip(from.chunks_exact(stride * float)) {
            to.copy_from_slice(&from[..size * float]);
        }
    }
}

/// A size of memory that is mapped, and so fits a `usize`.
pub(super) fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
