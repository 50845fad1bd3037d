//! A batch on its way to the GPU and its result on the way back.

use std::mem;
use std::sync::Arc;

use futures_intrusive::channel::shared::{OneshotReceiver, oneshot_channel};
use ndarray::{Array3, ArrayView3};
use wgpu::{Buffer, BufferAsyncError, MapMode, SubmissionIndex, WriteOnly};

use super::faults::{Caught, Scopes};
use super::layer::Resident;
use super::plan::quads;
use super::workspace::Workspace;
use crate::batch::Batch;
use crate::{Config, Error, Output};

type Mapped = OneshotReceiver<Result<(), BufferAsyncError>>;

/// A forward pass that has been submitted. Dropped, it is simply forgotten: its workspace is not used again.
pub(super) struct Pending {
    resident: Arc<Resident>,
    workspace: Workspace,
    submission: SubmissionIndex,
    /// The upload buffer, for the next call, and the download buffer.
    mapped: [Mapped; 2],
    caught: Caught,
}

impl Pending {
    pub(super) fn start(
        resident: Arc<Resident>,
        workspace: Workspace,
        batch: &Batch<'_>,
    ) -> Result<Self, Error> {
        let (gpu, config) = (&resident.gpu, &resident.config);
        fill(&workspace, config, batch).map_err(|reason| gpu.unmapped(reason))?;
        let scopes = Scopes::open(gpu.device());
        workspace.upload.unmap();
        let encoder = workspace.record(gpu, config);
        let submission = gpu.queue().submit([encoder.finish()]);
        let mapped = [map(&workspace.upload, MapMode::Write), map(&workspace.download, MapMode::Read)];
        let caught = scopes.close(gpu);
        Ok(Pending { resident, workspace, submission, mapped, caught })
    }

    /// Blocks until the result is there.
    pub(super) fn wait(self) -> Result<Output, Error> {
        // What was caught comes first: a submission that failed cannot be waited for.
        pollster::block_on(self.caught)?;
        self.resident.gpu.poller().wait(self.submission)?;
        pollster::block_on(collect(&self.resident, self.workspace, self.mapped))
    }

    /// The result, waited for on another thread.
    pub(super) async fn result(self) -> Result<Output, Error> {
        self.caught.await?;
        self.resident.gpu.poller().finish_beside(self.submission)?;
        collect(&self.resident, self.workspace, self.mapped).await
    }
}

/// Reads the result once the buffers are mapped, and keeps the workspace for the next call.
async fn collect(resident: &Resident, workspace: Workspace, mapped: [Mapped; 2]) -> Result<Output, Error> {
    for mapped in mapped {
        match mapped.receive().await {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(resident.gpu.unmapped(error)),
            None => return Err(resident.gpu.unmapped("a buffer's callback was dropped")),
        }
    }
    let output = read(resident, &workspace)?;
    workspace.download.unmap();
    resident.put_back(workspace);
    Ok(output)
}

fn map(buffer: &Buffer, mode: MapMode) -> Mapped {
    let (sender, receiver) = oneshot_channel();
    buffer.map_async(mode, .., move |result| {
        // A receiver that is gone means that nobody waits any more.
        let _ = sender.send(result);
    });
    receiver
}

/// Writes the batch into the mapped upload buffer.
fn fill(workspace: &Workspace, config: &Config, batch: &Batch<'_>) -> Result<(), wgpu::MapRangeError> {
    let bytes = &workspace.plan.bytes;
    let mut view = workspace.upload.get_mapped_range_mut(..)?;
    let (input, rest) = view.slice(..).split_at(size(bytes.input));
    let (lengths, rest) = rest.split_at(size(bytes.lengths));
    let (h_0, c_0) = rest.split_at(size(bytes.hidden));
    write(input, Some(&batch.input), padded(batch.input.dim().2));
    write_words(
        lengths,
        // T fits, and no length is above it.
        (0..batch.rows()).map(|row| u32::try_from(batch.length(row)).unwrap_or(u32::MAX).to_ne_bytes()),
    );
    write(h_0, batch.h_0.as_ref(), padded(config.hidden_output_size()));
    write(c_0, batch.c_0.as_ref(), config.hidden_size);
    Ok(())
}

/// Floats of a vector in whole quads.
fn padded(size: usize) -> usize {
    4 * quads(size)
}

/// An array whose vectors take `stride` floats each, padded with zeros; or zeros where there is none.
fn write(mut to: WriteOnly<'_, [u8]>, from: Option<&ArrayView3<'_, f32>>, stride: usize) {
    let Some(from) = from else { return to.fill(0) };
    let padding = stride - from.dim().2;
    if padding == 0
        && let Some(dense) = from.as_slice()
    {
        return to.copy_from_slice(bytemuck::cast_slice(dense));
    }
    let vectors = from.rows().into_iter();
    let padded = vectors.flat_map(|vector| {
        let values = vector.into_iter().map(|value| value.to_ne_bytes());
        values.chain(std::iter::repeat_n([0; 4], padding))
    });
    write_words(to, padded);
}

fn write_words(to: WriteOnly<'_, [u8]>, words: impl Iterator<Item = [u8; 4]>) {
    let (whole, _) = to.into_chunks::<4>();
    whole.write_iter(words);
}

/// Reads the result from the mapped download buffer.
fn read(resident: &Resident, workspace: &Workspace) -> Result<Output, Error> {
    let (config, plan) = (&resident.config, &workspace.plan);
    let view = workspace.download.get_mapped_range(..).map_err(|reason| resident.gpu.unmapped(reason))?;
    let (rows, states) = (plan.rows as usize, config.num_layers * config.directions());
    let [h_n, c_n] = plan.bytes.download_offsets();
    let array = |what, start: u64, shape: [usize; 3], stride| {
        let mut array = crate::batch::zeros(what, shape)?;
        copy(view.get(size(start)..).unwrap_or_default(), &mut array, stride);
        Ok(array)
    };
    let (output_size, h_out, h) = (config.output_size(), config.hidden_output_size(), config.hidden_size);
    Ok(Output {
        output: array("output", 0, [rows, plan.steps as usize, output_size], output_size)?,
        h_n: array("h_n", h_n, [states, rows, h_out], padded(h_out))?,
        c_n: match config.cell.has_cell_state() {
            true => Some(array("c_n", c_n, [states, rows, h], h)?),
            false => None,
        },
    })
}

/// Fills a fresh array from vectors that take `stride` floats each.
fn copy(from: &[u8], to: &mut Array3<f32>, stride: usize) {
    let size = to.dim().2;
    let Some(dense) = to.as_slice_mut() else { return };
    let bytes = bytemuck::cast_slice_mut::<f32, u8>(dense);
    let float = mem::size_of::<f32>();
    if stride == size {
        let count = bytes.len();
        bytes.copy_from_slice(&from[..count]);
    } else {
        for (to, from) in bytes.chunks_exact_mut(size * float).zip(from.chunks_exact(stride * float)) {
            to.copy_from_slice(&from[..size * float]);
        }
    }
}

/// A size of memory that is mapped, and so fits a `usize`.
fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
