//! The pipelines of a device. Each one is compiled once and kept.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use wgpu::{
    BindGroupLayout, BindGroupLayoutEntry, BindingType, BufferBindingType, ComputePipeline, Device,
    ShaderStages,
};

use super::{DispatchParams, KernelSpec, LayerDims};

/// The pipelines of a device.
#[derive(Debug, Default)]
pub(in crate::gpu) struct Kernels {
    made: Mutex<Made>,
    /// Replaces a piece of shader source, to check that the tests notice it.
    #[cfg(test)]
    pub(in crate::gpu) mutation: Option<(&'static str, &'static str)>,
}

#[derive(Debug, Default)]
struct Made {
    layout: Option<BindGroupLayout>,
    /// One for each kernel, which is empty while the kernel is compiled.
    pipelines: HashMap<KernelSpec, Arc<OnceLock<Arc<ComputePipeline>>>>,
}

impl Kernels {
    /// Returns the layout of the bind group that all kernels use.
    pub(in crate::gpu) fn layout(&self, device: &Device) -> BindGroupLayout {
        self.lock().layout(device)
    }

    /// Returns a kernel's pipeline, and compiles it at its first use. Threads may compile different kernels at once.
    pub(in crate::gpu) fn pipeline(&self, device: &Device, kernel: &KernelSpec) -> Arc<ComputePipeline> {
        let mut made = self.lock();
        let layout = made.layout(device);
        let pipeline = Arc::clone(made.pipelines.entry(kernel.clone()).or_default());
        drop(made);
        let compiled = || Arc::new(compile(device, &layout, kernel, self.source(kernel)));
        Arc::clone(pipeline.get_or_init(compiled))
    }

    /// Returns whether a kernel has been compiled.
    pub(in crate::gpu) fn has(&self, kernel: &KernelSpec) -> bool {
        self.lock().pipelines.get(kernel).is_some_and(|pipeline| pipeline.get().is_some())
    }

    /// Removes a pipeline that did not compile, so that it is not returned again.
    pub(in crate::gpu) fn forget(&self, kernel: &KernelSpec) {
        self.lock().pipelines.remove(kernel);
    }

    fn source(&self, kernel: &KernelSpec) -> String {
        #[cfg(test)]
        if let Some((old, new)) = self.mutation {
            return kernel.source().replace(old, new);
        }
        kernel.source()
    }

    /// Locks the pipelines. They are valid at any time, even after a panic elsewhere.
    fn lock(&self) -> std::sync::MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Made {
    fn layout(&mut self, device: &Device) -> BindGroupLayout {
        self.layout.get_or_insert_with(|| bind_group_layout(device)).clone()
    }
}

/// Creates the layout of bindings 0 to 9 of `bindings.wgsl` and `exchange.wgsl`.
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

fn compile(
    device: &Device,
    layout: &BindGroupLayout,
    kernel: &KernelSpec,
    source: String,
) -> ComputePipeline {
    let label = Some(kernel.entry_point);
    let descriptor = wgpu::ShaderModuleDescriptor { label, source: wgpu::ShaderSource::Wgsl(source.into()) };
    let module =
        if kernel.checked { device.create_shader_module(descriptor) } else { trusted(device, descriptor) };
    let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label,
        bind_group_layouts: &[Some(layout)],
        immediate_size: 0,
    });
    device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label,
        layout: Some(&layout),
        module: &module,
        entry_point: Some(kernel.entry_point),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants: &kernel.overrides(),
            // The kernels write every element before they read it.
            zero_initialize_workgroup_memory: false,
        },
        cache: None,
    })
}

/// Creates a module without wgpu's bounds checks and loop counters. With them, the products take 1.4 times
/// as long (lavapipe, Mesa 25.0, with one row and with eight).
///
/// This is sound. The loops run over sizes that the plan has checked, and they end. All accesses are in
/// bounds:
///
/// - `weights`: [`crate::gpu::pack::elements`] counts the elements that the kernels read. `spread` replaces
///   columns beyond the last one by the last one, and invocations without a unit read nothing, or what the last one reads.
/// - `input`, `hidden`, `gates`, `lengths` and the buffers that are written: rows are below `dims.rows`
///   (`place_of`, the bounds of the loops over rows), times are below `dims.steps` (a length is at most T),
///   units are below H or H_out, also those that count from `first_unit`, and steps are inside the chunk. The buffers have these sizes
///   ([`crate::gpu::plan::PassMemory`]).
/// - `parts/scan.wgsl`: an item is below the number of items. The plan bounds the state and the sums by `STATE` and
///   `PARTS` ([`crate::gpu::plan`]).
/// - `product/blocks.wgsl`: an invocation writes its own element of a half of `blocks`, which has one for each of them. The
///   sums that are read lie in the same half, below AT_ONCE times ITEMS, and only blocks that exist are loaded.
/// - `product/tiles.wgsl` repeats the last quad beyond the end of a vector, and `tiles/` replaces the columns beyond the
///   last one by it. A row without a vector reads the first quad of the input or of the hidden state.
///   Rows of a tile are below 8 ROWS, quads below BLOCK and items below ITEMS, so that `vectors` has UNITS elements and
///   `weights_of_tile` has 2 UNITS.
/// - Workgroup memory: rows are below `ROWS` and quads below `TILE`. In `scan`, units are below H, for which
///   the plan sets `STATE`, and the weights are those of one direction, for which it sets `KEPT`.
/// - `exchange.wgsl`: slots are below N. Rows are below R, because a session names no other rows.
/// - `copy`: it reads and writes only the vectors that its parameters name. The buffers hold these vectors
///   ([`crate::gpu::encode`] checks the caller's buffers). The lengths that it writes are at most T.
///
/// The caller can still select the checked kernels, and the tests compare the two.
#[allow(unsafe_code, reason = "measured, and sound as said above")]
fn trusted(device: &Device, descriptor: wgpu::ShaderModuleDescriptor<'_>) -> wgpu::ShaderModule {
    // SAFETY: no access of the kernels is out of bounds and no loop is endless, as explained above.
    unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
}
