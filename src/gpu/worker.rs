//! Threads that do for callers that do not block what would hold them: submitting, since some drivers hold whoever submits
//! until the GPU has come to it (lavapipe of Mesa 22.3 does, while it is busy); compiling and making buffers.
//!
//! They live as long as the device: wgpu 30 keeps something for every thread that ever opened an error scope.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};

use futures_intrusive::channel::shared::{OneshotReceiver, oneshot_channel};

use crate::Error;

type Job = Box<dyn FnOnce() + Send>;

/// A thread that does what it is given in that order; the first who gives it something starts it.
pub(super) struct Worker {
    name: &'static str,
    jobs: Mutex<Option<Sender<Job>>>,
}

impl Worker {
    pub(super) fn new(name: &'static str) -> Self {
        Worker { name, jobs: Mutex::default() }
    }

    /// Has the thread do something, also if nobody waits for the result.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<OneshotReceiver<T>, Error> {
        let (sender, receiver) = oneshot_channel();
        self.send(Box::new(move || {
            // A receiver that is gone means that nobody wants the result any more.
            let _ = sender.send(work());
        }))?;
        Ok(receiver)
    }

    fn send(&self, job: Job) -> Result<(), Error> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let job = match &*jobs {
            Some(sender) => match sender.send(job) {
                Ok(()) => return Ok(()),
                // The thread is gone: after a panic in a callback of the caller's.
                Err(returned) => returned.0,
            },
            None => job,
        };
        let (sender, receiver) = channel::<Job>();
        std::thread::Builder::new()
            .name(self.name.into())
            .spawn(move || receiver.into_iter().for_each(|job| job()))
            .map_err(|reason| Error::OutOfMemory {
                found: format!("no thread for {}: {reason}", self.name),
            })?;
        // The receiver is alive until this sender is dropped.
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
