//! Transfers a batch to the GPU and its result back.

use std::mem;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use ndarray::{ArrayView2, ArrayView3, ArrayViewMut3, s};
use wgpu::{Buffer, MapMode, MapRangeError, WriteOnly};

use super::Instant;
use super::buffer::{Mapped, map};
use super::call_mode::{CallMode, Submission};
use super::faults::Caught;
use super::kernel::NOBODY;
use super::pack::quads;
use super::plan::{Endpoints, Plan, Segment};
use super::resident::Resident;
use super::submission::Submitted;
use super::timed::{Stopwatch, timed};
use super::timestamps::Timestamps;
use super::workspace::{Turn, Workspace};
use crate::batch::Batch;
use crate::{Config, Error, Output, offload};

/// A forward pass that has been submitted. If it is dropped, its workspace is not used again.
pub(super) struct Pending {
    resident: Arc<Resident>,
    workspace: Arc<Workspace>,
    /// The segments that have not been waited for.
    segments: Vec<Started>,
    /// The mappings of the upload buffers, for the next call.
    uploads: Vec<Mapped>,
    /// Zeros until the result is read into it.
    output: Output,
    /// When the pass started, and the time until its input was written and handed over.
    start: Instant,
    submitting: Duration,
}

/// The data that a pass takes from the host.
#[derive(Clone, Copy)]
pub(super) struct Given<'a, 'b> {
    pub(super) batch: &'a Batch<'b>,
    /// The session's row for each row of the batch, see `exchange.wgsl`. Empty without a session.
    pub(super) rows: &'a [u32],
    /// How the pass uses the session's states.
    pub(super) turn: Turn,
}

impl<'a, 'b> Given<'a, 'b> {
    /// Returns the data of a batch with its state, without a session.
    pub(super) fn all(batch: &'a Batch<'b>) -> Self {
        Given { batch, rows: &[], turn: Turn::default() }
    }

    /// Returns the data of a piece of the batch, from the row `first` on. The first piece carries over the
    /// states of the session's other rows.
    pub(super) fn piece<'c, 'd>(&self, first: usize, batch: &'c Batch<'d>) -> Given<'c, 'd>
    where
        'a: 'c,
    {
        let rows = self.rows.get(first..first + batch.rows()).unwrap_or_default();
        let turn = Turn { carries: self.turn.carries && first == 0, ..self.turn };
        Given { batch, rows, turn }
    }

    /// Returns zeros for the result. A session keeps the final state.
    pub(super) fn zeros(&self, config: &Config, endpoints: Endpoints) -> Result<Output, Error> {
        match endpoints {
            Endpoints::Host => Output::zeros(config, self.batch),
            Endpoints::Session { .. } | Endpoints::Buffers | Endpoints::SessionBuffers { .. } => {
                Output::without_state(config, self.batch)
            }
        }
    }
}

/// A segment whose input has been written.
struct Started {
    place: usize,
    /// The errors of writing the input.
    caught: Caught,
    submission: Submission,
}

impl Pending {
    /// Submits one segment after the other. The GPU can start a segment before the host has written the
    /// input of the next one. With a stopwatch, each segment is waited for before the next one, since parts
    /// that overlap cannot be timed.
    pub(super) async fn start(
        resident: &Arc<Resident>,
        workspace: Arc<Workspace>,
        given: Given<'_, '_>,
        mode: CallMode,
        watch: Option<&mut Stopwatch>,
    ) -> Result<Self, Error> {
        let start = Instant::now();
        let begin = |place, watch: Option<&mut Stopwatch>| {
            let timestamps = watch.as_ref().map(|watch| Arc::clone(&watch.timestamps));
            let give = || give(resident, &workspace, place, given);
            let (written, caught) = resident.gpu.catching(|| timed(watch.map(Stopwatch::upload), give));
            written?;
            let (shared, buffers, turn) = (Arc::clone(resident), Arc::clone(&workspace), given.turn);
            let submit = move || submit(&shared, &buffers, place, turn, timestamps.as_deref());
            Ok::<_, Error>(Started { place, caught, submission: mode.submit(&resident.gpu, submit)? })
        };
        let pending = |segments| {
            let output = given.zeros(&resident.config, workspace.plan.endpoints)?;
            let (resident, workspace) = (Arc::clone(resident), Arc::clone(&workspace));
            let (uploads, submitting) = (Vec::new(), start.elapsed());
            Ok::<_, Error>(Pending { resident, workspace, segments, uploads, output, start, submitting })
        };
        let places = 0..workspace.plan.segments.len();
        let Some(watch) = watch else {
            return pending(places.map(|place| begin(place, None)).collect::<Result<_, _>>()?);
        };
        let mut pending = pending(Vec::new())?;
        for place in places {
            let started = begin(place, Some(watch))?;
            pending.receive(started, Some(watch)).await?;
        }
        Ok(pending)
    }

    /// Waits for the result, and keeps the workspace for the next call.
    pub(super) async fn result(mut self) -> Result<Output, Error> {
        for started in mem::take(&mut self.segments) {
            self.receive(started, None).await?;
        }
        let Pending { resident, workspace, uploads, output, start, submitting, .. } = self;
        // The last segment has a download buffer, so all segments are done and no upload buffer is in use.
        for upload in uploads {
            is_mapped(&resident, upload).await?;
        }
        let waiting = start.elapsed().saturating_sub(submitting);
        workspace.first_pass.log(|| resident.over(&workspace.plan), submitting, waiting);
        resident.put_back(workspace);
        Ok(output)
    }

