//! The table of kernels: source, overrides, bindings; pipelines made once and kept.

mod copy;
mod inspect;

use std::borrow::Cow;
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};

use bytemuck::{Pod, Zeroable};
use wgpu::{
    BindGroupLayout, BindGroupLayoutEntry, BindingType, BufferBindingType, ComputePipeline, Device,
    ShaderStages,
};

pub(super) use copy::{COPY_UNITS, Vectors};
pub use inspect::{KernelSource, kernels};

use super::plan::{Kind, Request, ScanMemory, Strategy, Tiling, scan_memory};
use crate::{Activation, Activations, Cell, Config, Nonlinearity, Precision};

/// Storage buffers that a kernel sees.
pub(super) const STORAGE_BUFFERS: u32 = 8;

/// `Shape` of `bindings.wgsl`, where the fields are described.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Shape {
    pub(super) rows: u32,
    pub(super) steps: u32,
    pub(super) hidden_size: u32,
    pub(super) hidden_output_size: u32,
    pub(super) directions: u32,
    pub(super) layers: u32,
    pub(super) input_quads: u32,
    pub(super) hidden_quads: u32,
    pub(super) first_in_weights: u32,
    pub(super) first_layer_weights: u32,
    pub(super) upper_layer_weights: u32,
    pub(super) first_reverse: u32,
}

/// `Moment` of `bindings.wgsl`, where the fields are described.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Moment {
    pub(super) first: u32,
    pub(super) step: u32,
    pub(super) count: u32,
    pub(super) chunk: u32,
    pub(super) output_stride: u32,
    pub(super) diagonal: u32,
}

/// `Exchange` of `exchange.wgsl`, where the fields are described: what `gather` and `scatter` have in place of a `Moment`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Exchange {
    pub(super) slots: u32,
    pub(super) capacity: u32,
    pub(super) layers: u32,
    pub(super) hidden_quads: u32,
    pub(super) cell_size: u32,
    pub(super) parity: u32,
}

/// What is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kernel {
    /// What a plan dispatches.
    Planned(Variant),
    /// Copies vectors between the caller's buffers and the layer's own.
    Copy {
        /// Whether wgpu puts bounds checks into it.
        checked: bool,
    },
}

/// A kernel of a plan with its overrides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Variant {
    kind: Kind,
    cell: Cell,
    hoisted: bool,
    projected: bool,
    precision: Precision,
    tiling: Tiling,
    /// What `scan` keeps in workgroup memory.
    memory: ScanMemory,
    /// Whether rows share vectors through subgroups.
    subgroups: bool,
    /// Whether wgpu puts bounds checks into the kernel.
    checked: bool,
    /// What is not PyTorch's, if anything.
    any: Option<Any>,
}

/// What the overrides of `activation/any.wgsl` and `cell/any_lstm.wgsl` say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Any {
    /// f, g and h of both directions.
    functions: [[Function; 3]; 2],
    clip: u32,
    input_forget: bool,
    peepholes: bool,
}

/// A function's number in `act`, and the bits of alpha and beta.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Function {
    number: u32,
    alpha: u32,
    beta: u32,
}

impl Any {
    /// None where the configuration is PyTorch's.
    fn new(config: &Config) -> Option<Self> {
        let crate::Variant { clip, input_forget, peepholes, .. } = config.variant;
        let of = |direction| {
            let Activations { f, g, h } = config.activations_of(direction);
            [f, g, h].map(Function::new)
        };
        config.variant.is_any().then(|| Any {
            functions: [of(0), of(1)],
            clip: clip.unwrap_or(f32::MAX).to_bits(),
            input_forget,
            peepholes,
        })
    }

    fn overrides(&self) -> impl Iterator<Item = (&'static str, f64)> {
        const NAMES: [[[&str; 3]; 3]; 2] = [
            [["F0", "F0_ALPHA", "F0_BETA"], ["G0", "G0_ALPHA", "G0_BETA"], ["H0", "H0_ALPHA", "H0_BETA"]],
            [["F1", "F1_ALPHA", "F1_BETA"], ["G1", "G1_ALPHA", "G1_BETA"], ["H1", "H1_ALPHA", "H1_BETA"]],
        ];
        let float = |bits| f64::from(f32::from_bits(bits));
        let functions = NAMES.into_iter().flatten().zip(self.functions.into_iter().flatten());
        let functions = functions.flat_map(move |([name, alpha, beta], function)| {
            [(name, f64::from(function.number)), (alpha, float(function.alpha)), (beta, float(function.beta))]
        });
        functions.chain([("CLIP", float(self.clip))])
    }
}

impl Function {
    fn new(activation: Activation) -> Self {
        let number = match activation {
            Activation::Relu => 0,
            Activation::Tanh => 1,
            Activation::Sigmoid => 2,
            Activation::Affine { .. } => 3,
            Activation::LeakyRelu { .. } => 4,
            Activation::ThresholdedRelu { .. } => 5,
            Activation::ScaledTanh { .. } => 6,
            Activation::HardSigmoid { .. } => 7,
            Activation::Elu { .. } => 8,
            Activation::Softsign => 9,
            Activation::Softplus => 10,
        };
        let [alpha, beta] = activation.parameters().map(f32::to_bits);
        Function { number, alpha, beta }
    }
}

