//! A batch on its way to the GPU and its result on the way back.

use std::mem;
use std::sync::Arc;

use futures_intrusive::channel::shared::{OneshotReceiver, oneshot_channel};
use ndarray::{Array3, ArrayView3};
use wgpu::{Buffer, BufferAsyncError, MapMode, SubmissionIndex, WriteOnly};

use super::faults::{Caught, Scopes};
use super::layer::Resident;
use super::workspace::Workspace;
use crate::batch::Batch;
use crate::{Error, Output};

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
        fill(&workspace, batch).map_err(|reason| gpu.unmapped(reason))?;
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
fn fill(workspace: &Workspace, batch: &Batch<'_>) -> Result<(), wgpu::MapRangeError> {
    let bytes = &workspace.plan.bytes;
    let mut view = workspace.upload.get_mapped_range_mut(..)?;
    let (input, rest) = view.slice(..).split_at(size(bytes.input));
    let (lengths, rest) = rest.split_at(size(bytes.lengths));
    let (h_0, c_0) = rest.split_at(size(bytes.hidden));
    write(input, Some(&batch.input));
    write_words(
        lengths,
        (0..batch.rows()).map(|row| {
            // T fits, and no length is above it.
            u32::try_from(batch.length(row)).unwrap_or(u32::MAX).to_ne_bytes()
        }),
    );
    write(h_0, batch.h_0.as_ref());
    write(c_0, batch.c_0.as_ref());
    Ok(())
}

/// An array, or zeros where there is none.
fn write(mut to: WriteOnly<'_, [u8]>, from: Option<&ArrayView3<'_, f32>>) {
    match from.map(|from| (from, from.as_slice())) {
        None => to.fill(0),
        Some((_, Some(dense))) => to.copy_from_slice(bytemuck::cast_slice(dense)),
        Some((strided, None)) => write_words(to, strided.iter().map(|value| value.to_ne_bytes())),
    }
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
    let mut rest: &[u8] = &view;
    let mut next = |what, shape: [usize; 3]| {
        let mut array = crate::batch::zeros(what, shape)?;
        rest = copy(rest, &mut array);
        Ok(array)
    };
    Ok(Output {
        output: next("output", [rows, plan.steps as usize, config.output_size()])?,
        h_n: next("h_n", [states, rows, config.hidden_output_size()])?,
        c_n: match config.cell.has_cell_state() {
            true => Some(next("c_n", [states, rows, config.hidden_size])?),
            false => None,
        },
    })
}

/// Fills a fresh array from the start of `from`; what is left of it.
fn copy<'a>(from: &'a [u8], to: &mut Array3<f32>) -> &'a [u8] {
    let (bytes, rest) = from.split_at(to.len() * mem::size_of::<f32>());
    if let Some(dense) = to.as_slice_mut() {
        bytemuck::cast_slice_mut::<f32, u8>(dense).copy_from_slice(bytes);
    }
    rest
}

/// A size of memory that is mapped, and so fits a `usize`.
fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
