//! Records a forward pass into the caller's own submission, from and to the caller's buffers.

mod buffers;
mod check;
mod copies;
mod scratch;

use wgpu::CommandEncoder;

use super::layer::GpuLayer;
use super::plan::{CallShape, Endpoints};
use crate::Error;
pub use buffers::GpuBuffers;
pub(super) use scratch::Encodings;

impl GpuLayer {
    /// Records a forward pass into the caller's encoder: one compute pass, from and to the caller's
    /// buffers. It submits nothing and waits for nothing. So the work that makes the input and the work
    /// that uses the output can be in the same submission.
    ///
    /// [`GpuBuffers`] has the contract of each buffer. The first call with a shape compiles kernels and
    /// makes scratch buffers: [`PlanReport::workspace_bytes`](crate::inspect::PlanReport::workspace_bytes), the
    /// hidden state twice, the cell state, and a copy of the input if I is not a multiple of 4. The first
    /// call with a set of buffers makes their bind groups; later calls make nothing. The encoder may be
    /// dropped unsubmitted, and the layer may be dropped before the encoder is submitted. Several
    /// recordings may be submitted in any order.
    ///
    /// The result is bit-identical to that of [`Layer::forward`](crate::Layer::forward) with the same
    /// strategy. With [`Tuning::Measure`](crate::Tuning::Measure), a pass uses the plan that `forward`
    /// measured for the same N and T. If `forward` has not measured one, the pass uses the cost model's
    /// plan.
    ///
    /// # Errors
    ///
    /// [`Error::Buffer`] for a buffer that breaks the contract, [`Error::NoSteps`] for T = 0,
    /// [`Error::TooLarge`] if the batch does not fit the device's limits and the layer's budget at once,
    /// [`Error::OutOfMemory`], [`Error::DeviceLost`], [`Error::Gpu`]. After any of these errors, nothing
    /// was recorded.
    ///
    /// wgpu reports later failures, such as a lost device, where the caller finishes and submits the
    /// encoder.
    ///
    /// ```no_run
    /// # use wgpu_rnn::{AdapterChoice, Config, Gpu, GpuBuffers, GpuLayer, LayerOptions, Weights, wgpu};
    /// # let gpu = Gpu::new(&AdapterChoice::Best)?;
    /// # let (device, queue) = (gpu.device().clone(), gpu.queue().clone());
    /// // `device` and `queue` are those of the program.
    /// let gpu = Gpu::from_device(device.clone(), queue.clone())?;
    /// let weights = Weights::seeded(Config::gru(80, 128), 0)?;
    /// let layer = GpuLayer::new(&gpu, &weights, &LayerOptions::default())?;
    /// let storage = |floats: u64| {
    ///     let usage = wgpu::BufferUsages::STORAGE;
    ///     device.create_buffer(&wgpu::BufferDescriptor { label: None, size: 4 * floats, usage, mapped_at_creation: false })
    /// };
    /// let (features, output, state) = (storage(4 * 50 * 80), storage(4 * 50 * 128), storage(4 * 128));
    /// let mut encoder = device.create_command_encoder(&Default::default());
    /// // … a pass that writes the features …
    /// let buffers = GpuBuffers::new(4, 50, features.as_entire_buffer_binding(), output.as_entire_buffer_binding())
    ///     .h_0(state.as_entire_buffer_binding())
    ///     .h_n(state.as_entire_buffer_binding());
    /// layer.encode(&mut encoder, &buffers)?;
    /// // … a pass that reads the output …
    /// queue.submit([encoder.finish()]);
    /// # Ok::<(), wgpu_rnn::Error>(())
    /// ```
    #[cfg(not(target_arch = "wasm32"))]
    pub fn encode(&self, encoder: &mut CommandEncoder, buffers: &GpuBuffers<'_>) -> Result<(), Error> {
        pollster::block_on(self.encode_async(encoder, buffers))
    }

    /// Records a forward pass like [`GpuLayer::encode`], and also works in a browser. A browser reports
    /// later whether it could make the objects of the first call with a shape or with a set of buffers.
    /// Elsewhere, the future is ready at the first poll. If the future is dropped before it is ready,
    /// nothing was recorded.
    ///
    /// # Errors
    ///
    /// The same as for [`GpuLayer::encode`].
    pub async fn encode_async(
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
            return Err(Error::DeviceLost { found });
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
