//! Waits for the GPU, on the caller's thread or on another one.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use wgpu::{Device, PollError, PollStatus, PollType, SubmissionIndex};

use super::scopes::makes_nothing;
use super::timer::Timer;
use super::watch::Watched;
use super::worker::Worker;
use crate::error::Fault;
use crate::{Error, offload};

/// Waits for submissions. A blocking call waits on its own thread. For async calls, a thread of the poller
/// waits; the first async call starts it.
pub(super) struct Poller {
    device: Device,
    worker: Worker,
    timer: Timer,
}

impl Poller {
    pub(super) fn new(device: Device) -> Self {
        Poller { device, worker: Worker::new("wgpu-rnn poll"), timer: Timer::default() }
    }

    /// Blocks until the submission is done and its buffers are mapped.
    pub(super) fn wait(&self, submission: &SubmissionIndex, timeout: Duration) -> Result<(), Error> {
        let end = Instant::now().checked_add(timeout);
        loop {
            let left = end.map_or(timeout, |end| end.saturating_duration_since(Instant::now()));
            if is_done(&self.device, submission, Some(left))? {
                return Ok(());
            }
            // wgpu's GL backend stops waiting after two seconds, whatever the time-out.
            if end.is_some_and(|end| end <= Instant::now()) {
                return Err(Error::from(Fault::Timeout { expected: timeout }));
            }
        }
    }

    /// Makes the poller's thread wait for a submission. Call this in the order of the submissions, since
    /// the thread waits for one after the other.
    pub(super) fn watch(&self, submission: SubmissionIndex) -> Result<Watched, Error> {
        let device = self.device.clone();
        Watched::new(&self.worker, move || wait_for(&device, &submission))
    }

    /// Waits until a watched submission is done and its buffers are mapped.
    pub(super) async fn watched(&self, watched: Watched, timeout: Duration) -> Result<(), Error> {
        let result = watched.within(&self.timer, timeout)?;
        let gone = || {
            Error::from(Fault::DeviceLost { found: "the thread that waited for the device is gone".into() })
        };
        offload::received(result).await.unwrap_or_else(|| Err(gone()))
    }
}

/// Waits for a submission without a time-out. The timer reports a time-out to the caller that waits.
fn wait_for(device: &Device, submission: &SubmissionIndex) -> Result<(), Error> {
    while !is_done(device, submission, None)? {}
    Ok(())
}

/// Waits for a submission, for ever or up to a time-out. Returns whether it is done.
fn is_done(device: &Device, submission: &SubmissionIndex, timeout: Option<Duration>) -> Result<bool, Error> {
    let wait = PollType::Wait { submission_index: Some(submission.clone()), timeout };
    poll(|| device.poll(wait), || makes_nothing(device))
}

/// The beginning of the message of an assertion in wgpu-core's `Device::maintain`.
const ASSERTION: &str = "If the queue is empty, the current submission index ";

/// Runs a wait. Returns whether the work is done.
///
/// wgpu panics if the driver reports during the wait that the device is lost. It holds no lock then. The state
/// of the device shows this, whatever the panic says. wgpu also panics, by an assertion, if it stops waiting at
/// the moment when another thread finds all work done. In that case the work is done.
fn poll(
    wait: impl FnOnce() -> Result<PollStatus, PollError>,
    is_lost: impl FnOnce() -> bool,
) -> Result<bool, Error> {
    let lost = |found: &str| Err(Error::from(Fault::DeviceLost { found: found.trim().to_owned() }));
    match catch_unwind(AssertUnwindSafe(wait)) {
        Ok(Ok(_)) => Ok(true),
        Ok(Err(PollError::Timeout)) => Ok(false),
        // The queue of a lost device accepts no submission and reports no error.
        Ok(Err(PollError::WrongSubmissionIndex(..))) => lost("its queue did not take the work"),
        Err(payload) if is_lost() => lost(message(&*payload).unwrap_or("wgpu panicked while it waited")),
        Err(payload) if message(&*payload).is_some_and(|text| text.starts_with(ASSERTION)) => Ok(true),
        // The panic is from one of the caller's callbacks on the caller's device.
        Err(payload) => resume_unwind(payload),
    }
}

fn message(payload: &(dyn Any + Send)) -> Option<&str> {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied())
}

#[cfg(test)]
mod tests {
    use std::{fs, panic, process};

    use super::*;
    use crate::gpu::tests::gpu;

    #[test]
    fn what_wgpu_says_while_waiting_is_an_error() {
        let well = || false;
        assert!(poll(|| Ok(PollStatus::QueueEmpty), well).unwrap());
        assert!(poll(|| Ok(PollStatus::WaitSucceeded), well).unwrap());
        assert!(!poll(|| Err(PollError::Timeout), well).unwrap());
        let refused = poll(|| Err(PollError::WrongSubmissionIndex(2, 1)), well).unwrap_err();
        assert_eq!(refused.to_string(), "device lost: its queue did not take the work");
        assert!(poll(|| panic!("{ASSERTION}({}) should be", 0), well).unwrap());
    }

    /// The state of a real device decides, not the words of the panic.
    #[test]
    fn a_panic_while_the_device_is_lost_is_an_error_whatever_it_says() {
        let Some(gpu) = gpu() else { return };
        let device = gpu.device();
        let wait = || poll(|| panic!("  words of another version\n"), || makes_nothing(device));
        let payload = panic::catch_unwind(AssertUnwindSafe(wait)).unwrap_err();
        assert_eq!(message(&*payload), Some("  words of another version\n"), "it is not lost yet");
        device.destroy();
        assert_eq!(wait().unwrap_err().to_string(), "device lost: words of another version");
    }

    /// An update of wgpu that changes the assertion makes this test fail.
    #[test]
    fn the_assertion_is_that_of_the_wgpu_that_is_built() {
        let cargo = |arguments: &[&str]| {
            let mut command = process::Command::new(env!("CARGO"));
            let output = command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let version = cargo(&["--version", "--verbose"]);
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        // A build downloads the crates of its own platform only.
        let text = cargo(&["metadata", "--format-version", "1", "--offline", "--filter-platform", host]);
        let manifests = text.split("\"manifest_path\":\"").skip(1).filter_map(|rest| rest.split('"').next());
        let cores: Vec<&str> = manifests
            .filter_map(|path| path.strip_suffix("/Cargo.toml"))
            .filter(|folder| folder.rsplit('/').next().is_some_and(|name| name.starts_with("wgpu-core-3")))
            .collect();
        assert!(!cores.is_empty(), "no wgpu-core in {} bytes of metadata", text.len());
        for core in cores {
            let source = fs::read_to_string(format!("{core}/src/device/resource.rs")).unwrap();
            assert!(source.contains(&format!("\"{ASSERTION}\"")), "{core}");
        }
    }

    #[test]
    fn a_panic_of_the_callers_goes_on() {
        let payload = panic::catch_unwind(|| poll(|| panic!("not wgpu's"), || false)).unwrap_err();
        assert_eq!(message(&*payload), Some("not wgpu's"));
    }
}
