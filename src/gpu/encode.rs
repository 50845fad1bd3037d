//! Records a forward pass into the caller's own submission, from and to the caller's buffers.

mod buffers;
mod check;
mod copies;
mod scratch;

use std::sync::Arc;

use wgpu::CommandEncoder;

use super::layer::GpuLayer;
use super::plan::{CallShape, Endpoints};
use super::session::GpuSession;
use crate::Error;
use crate::error::Fault;
use crate::session::state::Active;
pub use buffers::GpuBuffers;
use check::AllGiven;
pub(super) use scratch::Encodings;
use scratch::{Bindings, Scratch};

impl GpuLayer {
    #[cfg(test)]
    pub(super) fn encode(&self, encoder: &mut CommandEncoder, buffers: &GpuBuffers<'_>) -> Result<(), Error> {
        pollster::block_on(self.encode_async(encoder, buffers))
    }

    /// Records a forward pass into the caller's encoder, as [`Layer::encode`](crate::Layer::encode) describes.
    pub(crate) async fn encode_async(
        &self,
        encoder: &mut CommandEncoder,
        buffers: &GpuBuffers<'_>,
    ) -> Result<(), Error> {
        let given = check::check(&self.0.config, self.0.gpu.capabilities(), buffers)?;
        if buffers.batch > 0 {
            let (scratch, bindings) = self.objects(buffers, &given, Endpoints::Buffers).await?;
            scratch.record(encoder, &bindings, 0);
        }
        Ok(())
    }

    /// Returns the objects of a recording.
    async fn objects(
        &self,
        buffers: &GpuBuffers<'_>,
        given: &AllGiven<'_>,
        endpoints: Endpoints,
    ) -> Result<(Arc<Scratch>, Arc<Bindings>), Error> {
        let resident = &self.0;
        if let Some(found) = resident.gpu.lost() {
            return Err(Error::from(Fault::DeviceLost { found }));
        }
        let budget = resident.options.budget;
        let size = CallShape { rows: buffers.batch, steps: buffers.steps, budget, endpoints };
        let scratch = self.1.scratch(resident, size).await?;
        let bindings = scratch.bindings(resident, given).await?;
        Ok((scratch, bindings))
    }
}

impl GpuSession {
    /// Records a push into the caller's encoder, as [`Session::encode`](crate::Session::encode) describes.
    pub(crate) async fn encode_async(
        &mut self,
        encoder: &mut CommandEncoder,
        buffers: &GpuBuffers<'_>,
        active: Active<'_>,
    ) -> Result<(), Error> {
        let (config, capabilities) = (&self.layer.0.config, self.layer.0.gpu.capabilities());
        let given = check::check(config, capabilities, buffers)?;
        check::check_for_session(&given)?;
        if buffers.batch != active.len() {
            return Err(Error::from(Fault::RowsCount { expected: active.len(), found: buffers.batch }));
        }
        if buffers.batch == 0 {
            return Ok(());
        }
        self.settle().await?;
        let endpoints = Endpoints::SessionBuffers { rows: self.row_count() };
        let (scratch, bindings) = self.layer.objects(buffers, &given, endpoints).await?;
        let rows = self.rows_buffer(active).await?;
        scratch.record_rows(encoder, &bindings, &rows, self.current);
        self.mark_written(active);
        Ok(())
    }
}
