//! The CPU backend.

use crate::batch::Batch;
use crate::{Error, Output, Weights};

/// A layer with its weights packed for the CPU.
#[derive(Debug)]
pub(crate) struct CpuLayer {
    weights: Weights,
}

impl CpuLayer {
    pub(crate) fn new(weights: &Weights) -> Self {
        CpuLayer { weights: weights.clone() }
    }

    pub(crate) fn run(&self, batch: &Batch<'_>) -> Result<Output, Error> {
        Ok(crate::reference::run::<f64>(&self.weights, batch)?.map(|&v| v as f32))
    }
}
