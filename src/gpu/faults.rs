//! wgpu's errors as the library's.

use std::future::Future;
use std::pin::Pin;

use wgpu::{Device, ErrorFilter, ErrorScopeGuard, WasmNotSend};

use super::Gpu;
use crate::Error;

/// Catches what goes wrong on a device between its making and [`Scopes::close`].
struct Scopes {
    /// Innermost last.
    guards: [ErrorScopeGuard; 3],
}

/// What the scopes caught; ready at once outside a browser.
#[cfg(not(target_arch = "wasm32"))]
pub(super) type Caught = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;
/// What the scopes caught, once the browser says so.
#[cfg(target_arch = "wasm32")]
pub(super) type Caught = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

impl Scopes {
    fn open(device: &Device) -> Self {
        let filters = [ErrorFilter::OutOfMemory, ErrorFilter::Internal, ErrorFilter::Validation];
        Scopes { guards: filters.map(|filter| device.push_error_scope(filter)) }
    }

    /// Ends the scopes; the first error that was caught comes out of the future.
    fn close(self, gpu: &Gpu) -> Caught {
        let (caught, gpu) = (self.end(), gpu.clone());
        Box::pin(async move { caught.await.map_or(Ok(()), |error| Err(gpu.error(error))) })
    }

    /// Ends the scopes in the reverse order of their beginning.
    fn end(self) -> impl Future<Output = Option<wgpu::Error>> + WasmNotSend {
        let [memory, internal, validation] = self.guards;
        let validation = validation.pop();
        let internal = internal.pop();
        let memory = memory.pop();
        async move { memory.await.or(internal.await).or(validation.await) }
    }
}

impl Gpu {
    /// Runs `make` at once with errors caught; the future is ready when they are known.
    pub(super) fn caught<T>(
        &self,
        make: impl FnOnce() -> Result<T, Error>,
    ) -> impl Future<Output = Result<T, Error>> {
        let (made, caught) = self.catching(make);
        async move {
            caught.await?;
            made
        }
    }

    /// Runs `make` with errors caught.
    pub(super) fn catching<T>(&self, make: impl FnOnce() -> T) -> (T, Caught) {
        let scopes = Scopes::open(self.device());
        let made = make();
        (made, scopes.close(self))
    }

    fn error(&self, error: wgpu::Error) -> Error {
        match (self.why_lost(), error) {
            (Some(found), _) => Error::DeviceLost { found },
            (None, wgpu::Error::OutOfMemory { source }) => Error::OutOfMemory { found: source.to_string() },
            (None, wgpu::Error::Validation { description: found, .. })
            | (None, wgpu::Error::Internal { description: found, .. }) => Error::Gpu { found },
        }
    }

    /// What the driver said of a loss, in place of what waiting made of it.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn explained(&self, error: Error) -> Error {
        match (error, self.lost()) {
            (Error::DeviceLost { .. }, Some(found)) => Error::DeviceLost { found },
            (error, _) => error,
        }
    }

    /// A buffer could not be mapped.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn unmapped(&self, reason: impl std::fmt::Display) -> Error {
        match self.why_lost() {
            Some(found) => Error::DeviceLost { found },
            None => Error::Gpu { found: reason.to_string() },
        }
    }

    /// A buffer could not be mapped: the device is lost, since a browser tells of anything else to the error scopes before.
    /// The callback may come later.
    #[cfg(target_arch = "wasm32")]
    pub(super) fn unmapped(&self, reason: impl std::fmt::Display) -> Error {
        Error::DeviceLost { found: self.lost().unwrap_or_else(|| reason.to_string()) }
    }

    /// For what only makes or writes buffers: a lost device says nothing of that.
    pub(super) fn check_not_lost(&self) -> Result<(), Error> {
        self.why_lost().map_or(Ok(()), |found| Err(Error::DeviceLost { found }))
    }

    /// The reason, if the device is lost. Only the device's owner hears of the loss itself; but a lost device makes
    /// buffers that cannot be mapped, and says nothing of it to the error scopes.
    #[cfg(not(target_arch = "wasm32"))]
    fn why_lost(&self) -> Option<String> {
        // Delivers what the callback has to say. Whether anything was done is of no interest.
        let _ = self.device().poll(wgpu::PollType::Poll);
        if let Some(told) = self.lost() {
            return Some(told);
        }
        let scopes = Scopes::open(self.device());
        let probe =
            self.buffer("probe", 4, wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC, true);
        let unmappable = probe.get_mapped_range_mut(..).is_err();
        let silent = pollster::block_on(scopes.end()).is_none();
        (unmappable && silent).then(|| "it makes no buffers any more".to_owned())
    }

    /// The reason, if the device is lost and the browser has said so.
    #[cfg(target_arch = "wasm32")]
    fn why_lost(&self) -> Option<String> {
        self.lost()
    }
}
