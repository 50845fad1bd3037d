//! The table of kernels with their sources, overrides and bindings, and the cache of pipelines.

mod copy;
mod inspect;
mod pipelines;
mod variant;

use bytemuck::{Pod, Zeroable};

pub(super) use copy::{COPY_UNITS, Vectors};
pub use inspect::{KernelSource, kernels};
pub(super) use pipelines::Kernels;

use super::plan::{Kind, Request, ScanMemory, Second, Strategy, Tiling, scan_memory};
use crate::{Cell, Nonlinearity, Precision};
use variant::VariantSpec;

/// The number of storage buffers that a kernel binds.
pub(super) const STORAGE_BUFFERS: u32 = 8;

/// The struct `LayerDims` of `bindings.wgsl`, which documents the fields.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub(super) struct LayerDims {
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

/// The struct `DispatchParams` of `bindings.wgsl`, which documents the fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(super) struct DispatchParams {
    pub(super) first: u32,
    pub(super) step: u32,
    pub(super) count: u32,
    pub(super) chunk: u32,
    pub(super) output_stride: u32,
    pub(super) diagonal: u32,
}

/// The struct `Exchange` of `exchange.wgsl`, which documents the fields. The kernels `gather` and `scatter`
/// read it in place of `DispatchParams`.
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

/// `FRESH` of `exchange.wgsl`.
pub(super) const FRESH: u32 = 1 << 31;
/// `NOBODY` of `exchange.wgsl`.
pub(super) const NOBODY: u32 = u32::MAX;

// All three use the same binding.
const _: () = assert!(size_of::<Exchange>() == size_of::<DispatchParams>());
const _: () = assert!(size_of::<Vectors>() == size_of::<DispatchParams>());

/// A kernel that can be compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kernel {
    /// A kernel that a plan dispatches.
    Planned(KernelSpec),
    /// Copies vectors between the caller's buffers and the layer's own.
    Copy {
        /// Whether wgpu adds bounds checks.
        checked: bool,
    },
}

/// The properties that determine a plan's kernel and its overrides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct KernelSpec {
    kind: Kind,
    cell: Cell,
    hoisted: bool,
    /// Whether a step has a second product.
    two_products: bool,
    precision: Precision,
    tiling: Tiling,
    /// The sizes of `scan`'s arrays in workgroup memory.
    memory: ScanMemory,
    /// Whether the rows' vectors are shared through subgroups.
    subgroups: bool,
    /// Whether wgpu adds bounds checks.
    checked: bool,
    /// What ONNX's operators add to PyTorch's cell, if the layer uses any of it.
    any: Option<VariantSpec>,
}

/// Concatenates shader files.
macro_rules! shader {
    ($($file:literal),+) => { concat!($(include_str!(concat!("../../shaders/", $file, ".wgsl"))),+) };
}

/// Concatenates a kernel's own files and the files that all kernels with products share. `$rows` is the file
/// that brings the vectors of several rows to all invocations without subgroups.
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

/// Concatenates the `step` kernel of a cell whose only second product may be a projection.
macro_rules! step {
    ($variant:expr, $($cell:literal),+) => {
        kernel!($variant, "product/workgroup", $($cell),+, "unit", "step", "step/projection", "memory")
    };
}

/// Concatenates the `scan` kernel of a cell whose only second product may be a projection.
macro_rules! scan {
    ($variant:expr, $($cell:literal),+) => {
        kernel!($variant, "product/direct", $($cell),+, "unit", "scan", "scan/projection")
    };
}

impl KernelSpec {
    /// Returns the kernel of a kind for a request. Properties that do not change the kernel get fixed
    /// values, so that layers share pipelines.
    pub(super) fn new(kind: Kind, request: &Request<'_>, strategy: Strategy, tiling: Tiling) -> Self {
        let config = request.config;
        let recurrent = matches!(kind, Kind::Step | Kind::Scan);
        let memory = if kind == Kind::Scan { scan_memory(request, tiling) } else { ScanMemory::default() };
        KernelSpec {
            kind,
            cell: if kind == Kind::Projection { Cell::Lstm } else { config.cell },
            hoisted: (recurrent || kind == Kind::Candidate) && strategy.is_hoisted(),
            two_products: recurrent && Second::of(config).is_some(),
            precision: request.precision,
            tiling,
            memory,
            subgroups: tiling.rows > 1 && request.capabilities.shares_in_subgroups(),
            checked: request.bounds_checks,
            any: if recurrent || kind == Kind::Candidate { VariantSpec::new(config) } else { None },
        }
    }

    /// Returns the kernel that exchanges states with a session. It is the same for every layer.
    pub(super) fn exchange(kind: Kind, checked: bool) -> Self {
        KernelSpec {
            kind,
            cell: Cell::Lstm,
            hoisted: false,
            two_products: false,
            precision: Precision::F32,
            tiling: Tiling { units: 64, rows: 1, on_chip: false },
            memory: ScanMemory::default(),
            subgroups: false,
            checked,
            any: None,
        }
    }

    /// Whether the kernel multiplies matrices; the others move states.
    fn is_product(&self) -> bool {
        !matches!(self.kind, Kind::Gather | Kind::Scatter)
    }

