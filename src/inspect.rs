//! Plans, kernels and the limits of a device as plain data.
//!
//! A program that only runs layers does not need this module. [`PlanReport`] answers what a forward pass
//! dispatches and how much memory it takes, also for a device that is not there. [`kernels`] returns the text
//! of every kernel, for tools that measure or translate kernels.

pub use crate::gpu::{Capabilities, DispatchReport, KernelSource, PlanReport, kernels};
