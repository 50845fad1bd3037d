//! Whether a device keeps subnormal numbers: those between zero and 2⁻¹²⁶. WGSL leaves it to the device
//! (<https://www.w3.org/TR/WGSL/#floating-point-evaluation>), and wgpu has no property for it.

use wgpu::{BindGroupDescriptor, BindGroupEntry, Buffer, BufferUsages, MapMode, SubmissionIndex};

use super::Gpu;
use super::buffer::{Mapped, map};
use crate::options::PATIENCE;
use crate::{Error, offload};

/// The first product has a subnormal operand, the second one a subnormal result.
const KERNEL: &str = "
    @group(0) @binding(0) var<storage, read> given: array<f32>;
    @group(0) @binding(1) var<storage, read_write> found: array<f32>;
    @compute @workgroup_size(1)
    fn multiply() {
        found[0] = given[0] * given[1];
        found[1] = given[2] * given[3];
    }
";

impl Gpu {
    /// Returns whether the device replaces subnormal numbers (below 2⁻¹²⁶) by zero. It runs a kernel the first
    /// time, and blocks until the device answers. Results are within their tolerance either way.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::OutOfMemory`](crate::ErrorKind::OutOfMemory),
    /// [`ErrorKind::DeviceLost`](crate::ErrorKind::DeviceLost),
    /// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout), [`ErrorKind::Driver`](crate::ErrorKind::Driver).
    pub fn flushes_subnormals(&self) -> Result<bool, Error> {
        let known = self.known_subnormals();
        if let Some(flushes) = known.get() {
            return Ok(*flushes);
        }
        let flushes = pollster::block_on(self.measure_subnormals())?;
        Ok(*known.get_or_init(|| flushes))
    }

    async fn measure_subnormals(&self) -> Result<bool, Error> {
        let made = self.caught(|| self.multiply()).await;
        self.check_not_lost()?;
        let (download, submission, mapped) = made?;
        self.poller().wait(&submission, PATIENCE)?;
        match offload::received(mapped).await {
            Some(Ok(())) => {}
            Some(Err(reason)) => return Err(self.unmapped(reason)),
            None => return Err(self.unmapped("a buffer's callback was dropped")),
        }
        let view = download.get_mapped_range(..).map_err(|reason| self.unmapped(reason))?;
        let products: &[f32] = bytemuck::cast_slice(&view);
        Ok(products.contains(&0.0))
    }

    /// Submits the two products. Call this inside error scopes.
    fn multiply(&self) -> Result<(Buffer, SubmissionIndex, Mapped), Error> {
        let powers = [-140, 20, -70, -70].map(|exponent| f32::powi(2.0, exponent));
        let device = self.device();
        let given = self.buffer_with("factors", bytemuck::cast_slice(&powers), BufferUsages::STORAGE)?;
        let found = self.buffer("products", 8, BufferUsages::STORAGE | BufferUsages::COPY_SRC, false);
        let download =
            self.buffer("products on the host", 8, BufferUsages::MAP_READ | BufferUsages::COPY_DST, false);
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("subnormals"),
            source: wgpu::ShaderSource::Wgsl(KERNEL.into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("subnormals"),
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: Default::default(),
            cache: None,
        });
        let entries = [(0, &given), (1, &found)]
            .map(|(binding, buffer)| BindGroupEntry { binding, resource: buffer.as_entire_binding() });
        let layout = &pipeline.get_bind_group_layout(0);
        let group = device.create_bind_group(&BindGroupDescriptor { label: None, layout, entries: &entries });
        let mut encoder = device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(1, 1, 1);
        drop(pass);
        encoder.copy_buffer_to_buffer(&found, 0, &download, 0, 8);
        let submission = self.submit(encoder.finish());
        let mapped = map(&download, MapMode::Read);
        Ok((download, submission, mapped))
    }
}
