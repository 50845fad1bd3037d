//! The kernels: what identifies each of them, its source, its overrides, and the cache of pipelines.

mod copy;
mod files;
mod pipelines;
mod tiling;
mod uniforms;
mod variant;

pub(super) use copy::{COPY_UNITS, Vectors};
pub(super) use pipelines::Kernels;
pub(super) use tiling::{
    MAX_ROWS, MAX_UNITS, MIN_UNITS, MIN_WORKGROUP_BYTES, ScanMemory, Tiling, WORKGROUP_BYTES,
};
pub(super) use uniforms::{DispatchParams, Exchange, FRESH, LayerDims, NOBODY};
pub(super) use variant::VariantSpec;

use crate::{Cell, Nonlinearity, Precision};

/// The number of storage buffers that a kernel binds.
pub(super) const STORAGE_BUFFERS: u32 = 8;

/// The entry point of a kernel that a plan dispatches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Computes the input products of a chunk of steps.
    InputProduct,
    /// Computes one step.
    Step,
    /// Computes the projection of one step's hidden state.
    Projection,
    /// Computes the gate n of one step and with it the hidden state, for a GRU that resets before the
    /// recurrent product.
    Candidate,
    /// Computes a chunk of steps.
    Scan,
    /// Copies the state of the session's rows that have input to the pass, before it.
    Gather,
    /// Copies the state back to the session, after the pass.
    Scatter,
}

impl Kind {
    /// Returns whether the kernel computes the recurrent product of a cell.
    pub(super) fn is_recurrent(self) -> bool {
        matches!(self, Kind::Step | Kind::Scan)
    }

    /// Returns whether the kernel multiplies matrices; the others move states.
    pub(super) fn is_product(self) -> bool {
        !matches!(self, Kind::Gather | Kind::Scatter)
    }
}

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

/// The properties that determine a plan's kernel and its overrides. Properties that do not change the kernel
/// have fixed values, so that layers share pipelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct KernelSpec {
    pub(super) kind: Kind,
    pub(super) cell: Cell,
    /// If true, the input products are computed ahead of the steps.
    pub(super) hoisted: bool,
    /// Whether a step has a second product.
    pub(super) two_products: bool,
    pub(super) precision: Precision,
    pub(super) tiling: Tiling,
    /// The sizes of `scan`'s arrays in workgroup memory.
    pub(super) memory: ScanMemory,
    /// Whether the rows' vectors are shared through subgroups.
    pub(super) subgroups: bool,
    /// Whether wgpu adds bounds checks.
    pub(super) checked: bool,
    /// What ONNX's operators add to PyTorch's cell, if the layer uses any of it.
    pub(super) variant: Option<VariantSpec>,
}

impl KernelSpec {
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
            variant: None,
        }
    }

    /// Returns whether the kernel is for a GRU that resets before the recurrent product.
    pub(super) fn resets_before(&self) -> bool {
        self.variant.is_some_and(|variant| variant.resets_before)
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
        if !self.kind.is_product() {
            return Vec::new();
        }
        let mut overrides =
            vec![("UNITS", f64::from(self.tiling.units)), ("ROWS", f64::from(self.tiling.rows))];
        if self.kind == Kind::InputProduct {
            #[allow(clippy::cast_precision_loss, reason = "one to four")]
            overrides.push(("CELL_GATES", self.cell.gates() as f64));
        }
        if self.kind.is_recurrent() || self.kind == Kind::Candidate {
            overrides.push(("HOISTED", flag(self.hoisted)));
        }
        if self.kind.is_recurrent() {
            overrides.push(("TWO_PRODUCTS", flag(self.two_products)));
            match (self.cell, &self.variant) {
                (Cell::Rnn(nonlinearity), None) => {
                    overrides.push(("RELU", flag(nonlinearity == Nonlinearity::Relu)));
                }
                (Cell::Lstm, Some(variant)) => {
                    overrides.push(("INPUT_FORGET", flag(variant.input_forget)));
                    overrides.push(("PEEPHOLES", flag(variant.peepholes)));
                }
                _ => {}
            }
        }
        overrides.extend(self.variant.iter().flat_map(VariantSpec::overrides));
        if self.kind == Kind::Scan {
            overrides.push(("STATE", f64::from(self.memory.state)));
            overrides.push(("WIDE_STATE", f64::from(self.memory.wide_state)));
            overrides.push(("KEPT", f64::from(self.memory.kept)));
        }
        overrides
    }
}

impl Kernel {
    /// Returns the WGSL source.
    pub(super) fn source(&self) -> String {
        match self {
            Kernel::Planned(spec) => files::planned(spec).concat(),
            Kernel::Copy { .. } => files::COPY.to_owned(),
        }
    }

    pub(super) fn entry_point(&self) -> &'static str {
        match self {
            Kernel::Planned(spec) => spec.entry_point(),
            Kernel::Copy { .. } => "copy",
        }
    }

    pub(super) fn overrides(&self) -> Vec<(&'static str, f64)> {
        match self {
            Kernel::Planned(spec) => spec.overrides(),
            Kernel::Copy { .. } => vec![("UNITS", f64::from(COPY_UNITS))],
        }
    }

    fn is_checked(&self) -> bool {
        match self {
            Kernel::Planned(spec) => spec.checked,
            Kernel::Copy { checked } => *checked,
        }
    }
}

#[cfg(test)]
mod tests;
