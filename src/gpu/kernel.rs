//! stub
pub(super) const STORAGE_BUFFERS: u32 = 7;
#[derive(Debug, Default)]
pub(super) struct Kernels;