/// Concatenates shader files.
macro_rules! shader {
    ($($file:literal),+) => { concat!($(include_str!(concat!("../../shaders/", $file, ".wgsl"))),+) };
}

/// The same between the files that every kernel begins and ends with; `$rows` is how it brings several rows' vectors to all
/// invocations without subgroups.
macro_rules! kernel {
    ($variant:expr, $rows:literal, $($file:literal),+) => {
        match ($variant.precision, $variant.subgroups) {
            (Precision::F32, false) => shader!("bindings", "weights/f32", $($file),+, "product", $rows),
            (Precision::F16, false) => shader!("bindings", "weights/f16", $($file),+, "product", $rows),
            (Precision::F32, true) => {
                shader!("bindings", "weights/f32", $($file),+, "product", "product/subgroup")
            }
            (Precision::F16, true) => {
                shader!("bindings", "weights/f16", $($file),+, "product", "product/subgroup")
            }
        }
    };
}

/// One step, and many, of a cell.
macro_rules! step {
    ($variant:expr, $($cell:literal),+) => {
        kernel!($variant, "product/workgroup", $($cell),+, "unit", "step", "memory")
    };
}

macro_rules! scan {
    ($variant:expr, $($cell:literal),+) => { kernel!($variant, "product/direct", $($cell),+, "unit", "scan") };
}

impl Variant {
    /// The kernel of that kind for a configuration. What does not change the kernel is left out of it, so that layers
    /// share pipelines.
    pub(super) fn new(kind: Kind, request: &Request<'_>, strategy: Strategy, tiling: Tiling) -> Self {
        let config = request.config;
        let recurrent = matches!(kind, Kind::Step | Kind::Scan);
        let memory = if kind == Kind::Scan { scan_memory(request, tiling) } else { ScanMemory::default() };
        Variant {
            kind,
            cell: if kind == Kind::Projection { Cell::Lstm } else { config.cell },
            hoisted: recurrent && strategy.is_hoisted(),
            projected: recurrent && config.proj_size > 0,
            precision: request.precision,
            tiling,
            memory,
            subgroups: tiling.rows > 1 && request.capabilities.shares_in_subgroups(),
            checked: request.bounds_checks,
            any: if recurrent { Any::new(config) } else { None },
        }
    }

    /// The kernel of a session's exchange of states, the same for every layer.
    pub(super) fn exchange(kind: Kind, checked: bool) -> Self {
        Variant {
            kind,
            cell: Cell::Lstm,
            hoisted: false,
            projected: false,
            precision: Precision::F32,
            tiling: Tiling { units: 64, rows: 1, on_chip: false },
            memory: ScanMemory::default(),
            subgroups: false,
            checked,
            any: None,
        }
    }

    /// Whether it multiplies matrices; else it moves states.
    fn is_product(&self) -> bool {
        !matches!(self.kind, Kind::Gather | Kind::Scatter)
    }

