//! Converts wgpu's errors to the crate's.

use std::future::Future;
use std::pin::Pin;

use super::Gpu;
#[cfg(not(target_arch = "wasm32"))]
use super::scopes;
use super::scopes::{Scopes, caused};
use crate::Error;
#[cfg(not(target_arch = "wasm32"))]
use crate::ErrorKind;
use crate::error::Fault;

/// The result of the scopes. Outside a browser, the future is ready at once.
#[cfg(not(target_arch = "wasm32"))]
pub(super) type Caught = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;
/// The result of the scopes. The future is ready once the browser reports it.
#[cfg(target_arch = "wasm32")]
pub(super) type Caught = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

impl Gpu {
    /// Runs `make` at once inside error scopes. The future is ready when their result is known.
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

    /// Runs `make` inside error scopes.
    pub(super) fn catching<T>(&self, make: impl FnOnce() -> T) -> (T, Caught) {
        let scopes = Scopes::open(self.device());
        let made = make();
        let (caught, gpu) = (scopes.end(), self.clone());
        (made, Box::pin(async move { caught.await.map_or(Ok(()), |error| Err(gpu.error(error))) }))
    }

    fn error(&self, error: wgpu::Error) -> Error {
        if let Some(found) = self.why_lost() {
            return caused(Fault::DeviceLost { found }, error);
        }
        let fault = match &error {
            wgpu::Error::OutOfMemory { source } => Fault::OutOfMemory { found: source.to_string() },
            wgpu::Error::Validation { description, .. } | wgpu::Error::Internal { description, .. } => {
                Fault::Gpu { found: description.clone() }
            }
        };
        caused(fault, error)
    }

    /// Replaces the error of a wait that found the device lost by the driver's own reason, if there is one.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn explained(&self, error: Error) -> Error {
        match (error, self.lost()) {
            (error, Some(found)) if error.kind() == ErrorKind::DeviceLost => {
                Error::from(Fault::DeviceLost { found })
            }
            (error, _) => error,
        }
    }

    /// Returns the error for a buffer that could not be mapped.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn unmapped(&self, reason: impl std::fmt::Display) -> Error {
        match self.why_lost() {
            Some(found) => Error::from(Fault::DeviceLost { found }),
            None => Error::from(Fault::Gpu { found: reason.to_string() }),
        }
    }

    /// Returns the error for a buffer that could not be mapped. The device is lost, since a browser reports
    /// everything else to the error scopes before. The device-lost callback may come later.
    #[cfg(target_arch = "wasm32")]
    pub(super) fn unmapped(&self, reason: impl std::fmt::Display) -> Error {
        Error::from(Fault::DeviceLost { found: self.lost().unwrap_or_else(|| reason.to_string()) })
    }

    /// Fails if the device is lost. Code that only makes or writes buffers needs this check, since a lost
    /// device reports no error there.
    pub(super) fn check_not_lost(&self) -> Result<(), Error> {
        self.why_lost().map_or(Ok(()), |found| Err(Error::from(Fault::DeviceLost { found })))
    }

    /// Returns the reason if the device is lost.
    #[cfg(not(target_arch = "wasm32"))]
    fn why_lost(&self) -> Option<String> {
        // Polling runs the device-lost callback if it is due. The result of the poll does not matter.
        let _ = self.device().poll(wgpu::PollType::Poll);
        if let Some(reason) = self.lost() {
            return Some(reason);
        }
        scopes::makes_nothing(self.device()).then(|| "it makes no buffers any more".to_owned())
    }

    /// Returns the reason if the browser has reported that the device is lost.
    #[cfg(target_arch = "wasm32")]
    fn why_lost(&self) -> Option<String> {
        self.lost()
    }
}
