//! A device that runs layers.

use wasm_bindgen::prelude::wasm_bindgen;
use wgpu_rnn::Backend;
#[cfg(feature = "gpu")]
use wgpu_rnn::{AdapterChoice, Gpu, LayerOptions};

#[cfg(feature = "gpu")]
use crate::{Failure, Weights};

/// A device that runs layers.
#[wasm_bindgen]
#[derive(Clone, Debug)]
pub struct Device(Backend);

impl Device {
    /// Returns the library's backend.
    pub fn backend(&self) -> &Backend {
        &self.0
    }
}

impl From<Backend> for Device {
    fn from(backend: Backend) -> Device {
        Device(backend)
    }
}

#[wasm_bindgen]
impl Device {
    /// The CPU, through WebAssembly.
    pub fn cpu() -> Device {
        Device(Backend::Cpu)
    }

    /// Returns whether it is a GPU.
    pub fn is_gpu(&self) -> bool {
        matches!(self.0, Backend::Gpu(_))
    }

    /// Returns whether it is a software adapter: a GPU driver that runs on the CPU.
    pub fn is_software(&self) -> bool {
        matches!(&self.0, Backend::Gpu(gpu) if gpu.is_software())
    }

    /// The name, such as `cpu`.
    pub fn name(&self) -> String {
        self.0.to_string()
    }
}

#[cfg(feature = "gpu")]
#[wasm_bindgen]
impl Device {
    /// The browser's GPU.
    ///
    /// # Errors
    ///
    /// The library's, if the page has none.
    pub async fn gpu() -> Result<Device, Failure> {
        Ok(Device(Backend::Gpu(Gpu::new_async(&AdapterChoice::Best).await?)))
    }

    /// Returns the device that the library chooses for a layer and for calls of `batch` rows and `steps` steps.
    pub async fn auto(weights: &Weights, batch: usize, steps: usize) -> Device {
        let options = LayerOptions::default();
        Device(Backend::auto_async(weights.0.config(), batch, steps, &options).await.backend)
    }
}
