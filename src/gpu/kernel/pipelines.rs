//! Pipelines, made once for a device and kept.

use std::borrow::Cow;
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};

use wgpu::{
    BindGroupLayout, BindGroupLayoutEntry, BindingType, BufferBindingType, ComputePipeline, Device,
    ShaderStages,
};

use super::{DispatchParams, Kernel, LayerDims};

/// The pipelines of a device.
#[derive(Debug, Default)]
pub(in crate::gpu) struct Kernels {
    made: Mutex<Made>,
    /// Replaces a piece of shader text, to see that the tests notice.
    #[cfg(test)]
    pub(in crate::gpu) mutation: Option<(&'static str, &'static str)>,
}

#[derive(Debug, Default)]
struct Made {
    layout: Option<BindGroupLayout>,
    pipelines: HashMap<Kernel, Arc<ComputePipeline>>,
}

impl Kernels {
    /// The layout of the one bind group of every kernel.
    pub(in crate::gpu) fn layout(&self, device: &Device) -> BindGroupLayout {
        self.lock().layout(device)
    }

    /// A kernel's pipeline, compiled at its first use.
    pub(in crate::gpu) fn pipeline(&self, device: &Device, kernel: Kernel) -> Arc<ComputePipeline> {
        let mut made = self.lock();
        if let Some(pipeline) = made.pipelines.get(&kernel) {
            return Arc::clone(pipeline);
        }
        let layout = made.layout(device);
        let pipeline = Arc::new(compile(device, &layout, kernel, self.text(kernel)));
        made.pipelines.insert(kernel, Arc::clone(&pipeline));
        pipeline
    }

    /// A pipeline that did not compile must not be handed out again.
    pub(in crate::gpu) fn forget(&self, kernel: Kernel) {
        self.lock().pipelines.remove(&kernel);
    }

    fn text(&self, kernel: Kernel) -> Cow<'static, str> {
        #[cfg(test)]
        if let Some((old, new)) = self.mutation {
            return Cow::Owned(kernel.source().replace(old, new));
        }
        Cow::Borrowed(kernel.source())
    }

    /// What is kept is valid at any time, also after a panic elsewhere.
    fn lock(&self) -> std::sync::MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Made {
    fn layout(&mut self, device: &Device) -> BindGroupLayout {
        self.layout.get_or_insert_with(|| bind_group_layout(device)).clone()
    }
}

/// Bindings 0 to 9 of `bindings.wgsl` and of `exchange.wgsl`.
fn bind_group_layout(device: &Device) -> BindGroupLayout {
    let uniform = |bytes: usize, has_dynamic_offset| BindingType::Buffer {
        ty: BufferBindingType::Uniform,
        has_dynamic_offset,
        min_binding_size: NonZeroU64::new(bytes as u64),
    };
    let storage = |read_only| BindingType::Buffer {
        ty: BufferBindingType::Storage { read_only },
        has_dynamic_offset: false,
        min_binding_size: None,
    };
    let (read, write) = (storage(true), storage(false));
    let types = [
        uniform(size_of::<LayerDims>(), false),
        uniform(size_of::<DispatchParams>(), true),
        read,
        read,
        read,
        write,
        write,
        write,
        read,
        read,
    ];
    let entries: Vec<BindGroupLayoutEntry> = (0..)
        .zip(types)
        .map(|(binding, ty)| BindGroupLayoutEntry {
            binding,
            visibility: ShaderStages::COMPUTE,
            ty,
            count: None,
        })
        .collect();
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some("wgpu-rnn kernel"),
        entries: &entries,
    })
}

fn compile(device: &Device, layout: &BindGroupLayout, kernel: Kernel, text: Cow<'_, str>) -> ComputePipeline {
    let label = Some(kernel.entry_point());
    let descriptor = wgpu::ShaderModuleDescriptor { label, source: wgpu::ShaderSource::Wgsl(text) };
    let module = if kernel.is_checked() {
        device.create_shader_module(descriptor)
    } else {
        trusted(device, descriptor)
    };
    let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label,
        bind_group_layouts: &[Some(layout)],
        immediate_size: 0,
    });
    device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label,
        layout: Some(&layout),
        module: &module,
        entry_point: Some(kernel.entry_point()),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants: &kernel.overrides(),
            // Every element that is read was written before.
            zero_initialize_workgroup_memory: false,
        },
        cache: None,
    })
}

/// A module without wgpu's bounds checks and loop counters, with which the products take 1.4 times as long (lavapipe,
/// Mesa 25.0, with one row and with eight).
///
/// Why that is sound: loops run over sizes that the plan has checked, and end. Of the accesses,
/// - `weights`: [`crate::gpu::pack::elements`] counts what the kernels read of it; columns beyond the last are replaced by it
///   (`spread`), and invocations without a unit read nothing;
/// - `input`, `hidden`, `gates`, `lengths` and what is written: rows are below `shape.rows` (`place_of`, the bounds of the
///   loops over rows), times below `shape.steps` (a length is at most T), units below H or H_out, steps inside the chunk; the
///   buffers are of just these sizes ([`crate::gpu::plan::PassMemory`]);
/// - workgroup memory: rows below `ROWS`, quads below `TILE`; in `scan` units below H, for which the plan
///   sets `STATE`, and weights of one direction, for which it sets `KEPT`;
/// - `exchange.wgsl`: slots below N, and rows below R, since a session names no others;
/// - what `copy` reads and writes: the vectors that its parameters name, which the buffers hold ([`crate::gpu::encode`] checks the
///   caller's); lengths come out of it at most T.
///
/// The checked variant stays selectable, and the tests compare the two.
#[allow(unsafe_code, reason = "measured, and sound as said above")]
fn trusted(device: &Device, descriptor: wgpu::ShaderModuleDescriptor<'_>) -> wgpu::ShaderModule {
    // SAFETY: no access of the kernels is out of bounds and no loop is endless, as said above.
    unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
}
