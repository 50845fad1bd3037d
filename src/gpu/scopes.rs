//! Error scopes, and the errors that wgpu reports.

use std::future::Future;

use wgpu::{Device, ErrorFilter, ErrorScopeGuard, WasmNotSend};

use crate::Error;
use crate::error::Fault;

/// Error scopes, which catch a device's errors until [`Scopes::end`].
pub(super) struct Scopes {
    /// The innermost scope is last.
    guards: [ErrorScopeGuard; 3],
}

impl Scopes {
    pub(super) fn open(device: &Device) -> Self {
        let filters = [ErrorFilter::OutOfMemory, ErrorFilter::Internal, ErrorFilter::Validation];
        Scopes { guards: filters.map(|filter| device.push_error_scope(filter)) }
    }

    /// Ends the scopes in the reverse order of their opening.
    pub(super) fn end(self) -> impl Future<Output = Option<wgpu::Error>> + WasmNotSend {
        let [memory, internal, validation] = self.guards;
        let validation = validation.pop();
        let internal = internal.pop();
        let memory = memory.pop();
        async move { memory.await.or(internal.await).or(validation.await) }
    }
}

/// Returns whether the device is lost. Only the device's owner gets the device-lost callback. But a lost device
/// makes buffers that cannot be mapped, and reports no error to the error scopes; so this function tries that.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn makes_nothing(device: &Device) -> bool {
    let scopes = Scopes::open(device);
    let probe = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("probe"),
        size: 4,
        usage: wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: true,
    });
    let unmappable = probe.get_mapped_range_mut(..).is_err();
    let silent = pollster::block_on(scopes.end()).is_none();
    unmappable && silent
}

/// Returns the error of a fault that wgpu reported.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn caused(fault: Fault, source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::because(fault, source)
}

/// Returns the error of a fault that wgpu reported. In a browser, wgpu's errors belong to the page's thread, so
/// they cannot be part of an [`Error`].
#[cfg(target_arch = "wasm32")]
pub(super) fn caused(fault: Fault, _source: impl std::error::Error + 'static) -> Error {
    Error::from(fault)
}
