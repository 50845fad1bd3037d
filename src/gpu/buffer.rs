//! Makes and maps buffers without wgpu's panics.

use futures_intrusive::channel::shared::{OneshotReceiver, oneshot_channel};
use wgpu::{Buffer, BufferAsyncError, BufferDescriptor, BufferUsages, MapMode};

use super::Gpu;
use crate::Error;

pub(super) type Mapped = OneshotReceiver<Result<(), BufferAsyncError>>;

impl Gpu {
    /// Makes a buffer without contents. The error scopes of the caller catch its errors.
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

    /// Makes a buffer with contents, whose size must be a multiple of 4.
    ///
    /// `DeviceExt::create_buffer_init` would panic if memory runs out or the device is lost.
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

pub(super) fn map(buffer: &Buffer, mode: MapMode) -> Mapped {
    let (sender, receiver) = oneshot_channel();
    buffer.map_async(mode, .., move |result| {
        // This fails if the receiver was dropped, that is, if no call waits any more.
        let _ = sender.send(result);
    });
    receiver
}
