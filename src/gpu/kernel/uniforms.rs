//! The uniforms of the kernels.

use bytemuck::{Pod, Zeroable};

use super::Vectors;

/// The struct `LayerDims` of `bindings.wgsl`, which documents the fields.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub(in crate::gpu) struct LayerDims {
    pub(in crate::gpu) rows: u32,
    pub(in crate::gpu) steps: u32,
    pub(in crate::gpu) hidden_size: u32,
    pub(in crate::gpu) hidden_output_size: u32,
    pub(in crate::gpu) directions: u32,
    pub(in crate::gpu) layers: u32,
    pub(in crate::gpu) input_quads: u32,
    pub(in crate::gpu) hidden_quads: u32,
    pub(in crate::gpu) first_in_weights: u32,
    pub(in crate::gpu) first_layer_weights: u32,
    pub(in crate::gpu) upper_layer_weights: u32,
    pub(in crate::gpu) first_reverse: u32,
    pub(in crate::gpu) first_unit: u32,
    pub(in crate::gpu) cell_size: u32,
}

/// The struct `DispatchParams` of `bindings.wgsl`, which documents the fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(in crate::gpu) struct DispatchParams {
    pub(in crate::gpu) first: u32,
    pub(in crate::gpu) step: u32,
    pub(in crate::gpu) count: u32,
    pub(in crate::gpu) chunk: u32,
    pub(in crate::gpu) output_stride: u32,
    pub(in crate::gpu) diagonal: u32,
}

/// The struct `Exchange` of `exchange.wgsl`, which documents the fields. The kernels `gather` and `scatter`
/// read it in place of `DispatchParams`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(in crate::gpu) struct Exchange {
    pub(in crate::gpu) slots: u32,
    pub(in crate::gpu) capacity: u32,
    pub(in crate::gpu) layers: u32,
    pub(in crate::gpu) hidden_quads: u32,
    pub(in crate::gpu) cell_size: u32,
    pub(in crate::gpu) parity: u32,
}

/// `FRESH` of `exchange.wgsl`.
pub(in crate::gpu) const FRESH: u32 = 1 << 31;
/// `NOBODY` of `exchange.wgsl`.
pub(in crate::gpu) const NOBODY: u32 = u32::MAX;

// All three use the same binding.
const _: () = assert!(size_of::<Exchange>() == size_of::<DispatchParams>());
const _: () = assert!(size_of::<Vectors>() == size_of::<DispatchParams>());
