//! Making buffers without wgpu's panics.

use wgpu::{Buffer, BufferDescriptor, BufferUsages};

use super::Gpu;
use crate::Error;

impl Gpu {
    /// An empty buffer; errors are for the scopes around it.
    pub(super) fn buffer(
        &self,
        label: &str,
        size: u64,
        usage: BufferUsages,
        mapped_at_creation: bool,
    ) -> Buffer {
        #[cfg(test)]
        self.counts().buffer(label, size);
        self.device().create_buffer(&BufferDescriptor { label: Some(label), size, usage, mapped_at_creation })
    }

    /// A buffer with contents, whose size is a multiple of 4. `DeviceExt::create_buffer_init` panics where memory or the
    /// device is gone.
    pub(super) fn buffer_with(
        &self,
        label: &str,
        contents: &[u8],
        usage: BufferUsages,
    ) -> Result<Buffer, Error> {
        let buffer = self.buffer(label, contents.len() as u64, usage, true);
        match buffer.get_mapped_range_mut(..) {
            Ok(mut view) => view.copy_from_slice(contents),
            Err(reason) => return Err(self.unmapped(reason)),
        }
        buffer.unmap();
        Ok(buffer)
    }
}
