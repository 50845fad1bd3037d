//! Compiles the kernels of a plan, side by side where the driver can do so.

use std::sync::Arc;

use wgpu::ComputePipeline;

use super::Gpu;
use super::kernel::KernelSpec;
use crate::Error;

impl Gpu {
    /// Returns how many of the kernels have not been compiled yet.
    pub(super) fn new_kernels(&self, kernels: &[KernelSpec]) -> usize {
        kernels.iter().filter(|spec| !self.kernels().has(spec)).count()
    }

    /// Returns the pipelines of kernels, and compiles those that are new. Call this inside error scopes.
    pub(super) fn pipelines(&self, kernels: &[KernelSpec]) -> Result<Vec<Arc<ComputePipeline>>, Error> {
        #[cfg(not(target_arch = "wasm32"))]
        self.compile_side_by_side(kernels)?;
        Ok(kernels.iter().map(|spec| self.kernels().pipeline(self.device(), spec)).collect())
    }

    /// Compiles each new kernel but the first on a thread of its own. GL has one context, which threads would take in
    /// turns. A thread that cannot be started leaves its kernel to the caller.
    #[cfg(not(target_arch = "wasm32"))]
    fn compile_side_by_side(&self, kernels: &[KernelSpec]) -> Result<(), Error> {
        use std::{panic, thread};

        if self.info().backend == wgpu::Backend::Gl {
            return Ok(());
        }
        let mut new = kernels.iter().filter(|spec| !self.kernels().has(spec));
        let Some(first) = new.next() else { return Ok(()) };
        // Error scopes belong to a thread. wgpu 30 keeps some bytes for each thread that opened one, and there is one for
        // each kernel that a call finds uncompiled.
        let compile = |spec| {
            let (_, caught) = self.catching(|| self.kernels().pipeline(self.device(), spec));
            pollster::block_on(caught)
        };
        thread::scope(|scope| {
            let start = |spec| thread::Builder::new().spawn_scoped(scope, move || compile(spec)).ok();
            let others: Vec<_> = new.filter_map(start).collect();
            self.kernels().pipeline(self.device(), first);
            let ended: Vec<_> = others.into_iter().map(|other| other.join()).collect();
            ended.into_iter().try_for_each(|end| end.unwrap_or_else(|panic| panic::resume_unwind(panic)))
        })
    }
}
