//! What a GPU does for a call, as the page shows it.

use serde::Serialize;
use wgpu_rnn::{Error, Layer};

/// One layer's forward pass over one shape.
#[derive(Debug, Serialize)]
pub(crate) struct Plan {
    /// N and T.
    batch: usize,
    steps: usize,
    strategy: String,
    dispatches: usize,
    /// Of all buffers, the host's side included.
    bytes: u64,
    /// Everything else, as `wgpu-rnn plan` prints it.
    text: String,
}

impl Plan {
    /// None for a layer that is not on a GPU.
    pub(crate) fn of(layer: &Layer, batch: usize, steps: usize) -> Result<Option<Self>, Error> {
        let report = layer.plan(batch, steps)?;
        Ok(report.map(|report| Plan {
            batch,
            steps,
            strategy: report.strategy.to_string(),
            dispatches: report.dispatch_count(),
            bytes: report.bytes(),
            text: report.to_string(),
        }))
    }
}