    /// Returns the WGSL source. WGSL allows any order of declarations, but naga 30 loses track of overrides
    /// that come after an array whose size depends on an override. The files with such arrays, `scan.wgsl`
    /// and `product/workgroup.wgsl`, therefore come last.
    pub(super) fn source(&self) -> &'static str {
        match (self.kind, self.cell, self.any) {
            (Kind::InputProduct, ..) => kernel!(self, "product/workgroup", "input_product", "memory"),
            (Kind::Projection, ..) => kernel!(self, "product/workgroup", "projection", "memory"),
            (Kind::Gather | Kind::Scatter, ..) => shader!("exchange"),
            (Kind::Candidate, ..) => {
                kernel!(self, "product/workgroup", "activation", "activation/variant", "candidate", "memory")
            }
            (Kind::Step, Cell::Gru, Some(any)) if any.resets_before && self.hoisted => kernel!(
                self,
                "product/workgroup",
                "activation",
                "activation/variant",
                "cell/reset_gates",
                "unit",
                "step",
                "step/reset_gates",
                "memory"
            ),
            (Kind::Step, Cell::Gru, Some(any)) if any.resets_before => kernel!(
                self,
                "product/workgroup",
                "activation",
                "activation/variant",
                "cell/reset_gru",
                "unit",
                "step",
                "step/reset",
                "memory"
            ),
            (Kind::Scan, Cell::Gru, Some(any)) if any.resets_before => kernel!(
                self,
                "product/direct",
                "activation",
                "activation/variant",
                "cell/reset_gates",
                "unit",
                "scan",
                "scan/reset"
            ),
            (Kind::Step, Cell::Rnn(_), None) => step!(self, "activation", "cell/rnn"),
            (Kind::Step, Cell::Lstm, None) => step!(self, "activation", "cell/lstm"),
            (Kind::Step, Cell::Gru, None) => step!(self, "activation", "cell/gru"),
            (Kind::Step, Cell::Rnn(_), Some(_)) => {
                step!(self, "activation", "activation/variant", "cell/variant_rnn")
            }
            (Kind::Step, Cell::Lstm, Some(_)) => {
                step!(self, "activation", "activation/variant", "cell/variant_lstm")
            }
            (Kind::Step, Cell::Gru, Some(_)) => {
                step!(self, "activation", "activation/variant", "cell/variant_gru")
            }
            (Kind::Scan, Cell::Rnn(_), None) => scan!(self, "activation", "cell/rnn"),
            (Kind::Scan, Cell::Lstm, None) => scan!(self, "activation", "cell/lstm"),
            (Kind::Scan, Cell::Gru, None) => scan!(self, "activation", "cell/gru"),
            (Kind::Scan, Cell::Rnn(_), Some(_)) => {
                scan!(self, "activation", "activation/variant", "cell/variant_rnn")
            }
            (Kind::Scan, Cell::Lstm, Some(_)) => {
                scan!(self, "activation", "activation/variant", "cell/variant_lstm")
            }
            (Kind::Scan, Cell::Gru, Some(_)) => {
                scan!(self, "activation", "activation/variant", "cell/variant_gru")
            }
        }
    }

    pub(super) fn entry_point(&self) -> &'static str {
        match self.kind {
            Kind::InputProduct => "input_product",
            Kind::Step => "step",
            Kind::Projection => "projection",
            Kind::Candidate => "candidate",
            Kind::Scan => "scan",
            Kind::Gather => "gather",
            Kind::Scatter => "scatter",
        }
    }

    pub(super) fn tiling(&self) -> Tiling {
        self.tiling
    }

    /// Returns the bytes of workgroup memory: the arrays of `scan`, or a tile of vectors and the start of
    /// each row's vector.
    pub(super) fn workgroup_bytes(&self) -> u64 {
        match self.kind {
            Kind::Scan => self.memory.bytes(self.precision),
            Kind::Gather | Kind::Scatter => 0,
            _ if self.subgroups => 0,
            _ => u64::from(self.tiling.rows) * (64 * 16 + 4),
        }
    }

    /// Returns the names and values of the overrides.
    pub(super) fn overrides(&self) -> Vec<(&'static str, f64)> {
        let flag = |value: bool| f64::from(u8::from(value));
        if !self.is_product() {
            return Vec::new();
        }
        let mut overrides =
            vec![("UNITS", f64::from(self.tiling.units)), ("ROWS", f64::from(self.tiling.rows))];
        if self.kind == Kind::InputProduct {
            #[allow(clippy::cast_precision_loss, reason = "one to four")]
            overrides.push(("CELL_GATES", self.cell.gates() as f64));
        }
        if matches!(self.kind, Kind::Step | Kind::Scan) {
            overrides.push(("HOISTED", flag(self.hoisted)));
            overrides.push(("TWO_PRODUCTS", flag(self.two_products)));
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
        }
        if self.kind == Kind::Candidate {
            overrides.push(("HOISTED", flag(self.hoisted)));
        }
        overrides.extend(self.any.iter().flat_map(VariantSpec::overrides));
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

#[cfg(test)]
mod tests;