    /// Waits for a segment and reads its part of the result.
    async fn receive(
        &mut self,
        Started { place, caught, submission }: Started,
        mut watch: Option<&mut Stopwatch>,
    ) -> Result<(), Error> {
        caught.await?;
        self.uploads.extend(arrived(&self.resident, submission).await?);
        if let Some(watch) = &mut watch {
            watch.read(&self.resident.gpu).await?;
        }
        let Pending { resident, workspace, output, .. } = self;
        timed(watch.map(Stopwatch::readback), move || take(resident, workspace, place, output)).await
    }
}

/// Waits until work is submitted. If it has a buffer for the host, waits until it is done and the buffer is
/// mapped. Returns the mapping of the upload buffer.
pub(super) async fn arrived(resident: &Resident, submission: Submission) -> Result<Option<Mapped>, Error> {
    let (Submitted { upload, download, marks, caught, .. }, running) = submission.submitted().await?;
    caught.await?;
    if download.is_some() || marks.is_some() {
        running.done(&resident.gpu, resident.options.timeout).await?;
    }
    for mapped in [marks, download].into_iter().flatten() {
        is_mapped(resident, mapped).await?;
    }
    Ok(upload)
}

async fn is_mapped(resident: &Resident, mapped: Mapped) -> Result<(), Error> {
    match offload::received(mapped).await {
        Some(Ok(())) => Ok(()),
        Some(Err(error)) => Err(resident.gpu.unmapped(error)),
        None => Err(resident.gpu.unmapped("a buffer's callback was dropped")),
    }
}

/// Submits a segment whose input has been written, with timestamps if there are any.
fn submit(
    resident: &Resident,
    workspace: &Workspace,
    place: usize,
    turn: Turn,
    timestamps: Option<&Timestamps>,
) -> Submitted {
    let (gpu, config) = (&resident.gpu, &resident.config);
    let (segment, staging) = workspace.segment(place);
    let ((_index, upload, download, marks), caught) = gpu.catching(|| {
        let encoder = workspace.record(gpu, config, segment, staging, turn, timestamps);
        let index = gpu.submit(encoder.finish());
        let upload = staging.upload.as_ref().map(|buffer| map(buffer, MapMode::Write));
        let download = staging.download.as_ref().map(|buffer| map(buffer, MapMode::Read));
        (index, upload, download, timestamps.map(Timestamps::map))
    });
    Submitted {
        #[cfg(not(target_arch = "wasm32"))]
        index: _index,
        upload,
        download,
        marks,
        caught,
    }
}

/// Writes a segment's part of the batch into its mapped upload buffer, and unmaps the buffer for the GPU.
/// Call this inside error scopes.
fn give(resident: &Resident, workspace: &Workspace, place: usize, given: Given<'_, '_>) -> Result<(), Error> {
    let (segment, staging) = workspace.segment(place);
    let Some(upload) = &staging.upload else { return Ok(()) };
    fill(&workspace.plan, segment, upload, &resident.config, given)
        .map_err(|reason| resident.gpu.unmapped(reason))?;
    upload.unmap();
    Ok(())
}

/// Reads a segment's part of the result from its mapped download buffer, if it has one, and unmaps the
/// buffer for the GPU. The call itself does this; the future only returns the error, if any.
fn take(
    resident: &Resident,
    workspace: &Workspace,
    place: usize,
    output: &mut Output,
) -> impl Future<Output = Result<(), Error>> {
    let (segment, staging) = workspace.segment(place);
    // Errors are caught because wgpu drops the buffer if another thread finds the device lost in the
    // meantime.
    resident.gpu.caught(|| {
        let Some(download) = &staging.download else { return Ok(()) };
        read(&workspace.plan, segment, download, output).map_err(|reason| resident.gpu.unmapped(reason))?;
        download.unmap();
        Ok(())
    })
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
    // T fits a u32, and no length is above T. Slots beyond the batch have no steps.
    let of_batch = batch.lengths().map(|length| u32::try_from(length).unwrap_or(u32::MAX));
    write_u32(lengths, of_batch.chain(std::iter::repeat(0)).take(slots));
    if let Endpoints::Session { .. } = plan.endpoints {
        write_u32(start, rows.iter().copied().chain(std::iter::repeat(NOBODY)).take(slots));
        return Ok(());
    }
    let (h_0, c_0) = start.split_at(size(bytes.hidden));
    write(h_0, batch.h_0.as_ref(), padded(config.hidden_output_size()));
    write(c_0, batch.c_0.as_ref(), config.hidden_size);
    Ok(())
}

/// Converts a range of steps to one that ndarray can slice by.
fn range(steps: &Range<u32>) -> Range<usize> {
    steps.start as usize..steps.end as usize
}

/// Returns the number of floats in a vector that is padded to whole quads.
pub(super) fn padded(size: usize) -> usize {
    4 * quads(size)
}

/// Writes an array whose vectors take `stride` floats each, padded with zeros. Writes only zeros if there
/// is no array.
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
    let Output { output, h_n, c_n, .. } = output;
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

/// Fills an array whose rows are dense from vectors that take `stride` floats each.
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

/// Converts the size of mapped memory, which fits a `usize`.
pub(super) fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
