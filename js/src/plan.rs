//! What a GPU does for a call.

use wasm_bindgen::prelude::wasm_bindgen;
#[cfg(feature = "gpu")]
use wgpu_rnn::{Error, Layer};

/// The plan of a layer's forward pass over one shape.
#[wasm_bindgen(getter_with_clone)]
#[derive(Clone, Debug)]
pub struct Plan {
    /// N.
    pub batch: usize,
    /// T.
    pub steps: usize,
    /// The strategy's name.
    pub strategy: String,
    /// The number of dispatches.
    pub dispatches: usize,
    /// The bytes of all buffers, those of the host included.
    pub bytes: f64,
    /// Everything else, as `wgpu-rnn plan` prints it.
    pub text: String,
}

#[cfg(feature = "gpu")]
impl Plan {
    /// Returns none for a layer that is not on a GPU.
    ///
    /// # Errors
    ///
    /// The library's.
    pub fn of(layer: &Layer, batch: usize, steps: usize) -> Result<Option<Plan>, Error> {
        let report = layer.plan(batch, steps)?;
        Ok(report.map(|report| Plan {
            batch,
            steps,
            strategy: report.strategy.to_string(),
            dispatches: report.dispatches.iter().map(|dispatch| dispatch.times).sum(),
            #[allow(clippy::cast_precision_loss, reason = "no buffers have 2^53 bytes")]
            bytes: report.bytes() as f64,
            text: report.to_string(),
        }))
    }
}