    /// WGSL does not care for the order, but naga 30 loses track of overrides that come after an array whose size depends
    /// on one: the files with such arrays, `scan.wgsl` and `product/workgroup.wgsl`, come last.
    pub(super) fn source(&self) -> &'static str {
        match (self.kind, self.cell, self.any) {
            (Kind::Project, ..) => kernel!(self, "product/workgroup", "project", "memory"),
            (Kind::Projection, ..) => kernel!(self, "product/workgroup", "projection", "memory"),
            (Kind::Gather | Kind::Scatter, ..) => shader!("exchange"),
            (Kind::Step, Cell::Rnn(_), None) => step!(self, "activation", "cell/rnn"),
            (Kind::Step, Cell::Lstm, None) => step!(self, "activation", "cell/lstm"),
            (Kind::Step, Cell::Gru, None) => step!(self, "activation", "cell/gru"),
            (Kind::Step, Cell::Rnn(_), Some(_)) => {
                step!(self, "activation", "activation/any", "cell/any_rnn")
            }
            (Kind::Step, Cell::Lstm, Some(_)) => step!(self, "activation", "activation/any", "cell/any_lstm"),
            (Kind::Step, Cell::Gru, Some(_)) => step!(self, "activation", "activation/any", "cell/any_gru"),
            (Kind::Scan, Cell::Rnn(_), None) => scan!(self, "activation", "cell/rnn"),
            (Kind::Scan, Cell::Lstm, None) => scan!(self, "activation", "cell/lstm"),
            (Kind::Scan, Cell::Gru, None) => scan!(self, "activation", "cell/gru"),
            (Kind::Scan, Cell::Rnn(_), Some(_)) => {
                scan!(self, "activation", "activation/any", "cell/any_rnn")
            }
            (Kind::Scan, Cell::Lstm, Some(_)) => scan!(self, "activation", "activation/any", "cell/any_lstm"),
            (Kind::Scan, Cell::Gru, Some(_)) => scan!(self, "activation", "activation/any", "cell/any_gru"),
        }
    }

    pub(super) fn entry_point(&self) -> &'static str {
        match self.kind {
            Kind::Project => "project",
            Kind::Step => "step",
            Kind::Projection => "projection",
            Kind::Scan => "scan",
            Kind::Gather => "gather",
            Kind::Scatter => "scatter",
        }
    }

    pub(super) fn tiling(&self) -> Tiling {
        self.tiling
    }

    /// Bytes of workgroup memory: the states of `scan`; a tile of vectors and where each row's starts.
    pub(super) fn workgroup_bytes(&self) -> u64 {
        match self.kind {
            Kind::Scan => self.memory.bytes(self.precision),
            Kind::Gather | Kind::Scatter => 0,
            _ if self.subgroups => 0,
            _ => u64::from(self.tiling.rows) * (64 * 16 + 4),
        }
    }

    /// Names and values of the overrides.
    pub(super) fn overrides(&self) -> Vec<(&'static str, f64)> {
        let flag = |value: bool| f64::from(u8::from(value));
        if !self.is_product() {
            return Vec::new();
        }
        let mut overrides =
            vec![("UNITS", f64::from(self.tiling.units)), ("ROWS", f64::from(self.tiling.rows))];
        if self.kind == Kind::Project {
            #[allow(clippy::cast_precision_loss, reason = "one to four")]
            overrides.push(("CELL_GATES", self.cell.gates() as f64));
        }
        if matches!(self.kind, Kind::Step | Kind::Scan) {
            overrides.push(("HOISTED", flag(self.hoisted)));
            overrides.push(("PROJECTED", flag(self.projected)));
            match (self.cell, &self.any) {
                (Cell::Rnn(nonlinearity), None) => {
                    overrides.push(("RELU", flag(nonlinearity == Nonlinearity::Relu)));
                }
                (Cell::Lstm, Some(any)) => {
                    overrides.push(("INPUT_FORGET", flag(any.input_forget)));
                    overrides.push(("PEEPHOLES", flag(any.peepholes)));
                }
                _ => {}
            }
            overrides.extend(self.any.iter().flat_map(Any::overrides));
        }
        if self.kind == Kind::Scan {
            overrides.push(("STATE", f64::from(self.memory.state)));
            overrides.push(("WIDE_STATE", f64::from(self.memory.wide_state)));
            overrides.push(("KEPT", f64::from(self.memory.kept)));
        }
        overrides
    }
}

impl Kernel {
    pub(super) fn source(&self) -> &'static str {
        match self {
            Kernel::Planned(variant) => variant.source(),
            Kernel::Copy { .. } => shader!("copy"),
        }
    }

    pub(super) fn entry_point(&self) -> &'static str {
        match self {
            Kernel::Planned(variant) => variant.entry_point(),
            Kernel::Copy { .. } => "copy",
        }
    }

    pub(super) fn overrides(&self) -> Vec<(&'static str, f64)> {
        match self {
            Kernel::Planned(variant) => variant.overrides(),
            Kernel::Copy { .. } => vec![("UNITS", f64::from(COPY_UNITS))],
        }
    }

    fn is_checked(&self) -> bool {
        match self {
            Kernel::Planned(variant) => variant.checked,
            Kernel::Copy { checked } => *checked,
        }
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
    pipelines: HashMap<Kernel, Arc<ComputePipeline>>,
}

impl Kernels {
    /// The layout of the one bind group of every kernel.
    pub(super) fn layout(&self, device: &Device) -> BindGroupLayout {
        self.lock().layout(device)
    }

    /// A kernel's pipeline, compiled at its first use.
    pub(super) fn pipeline(&self, device: &Device, kernel: Kernel) -> Arc<ComputePipeline> {
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
    pub(super) fn forget(&self, kernel: Kernel) {
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
        uniform(size_of::<Shape>(), false),
        uniform(size_of::<Moment>(), true),
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
/// - `weights`: [`super::pack::elements`] counts what the kernels read of it; columns beyond the last are replaced by it
///   (`spread`), and invocations without a unit read nothing;
/// - `input`, `hidden`, `gates`, `lengths` and what is written: rows are below `shape.rows` (`place_of`, the bounds of the
///   loops over rows), times below `shape.steps` (a length is at most T), units below H or H_out, steps inside the chunk; the
///   buffers are of just these sizes ([`super::plan::Bytes`]);
/// - workgroup memory: rows below `ROWS`, quads below `TILE`; in `scan` units below H, for which the plan
///   sets `STATE`, and weights of one direction, for which it sets `KEPT`;
/// - `exchange.wgsl`: slots below N, and rows below R, since a session names no others;
/// - what `copy` reads and writes: the vectors that its parameters name, which the buffers hold ([`super::encode`] checks the
///   caller's); lengths come out of it at most T.
///
/// The checked variant stays selectable, and the tests compare the two.
#[allow(unsafe_code, reason = "measured, and sound as said above")]
fn trusted(device: &Device, descriptor: wgpu::ShaderModuleDescriptor<'_>) -> wgpu::ShaderModule {
    // SAFETY: no access of the kernels is out of bounds and no loop is endless, as said above.
    unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
}

#[cfg(test)]
mod tests;
