//! The table of kernels: source, overrides, bindings; pipelines made once and kept.

use std::borrow::Cow;
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};

use bytemuck::{Pod, Zeroable};
use wgpu::{
    BindGroupLayout, BindGroupLayoutEntry, BindingType, BufferBindingType, ComputePipeline, Device,
    ShaderStages,
};

use super::plan::Kind;
use crate::{Cell, Config, Nonlinearity};

/// Storage buffers that a kernel sees.
pub(super) const STORAGE_BUFFERS: u32 = 7;

/// `Shape` of `bindings.wgsl`, where the fields are described.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Shape {
    pub(super) rows: u32,
    pub(super) steps: u32,
    pub(super) input_size: u32,
    pub(super) hidden_size: u32,
    pub(super) hidden_output_size: u32,
    pub(super) directions: u32,
    pub(super) layers: u32,
    pub(super) first_in_weights: u32,
    pub(super) first_layer_weights: u32,
    pub(super) upper_layer_weights: u32,
}

/// `Moment` of `bindings.wgsl`, where the fields are described.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Moment {
    pub(super) first: u32,
    pub(super) step: u32,
}

/// A kernel with its overrides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Variant {
    kernel: Kind,
    /// The cell of a step; none for a projection.
    cell: Option<Cell>,
    projected: bool,
    units: u32,
    rows: u32,
}

/// Concatenates shader files.
macro_rules! shader {
    ($($file:literal),+) => { concat!($(include_str!(concat!("../../shaders/", $file, ".wgsl"))),+) };
}

impl Variant {
    /// The step kernel of a configuration, with the units and rows of a workgroup.
    pub(super) fn step(config: &Config, (units, rows): (u32, u32)) -> Self {
        Variant { kernel: Kind::Step, cell: Some(config.cell), projected: config.proj_size > 0, units, rows }
    }

    /// The kernel that projects what the step kernel left.
    pub(super) fn projection((units, rows): (u32, u32)) -> Self {
        Variant { kernel: Kind::Projection, cell: None, projected: true, units, rows }
    }

    /// WGSL does not care for the order, but naga 30 loses track of overrides that come after an array whose size depends
    /// on one: `product.wgsl`, which has such arrays, comes last.
    pub(super) fn source(&self) -> &'static str {
        match self.cell {
            Some(Cell::Rnn(_)) => shader!("bindings", "activation", "cell/rnn", "step", "product"),
            Some(Cell::Lstm) => shader!("bindings", "activation", "cell/lstm", "step", "product"),
            Some(Cell::Gru) => shader!("bindings", "activation", "cell/gru", "step", "product"),
            None => shader!("bindings", "projection", "product"),
        }
    }

    pub(super) fn entry_point(&self) -> &'static str {
        match self.kernel {
            Kind::Step => "step",
            Kind::Projection => "projection",
        }
    }

    /// Names and values of the overrides.
    pub(super) fn overrides(&self) -> Vec<(&'static str, f64)> {
        let mut overrides = vec![("UNITS", f64::from(self.units)), ("ROWS", f64::from(self.rows))];
        if let Some(cell) = self.cell {
            overrides.push(("PROJECTED", f64::from(u8::from(self.projected))));
            if let Cell::Rnn(nonlinearity) = cell {
                overrides.push(("RELU", f64::from(u8::from(nonlinearity == Nonlinearity::Relu))));
            }
        }
        overrides
    }
}

/// The pipelines of a device.
#[derive(Debug, Default)]
pub(super) struct Kernels {
    made: Mutex<Made>,
    /// Replaces a piece of shader text, to see that the tests notice.
    #[cfg(test)]
    pub(super) mutation: Option<(&'static str, &'static str)>,
}

#[derive(Debug, Default)]
struct Made {
    layout: Option<BindGroupLayout>,
    pipelines: HashMap<Variant, Arc<ComputePipeline>>,
}

impl Kernels {
    /// The layout of the one bind group of every kernel.
    pub(super) fn layout(&self, device: &Device) -> BindGroupLayout {
        self.lock().layout(device)
    }

    /// The pipeline of a variant, compiled at its first use.
    pub(super) fn pipeline(&self, device: &Device, variant: Variant) -> Arc<ComputePipeline> {
        let mut made = self.lock();
        if let Some(pipeline) = made.pipelines.get(&variant) {
            return Arc::clone(pipeline);
        }
        let layout = made.layout(device);
        let pipeline = Arc::new(compile(device, &layout, variant, self.text(variant)));
        made.pipelines.insert(variant, Arc::clone(&pipeline));
        pipeline
    }

    /// A pipeline that did not compile must not be handed out again.
    pub(super) fn forget(&self, variant: Variant) {
        self.lock().pipelines.remove(&variant);
    }

    fn text(&self, variant: Variant) -> Cow<'static, str> {
        #[cfg(test)]
        if let Some((old, new)) = self.mutation {
            return Cow::Owned(variant.source().replace(old, new));
        }
        Cow::Borrowed(variant.source())
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

/// Bindings 0 to 8 of `bindings.wgsl`.
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
        uniform(size_of::<Shape>(), false),
        uniform(size_of::<Moment>(), true),
        read,
        read,
        read,
        write,
        write,
        write,
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
    variant: Variant,
    text: Cow<'_, str>,
) -> ComputePipeline {
    let label = Some(variant.entry_point());
    let module = device
        .create_shader_module(wgpu::ShaderModuleDescriptor { label, source: wgpu::ShaderSource::Wgsl(text) });
    let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label,
        bind_group_layouts: &[Some(layout)],
        immediate_size: 0,
    });
    device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label,
        layout: Some(&layout),
        module: &module,
        entry_point: Some(variant.entry_point()),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants: &variant.overrides(),
            // Every element that is read was written before.
            zero_initialize_workgroup_memory: false,
        },
        cache: None,
    })
}

#[cfg(test)]
mod tests;
