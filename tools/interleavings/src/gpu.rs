// The models of the GPU backend's threads. The library includes this text once for the right files and once for each
// broken copy.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Fault;
use crate::sync::{AtomicBool, AtomicUsize, Mutex, OneshotReceiver, Ordering, oneshot_channel, reset_clock};
use crate::{Error, NEVER, SOON};
use timer::{Answer, Timer};
use unused::Unused;
use watch::Watched;
use worker::Worker;

/// Asks for a time-out, and returns the sender of the other answer and what arrives.
fn asked(timer: &Timer, timeout: Duration) -> (Arc<Answer>, OneshotReceiver<Result<(), Error>>) {
    let (answer, result) = oneshot_channel();
    let answer = Arc::new(answer);
    timer.end(Arc::downgrade(&answer), timeout).unwrap();
    (answer, result)
}

fn is_timeout(answer: &Option<Result<(), Error>>) -> bool {
    matches!(answer, Some(Err(Error(Fault::Timeout { .. }))))
}

/// Checks that a time-out is reported, also if the thread waits for a later one, and that the thread then ends.
pub fn an_earlier_time_out_comes_first() {
    crate::explored(3, || {
        reset_clock();
        let timer = Timer::default();
        let late = asked(&timer, NEVER);
        let soon = asked(&timer, SOON);
        assert!(is_timeout(&soon.1.receive()));
        assert!(late.0.send(Ok(())).is_ok());
        assert!(matches!(late.1.receive(), Some(Ok(()))));
    });
}

/// Checks that a call gets one answer: its result or a time-out.
pub fn every_call_gets_one_answer(preemptions: usize) {
    crate::explored(preemptions, || {
        reset_clock();
        let (timer, worker) = (Timer::default(), Worker::new("wait"));
        let done = Arc::new(AtomicUsize::new(0));
        let watched = {
            let done = Arc::clone(&done);
            let wait = move || {
                done.store(1, Ordering::Relaxed);
                Ok(())
            };
            Watched::new(&worker, wait).unwrap()
        };
        let answer = watched.within(&timer, SOON).unwrap().receive();
        match answer {
            // What the thread did before its answer is seen.
            Some(Ok(())) => assert_eq!(done.load(Ordering::Relaxed), 1),
            answer => assert!(is_timeout(&answer), "{answer:?}"),
        }
    });
}

/// The jobs that ran: their thread and number.
type Ran = Arc<Mutex<Vec<(usize, usize)>>>;

/// Sends the jobs of a thread, and waits for their results.
fn send(thread: usize, jobs: usize, worker: &Worker, ran: &Ran) {
    let results: Vec<_> = (0..jobs)
        .map(|job| {
            let ran = Arc::clone(ran);
            worker.run(move || ran.lock().unwrap().push((thread, job))).unwrap()
        })
        .collect();
    results.into_iter().for_each(|result| result.receive().expect("a result"));
}

/// Checks that each job runs once, after the earlier jobs of the same thread.
pub fn jobs_keep_their_order(senders: usize, jobs: usize, preemptions: usize) {
    crate::explored(preemptions, move || {
        let (worker, ran) = (Arc::new(Worker::new("jobs")), Arc::new(Mutex::new(Vec::new())));
        let others: Vec<_> = (1..senders)
            .map(|thread| {
                let (worker, ran) = (Arc::clone(&worker), Arc::clone(&ran));
                loom::thread::spawn(move || send(thread, jobs, &worker, &ran))
            })
            .collect();
        send(0, jobs, &worker, &ran);
        others.into_iter().for_each(|other| other.join().unwrap());
        let ran = std::mem::take(&mut *ran.lock().unwrap());
        for thread in 0..senders {
            let order = ran.iter().filter(|(of, _)| *of == thread).map(|(_, job)| *job);
            assert!(order.eq(0..jobs), "jobs of thread {thread} out of order: {ran:?}");
        }
    });
}

/// Checks a call from its submission to its result, on a device that another thread destroys: the caller gets its
/// result, or that the device is lost.
pub fn a_lost_device_leaves_no_call_without_an_answer() {
    crate::explored(2, || {
        reset_clock();
        let (submitter, poller) = (Worker::new("submit"), Arc::new(Worker::new("poll")));
        let (lost, computed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let destroyer = {
            let lost = Arc::clone(&lost);
            loom::thread::spawn(move || lost.store(true, Ordering::Relaxed))
        };
        let submitted = {
            let (poller, computed) = (Arc::clone(&poller), Arc::clone(&computed));
            let submit = move || {
                computed.store(7, Ordering::Relaxed);
                let wait = move || match lost.load(Ordering::Relaxed) {
                    true => Err(Error::from(Fault::DeviceLost)),
                    false => Ok(()),
                };
                Watched::new(&poller, wait)
            };
            submitter.run(submit).unwrap()
        };
        let watched = submitted.receive().expect("the thread submits").unwrap();
        // Such a time-out needs no thread.
        let answer = watched.within(&Timer::default(), Duration::MAX).unwrap().receive();
        match answer {
            Some(Ok(())) => assert_eq!(computed.load(Ordering::Relaxed), 7),
            answer => assert!(matches!(answer, Some(Err(Error(Fault::DeviceLost)))), "{answer:?}"),
        }
        destroyer.join().unwrap();
    });
}

/// The buffers of a call: whether a call uses them, and what the calls have written.
#[derive(Default)]
struct Item {
    used: AtomicBool,
    written: AtomicUsize,
}

/// A call: it takes a workspace or makes one, writes to it, and puts it back.
fn call(unused: &Unused<Item>, made: &AtomicUsize) {
    let item = unused.take(|_| true).unwrap_or_else(|| {
        made.fetch_add(1, Ordering::Relaxed);
        Arc::default()
    });
    assert!(!item.used.swap(true, Ordering::Relaxed), "two calls use one workspace");
    item.written.store(item.written.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    item.used.store(false, Ordering::Relaxed);
    unused.put_back(item);
}

/// Checks that a call has its workspace alone, sees what the last one wrote, and that not too many are kept.
pub fn a_workspace_is_used_by_one_call(most: usize, preemptions: usize) {
    crate::explored(preemptions, move || {
        let unused = Arc::new(Unused::new(most));
        unused.put_back(Arc::new(Item::default()));
        let made = Arc::new(AtomicUsize::new(1));
        let others: Vec<_> = (0..2)
            .map(|_| {
                let (unused, made) = (Arc::clone(&unused), Arc::clone(&made));
                loom::thread::spawn(move || call(&unused, &made))
            })
            .collect();
        call(&unused, &made);
        others.into_iter().for_each(|other| other.join().unwrap());
        let made = made.load(Ordering::Relaxed);
        let kept: Vec<_> = std::iter::from_fn(|| unused.take(|_| true)).collect();
        assert_eq!(kept.len(), made.min(most));
        let written: usize = kept.iter().map(|item| item.written.load(Ordering::Relaxed)).sum();
        assert!(written == 3 || made > most, "{written} of 3 calls are seen");
    });
}
