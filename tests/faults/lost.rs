//! Devices that are lost.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use wgpu_rnn::wgpu::{RenderBundleDescriptor, RenderBundleEncoderDescriptor, TextureFormat};
use wgpu_rnn::{Backend, Error, ErrorKind, Gpu, Layer, Output};

use crate::harness::{bits, on_each_adapter, on_each_of};
use crate::polled::Polled;
use crate::work::{Work, ways};
use crate::{fresh, opened, queued, watched};

/// A device opened here and one that is the caller's, which tells this crate nothing of its loss.
fn ours_and_the_callers(gpu: &Gpu) -> [Gpu; 2] {
    [opened(gpu), fresh(gpu)]
}

fn assert_lost(result: Result<Output, Error>, what: &str) {
    match result {
        Err(error) if error.kind() == ErrorKind::DeviceLost => {}
        other => panic!("{what}: {other:?}"),
    }
}

/// Puts the layer on a fresh device, where it gives what it gave before.
fn assert_recovers(layer: &Layer, work: &Work, gpu: &Gpu, expected: &Output) {
    assert_lost(work.run(layer), "once lost, lost");
    let layer = Layer::new(&work.weights, (Backend::Gpu(fresh(gpu)), work.options.clone())).unwrap();
    assert_eq!(bits(&work.run(&layer).unwrap()), bits(expected), "{}", work.name);
}

#[test]
fn lost_before_the_call() {
    watched(|| {
        on_each_adapter(|gpu| {
            for lost in ours_and_the_callers(gpu) {
                let works = ways(&lost);
                let layers: Vec<Layer> = works.iter().map(|work| work.on(&lost)).collect();
                lost.device().destroy();
                for (work, layer) in works.iter().zip(&layers) {
                    for _ in 0..2 {
                        assert_lost(work.run(layer), &work.name);
                        assert_lost(Polled::new(work.run_async(layer)).finish(), &work.name);
                        assert_lost(layer.forward(work.input().timed()), &work.name);
                    }
                }
                let error = lost.flushes_subnormals().unwrap_err();
                assert!(error.kind() == ErrorKind::DeviceLost, "{error}");
                let error = Layer::new(&works[0].weights, Backend::Gpu(lost)).unwrap_err();
                assert!(error.kind() == ErrorKind::DeviceLost, "{error}");
            }
        });
    });
}

#[test]
fn lost_while_a_call_blocks() {
    watched(|| {
        on_each_of(queued(), |gpu| {
            for lost in ours_and_the_callers(gpu) {
                let (work, expected) = Work::long(&lost);
                let layer = work.on(&lost);
                work.run(&layer).unwrap();
                let result = thread::scope(|scope| {
                    let call = scope.spawn(|| work.run(&layer));
                    thread::sleep(Duration::from_millis(50));
                    lost.device().destroy();
                    call.join().expect("no panic")
                });
                assert_lost(result, &work.name);
                assert_recovers(&layer, &work, gpu, &expected);
            }
        });
    });
}

#[test]
fn lost_while_a_future_is_pending() {
    watched(|| {
        on_each_of(queued(), |gpu| {
            for lost in ours_and_the_callers(gpu) {
                let (work, expected) = Work::long(&lost);
                let layer = work.on(&lost);
                let mut future = Polled::new(work.run_async(&layer));
                future.begin();
                lost.device().destroy();
                assert_lost(future.finish(), &work.name);
                drop(future);
                assert_recovers(&layer, &work, gpu, &expected);
            }
        });
    });
}

/// Between any two polls: while kernels compile, while plans are measured, between pieces and between submissions.
#[test]
fn lost_at_any_await_point() {
    watched(|| {
        on_each_adapter(|gpu| {
            let names: Vec<String> = ways(gpu).into_iter().map(|work| work.name).collect();
            // Measuring compiles a lot, on each of the devices: with one strategy only.
            let few = names.iter().enumerate().filter(|(_, name)| !name.starts_with("step, measured"));
            for (place, name) in few.filter(|(_, name)| !name.starts_with("hoisted-step, measured")) {
                let mut lost_calls = 0;
                // Early points one by one, then some of the many that measuring has.
                for polls in [1, 2, 5, 12] {
                    let lost = fresh(gpu);
                    let work = ways(&lost).swap_remove(place);
                    let layer = work.on(&lost);
                    let mut future = Polled::new(work.run_async(&layer));
                    if future.within(polls).is_some() {
                        break;
                    }
                    lost.device().destroy();
                    match future.finish() {
                        Err(error) if error.kind() == ErrorKind::DeviceLost => lost_calls += 1,
                        // What the GPU had done by then was still to be had.
                        Ok(output) => assert_eq!(bits(&output), bits(&work.run(&work.on(gpu)).unwrap())),
                        Err(other) => panic!("{name} after {polls} polls: {other}"),
                    }
                    drop(future);
                    assert_lost(work.run(&layer), name);
                }
                assert!(lost_calls > 0, "{name}");
            }
        });
    });
}

#[test]
fn lost_while_eight_threads_call() {
    watched(|| {
        on_each_of(queued(), |gpu| {
            let lost = fresh(gpu);
            let work = Work::small();
            let layer = work.on(&lost);
            work.run(&layer).unwrap();
            thread::scope(|scope| {
                let calls: Vec<_> = (0..8)
                    .map(|_| {
                        scope.spawn(|| {
                            loop {
                                match work.run(&layer) {
                                    Ok(_) => {}
                                    result => return result,
                                }
                            }
                        })
                    })
                    .collect();
                thread::sleep(Duration::from_millis(100));
                lost.device().destroy();
                calls.into_iter().for_each(|call| assert_lost(call.join().expect("no panic"), &work.name));
            });
        });
    });
}

/// `src/gpu/poll.rs` knows a lost device by the text of wgpu's panic in `Device::poll`. No driver here loses its
/// device at that moment. But each fatal error of wgpu has this form, so this test causes another one: a draw
/// without a pipeline.
#[test]
fn wgpu_words_its_fatal_errors_as_expected() {
    watched(|| {
        on_each_adapter(|gpu| {
            let descriptor = RenderBundleEncoderDescriptor {
                color_formats: &[Some(TextureFormat::Rgba8Unorm)],
                sample_count: 1,
                ..Default::default()
            };
            let mut encoder = gpu.device().create_render_bundle_encoder(&descriptor);
            encoder.draw(0..3, 0..1);
            let finish = || drop(encoder.finish(&RenderBundleDescriptor::default()));
            let payload = catch_unwind(AssertUnwindSafe(finish)).unwrap_err();
            let message = payload.downcast_ref::<String>().unwrap();
            assert!(message.starts_with("Error in RenderBundleEncoder::finish"), "{message}");
        });
    });
}
