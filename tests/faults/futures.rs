//! Futures that are dropped, and that do not block.

use std::time::Duration;

use wgpu_rnn::{Backend, Config, Layer};

use crate::busy::busy;
use crate::harness::{bits, on_each_adapter, on_each_of};
use crate::polled::Polled;
use crate::work::{Work, ways};
use crate::{fresh, queued, watched};

/// Drops the future behind its first, second, … poll, until a poll gives the result; each time on a layer that has not run
/// yet. How often that was: a poll goes past an await point whose answer is there already.
fn dropped_at_each_point(work: &Work, layer: impl Fn() -> Layer) -> usize {
    let expected = bits(&work.run(&layer()).unwrap());
    for polls in 1.. {
        let layer = layer();
        let mut future = Polled::new(work.run_async(&layer));
        let result = future.within(polls);
        drop(future);
        // Twice, so that what the dropped one has put back is used, too.
        for _ in 0..2 {
            assert_eq!(bits(&work.run(&layer).unwrap()), expected, "{} after {polls} polls", work.name);
            let waited = Polled::new(work.run_async(&layer)).finish().unwrap();
            assert_eq!(bits(&waited), expected, "{} after {polls} polls", work.name);
        }
        if let Some(result) = result {
            assert_eq!(bits(&result.unwrap()), expected, "{}", work.name);
            return polls;
        }
    }
    unreachable!("a future that is never ready is seen to by the watchdog")
}

#[test]
fn a_future_may_be_dropped_at_every_await_point() {
    watched(|| {
        on_each_adapter(|gpu| {
            for work in ways(gpu) {
                let polls = dropped_at_each_point(&work, || work.on(gpu));
                println!("{polls} polls: {} on {gpu}", work.name);
            }
        });
    });
}

#[test]
fn a_future_on_the_cpu_may_be_dropped_at_every_await_point() {
    watched(|| {
        for backend in [Backend::Cpu, Backend::Reference] {
            let work = Work::new(Config::lstm(30, 40).num_layers(2), 9, 40);
            dropped_at_each_point(&work, || work.layer(backend.clone()));
        }
    });
}

/// The device is kept busy with something else, so that a poll that waited for it would take as long. On a
/// machine that does other work, any poll may take long once. A poll that waits takes long each time.
#[test]
fn no_poll_blocks() {
    watched(|| {
        on_each_of(queued(), |gpu| {
            for work in ways(gpu) {
                let gpu = fresh(gpu);
                let layer = work.on(&gpu);
                let time = Duration::from_secs(1);
                let longest = || {
                    busy(&gpu, time);
                    let mut future = Polled::new(work.run_async(&layer));
                    let is_early = future.poll().is_some();
                    if !is_early {
                        future.finish().unwrap();
                    }
                    println!("longest of {} polls: {:?}, {}", future.polls, future.longest, work.name);
                    if is_early { time } else { future.longest }
                };
                assert!((0..3).any(|_| longest() < time / 2), "{}", work.name);
            }
        });
    });
}

/// The pool has one thread, and that one blocks until the future is ready.
#[test]
fn a_thread_of_the_pool_may_wait_for_a_future() {
    watched(|| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let work = Work::new(Config::lstm(30, 40).num_layers(2), 9, 40);
        let check = |backend: Backend| {
            let layer = work.layer(backend);
            let expected = bits(&work.run(&layer).unwrap());
            let found = pool.install(|| pollster::block_on(work.run_async(&layer)));
            assert_eq!(bits(&found.unwrap()), expected, "{}", layer.backend());
        };
        [Backend::Cpu, Backend::Reference].into_iter().for_each(check);
        on_each_adapter(|gpu| check(Backend::Gpu(gpu.clone())));
    });
}
