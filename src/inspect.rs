//! Plans and kernels as plain data.
//!
//! A program that only runs layers does not need this module. [`PlanReport`] answers what a forward pass
//! dispatches and how much memory it takes, also for a device that is not there. [`kernels`] returns the text
//! of every kernel, for tools that measure or translate kernels.

pub use crate::gpu::{DispatchReport, KernelSource, PlanReport, kernels};
use crate::{Config, Error, Gpu, LayerOptions};

impl Gpu {
    /// Plans a forward pass of N rows and T steps on this device, from the limits and the kind of its adapter.
    /// [`Layer::plan`](crate::Layer::plan) has the plan of a layer, which may be a measured one.
    ///
    /// # Errors
    ///
    /// The same as [`PlanReport::new`].
    pub fn plan(
        &self,
        config: &Config,
        rows: usize,
        steps: usize,
        options: &LayerOptions,
    ) -> Result<PlanReport, Error> {
        PlanReport::of_device(config, rows, steps, self.capabilities(), options)
    }
}
