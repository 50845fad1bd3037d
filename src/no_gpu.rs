//! What stands for the GPU backend in a build without the feature `gpu`. There is no value of these types, and
//! asking for a GPU is an error that names the feature.

use std::convert::Infallible;
use std::fmt;

use ndarray::Array3;

use crate::batch::Batch;
use crate::error::Fault;
use crate::session::state::Active;
use crate::{AdapterChoice, Error, LayerOptions, Output, State, Weights};

/// A GPU that layers run on. This build has none: it lacks the feature `gpu`.
#[derive(Clone, Debug)]
pub struct Gpu(Infallible);

impl Gpu {
    /// Fails, since this build lacks the feature `gpu`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Device`](crate::ErrorKind::Device) names the feature.
    pub async fn new_async(choice: &AdapterChoice) -> Result<Self, Error> {
        let _ = choice;
        Err(Error::from(Fault::NoFeature))
    }

    /// Returns whether the adapter is a software driver, which runs on the CPU.
    pub fn is_software(&self) -> bool {
        match self.0 {}
    }
}

impl fmt::Display for Gpu {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {}
    }
}

/// A layer on a GPU, which this build has not.
pub(crate) enum GpuLayer {}

impl GpuLayer {
    pub(crate) async fn new_async(gpu: &Gpu, _: &Weights, _: &LayerOptions) -> Result<Self, Error> {
        match gpu.0 {}
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn run(&self, _: &Batch<'_>) -> Result<Output, Error> {
        match *self {}
    }

    pub(crate) async fn run_async(&self, _: &Batch<'_>) -> Result<Output, Error> {
        match *self {}
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn run_timed(&self, _: &Batch<'_>) -> Result<Output, Error> {
        match *self {}
    }

    pub(crate) async fn run_timed_async(&self, _: &Batch<'_>) -> Result<Output, Error> {
        match *self {}
    }
}

/// A session on a GPU, which this build has not.
pub(crate) enum GpuSession {}

impl GpuSession {
    pub(crate) async fn new(layer: &GpuLayer, _: usize) -> Result<Self, Error> {
        match *layer {}
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn push(&mut self, _: &Batch<'_>, _: Active<'_>) -> Result<Array3<f32>, Error> {
        match *self {}
    }

    pub(crate) async fn push_async(&mut self, _: &Batch<'_>, _: Active<'_>) -> Result<Array3<f32>, Error> {
        match *self {}
    }

    pub(crate) fn reset(&mut self, _: Active<'_>) {
        match *self {}
    }

    pub(crate) async fn set(&mut self, _: Active<'_>, _: &State<'_>) -> Result<(), Error> {
        match *self {}
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn state(&self) -> Result<State<'static>, Error> {
        match *self {}
    }

    pub(crate) async fn state_async(&self) -> Result<State<'static>, Error> {
        match *self {}
    }
}
