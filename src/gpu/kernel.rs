//! The kernels: what identifies each of them, its source, its overrides, and the cache of pipelines.

mod copy;
mod files;
mod pipelines;
mod tiling;
mod uniforms;
mod unrolled;
mod variant;

pub(super) use copy::Vectors;
pub(super) use files::{File, file};
pub(super) use pipelines::Kernels;
pub(super) use tiling::{
    BLOCKS_AT_ONCE, BLOCKS_BYTES, BLOCKS_UNITS, MAX_ROWS, MAX_UNITS, MIN_UNITS, MIN_WORKGROUP_BYTES,
    ScanMemory, TILE_BYTES, TILED_STEP_ROWS, TILED_STEP_UNITS, TILED_UNITS, Tiling, WORKGROUP_BYTES,
    WeightsIn, tiled_bytes,
};
pub(super) use uniforms::{DispatchParams, Exchange, FRESH, LayerDims, NOBODY};
pub(super) use unrolled::{LANES, Unrolled};
pub(super) use variant::variant_overrides;

use crate::Precision;

/// The number of storage buffers that a kernel binds.
pub(super) const STORAGE_BUFFERS: u32 = 8;

/// A kernel with the values of its overrides. It identifies a pipeline: layers with equal kernels share it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct KernelSpec {
    pub(super) entry_point: &'static str,
    /// The name for people, such as `scan LSTM projected 64x8`.
    pub(super) name: String,
    /// The files whose concatenation is the source.
    pub(super) files: Vec<File>,
    /// What the text that follows the files depends on, if the kernel has weights in registers.
    pub(super) unrolled: Option<Unrolled>,
    pub(super) overrides: Vec<Override>,
    pub(super) tiling: Tiling,
    /// The bytes of workgroup memory.
    pub(super) workgroup_bytes: u64,
    pub(super) precision: Precision,
    /// Whether the kernel multiplies matrices; the others move vectors.
    pub(super) is_product: bool,
    /// Whether the rows' vectors are shared through subgroups.
    pub(super) subgroups: bool,
    /// Whether wgpu adds bounds checks.
    pub(super) checked: bool,
}

/// The value of an override.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Override {
    name: &'static str,
    /// The bits of an f64.
    bits: u64,
}

impl Override {
    pub(super) fn new(name: &'static str, value: impl Into<f64>) -> Self {
        Override { name, bits: value.into().to_bits() }
    }
}

impl KernelSpec {
    /// Returns a kernel that moves vectors between buffers. It is the same for every layer.
    pub(super) fn mover(entry_point: &'static str, file: File, units: u32, checked: bool) -> Self {
        KernelSpec {
            entry_point,
            name: entry_point.to_owned(),
            files: vec![file],
            unrolled: None,
            overrides: Vec::new(),
            tiling: Tiling { units, rows: 1, weights: WeightsIn::Buffer },
            workgroup_bytes: 0,
            precision: Precision::F32,
            is_product: false,
            subgroups: false,
            checked,
        }
    }

    /// Returns the WGSL source.
    pub(super) fn source(&self) -> String {
        let mut source: String = self.files.iter().map(|file| file.text).collect();
        source.extend(self.unrolled.map(Unrolled::text));
        source
    }

    /// Returns the names and values of the overrides.
    pub(super) fn overrides(&self) -> Vec<(&'static str, f64)> {
        self.overrides.iter().map(|&Override { name, bits }| (name, f64::from_bits(bits))).collect()
    }
}

#[cfg(test)]
mod tests;
