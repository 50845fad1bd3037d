//! Threads for the work that would block an async call: waiting, submitting, compiling and making buffers. Some
//! drivers block the thread that submits until the GPU reaches the submission (lavapipe of Mesa 22.3, while
//! it is busy).
//!
//! The threads live as long as the device, because wgpu 30 keeps data for every thread that ever opened an
//! error scope.
//!
//! `tools/interleavings` compiles this file with loom's threads and tries every order of them.

use super::sync::{Builder, Mutex, OneshotReceiver, PoisonError, Sender, channel, oneshot_channel};
use crate::Error;
use crate::error::Fault;

type Job = Box<dyn FnOnce() + Send>;

/// A thread that runs jobs in the order in which it receives them. The first job starts the thread.
pub(super) struct Worker {
    name: &'static str,
    jobs: Mutex<Option<Sender<Job>>>,
}

impl Worker {
    pub(super) fn new(name: &'static str) -> Self {
        Worker { name, jobs: Mutex::new(None) }
    }

    /// Runs `work` on the thread, even if no caller waits for the result.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<OneshotReceiver<T>, Error> {
        let (sender, receiver) = oneshot_channel();
        self.send(move || {
            // This fails if the receiver was dropped, that is, if the result is no longer wanted.
            let _ = sender.send(work());
        })?;
        Ok(receiver)
    }

    /// Runs `job` on the thread.
    pub(super) fn send(&self, job: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        let job: Job = Box::new(job);
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let job = match &*jobs {
            Some(sender) => match sender.send(job) {
                Ok(()) => return Ok(()),
                // The thread is gone after a panic in one of the caller's callbacks.
                Err(returned) => returned.0,
            },
            None => job,
        };
        let (sender, receiver) = channel::<Job>();
        Builder::new()
            .name(self.name.into())
            .spawn(move || receiver.into_iter().for_each(|job| job()))
            .map_err(|reason| {
                Error::from(Fault::OutOfMemory { found: format!("no thread for {}: {reason}", self.name) })
            })?;
        // This cannot fail: the receiver is alive until this sender is dropped.
        let _ = sender.send(job);
        *jobs = Some(sender);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_done_in_order_also_after_one_that_panicked() {
        let worker = Worker::new("a test");
        let order = std::sync::Arc::new(Mutex::new(Vec::new()));
        let push = |place: usize| {
            let order = std::sync::Arc::clone(&order);
            worker.run(move || order.lock().unwrap().push(place)).unwrap()
        };
        let done: Vec<_> = (0..9).map(push).collect();
        done.into_iter().for_each(|done| pollster::block_on(done.receive()).unwrap());
        assert_eq!(*order.lock().unwrap(), (0..9).collect::<Vec<_>>());
        let broken = worker.run(|| panic!("not ours")).unwrap();
        assert!(pollster::block_on(broken.receive()).is_none());
        // The thread may take a moment to end.
        while pollster::block_on(push(9).receive()).is_none() {}
        assert_eq!(order.lock().unwrap().last(), Some(&9));
    }
}
