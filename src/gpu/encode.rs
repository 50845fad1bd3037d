//! Records a forward pass into the caller's own submission, from and to the caller's buffers.

mod buffers;
mod check;
mod copies;
mod scratch;

use wgpu::CommandEncoder;

use super::layer::GpuLayer;
use super::plan::{CallShape, Endpoints};
use crate::Error;
use crate::error::Fault;
pub use buffers::GpuBuffers;
pub(super) use scratch::Encodings;

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
        let resident = &self.0;
        let given = check::check(&resident.config, resident.gpu.capabilities(), buffers)?;
        if buffers.batch == 0 {
            return Ok(());
        }
        if let Some(found) = resident.gpu.lost() {
            return Err(Error::from(Fault::DeviceLost { found }));
        }
        let size = CallShape {
            rows: buffers.batch,
            steps: buffers.steps,
            budget: resident.options.budget,
            endpoints: Endpoints::Buffers,
        };
        let scratch = self.1.scratch(resident, size).await?;
        let bindings = scratch.bindings(resident, &given).await?;
        scratch.record(encoder, &bindings);
        Ok(())
    }
}
