//! Sessions: pushes that are dropped, on devices that are busy, and devices that are lost under them.

use std::time::Duration;

use wgpu_rnn::ndarray::{Array3, s};
use wgpu_rnn::{Backend, Config, Error, ErrorKind, Input, Layer, LayerOptions, Session, Strategy, Weights};

use crate::busy::busy;
use crate::harness::{on_each_adapter, on_each_of, random};
use crate::polled::Polled;
use crate::{fresh, queued, watched};

const ROWS: usize = 3;

fn weights() -> Weights {
    Weights::seeded(Config::lstm(4, 10).num_layers(2), 3).unwrap()
}

fn layer(backend: Backend, strategy: Strategy) -> Layer {
    Layer::new(&weights(), (backend, LayerOptions { strategy, ..LayerOptions::default() })).unwrap()
}

fn input(seed: u64) -> Array3<f32> {
    random((ROWS, 3, 4), 1.0, seed)
}

/// Drops a push behind so many polls, and pushes on. Whether it was not there yet.
fn dropped_after(polls: usize, session: &mut Session, twin: &mut Session) -> bool {
    let wasted = input(7);
    let given = Input::new(wasted.view());
    let mut push = Polled::new(session.push_async(&given));
    let done = push.within(polls);
    drop(push);
    if let Some(output) = &done {
        assert_eq!(output.as_ref().unwrap(), twin.push(&given).unwrap());
    }
    // Blocking, some rows, polled: whatever comes next.
    for seed in [11, 12] {
        let next = input(seed);
        let given = Input::new(next.view());
        assert_eq!(session.push(&given).unwrap(), twin.push(&given).unwrap(), "after {polls} polls");
        assert_eq!(session.state().unwrap(), twin.state().unwrap(), "after {polls} polls");
        let waited = Polled::new(session.push_async(&given)).finish().unwrap();
        assert_eq!(waited, twin.push(&given).unwrap(), "after {polls} polls");
    }
    done.is_none()
}

#[test]
fn a_push_may_be_dropped_at_every_await_point() {
    watched(|| {
        let check = |backend: Backend| {
            for &strategy in Strategy::ALL {
                dropped_at_each_point(&layer(backend.clone(), strategy));
            }
        };
        [Backend::Cpu, Backend::Reference].into_iter().for_each(check);
        on_each_adapter(|gpu| check(Backend::Gpu(gpu.clone())));
    });
}

fn dropped_at_each_point(layer: &Layer) {
    let mut polls = 1;
    loop {
        let [mut session, mut twin] = [0, 1].map(|_| layer.session(ROWS).unwrap());
        if !dropped_after(polls, &mut session, &mut twin) {
            break;
        }
        polls += 1;
    }
    // Dropped for the second time on one session.
    let [mut session, mut twin] = [0, 1].map(|_| layer.session(ROWS).unwrap());
    for polls in 1..polls {
        dropped_after(polls, &mut session, &mut twin);
    }
}

/// The dropped push waits for the device on another thread while the next one overtakes it.
#[test]
fn a_push_that_is_submitted_late_changes_nothing() {
    watched(|| {
        on_each_of(queued(), |gpu| {
            let gpu = fresh(gpu);
            let layer = layer(Backend::Gpu(gpu.clone()), Strategy::Scan);
            let [mut session, mut twin] = [0, 1].map(|_| layer.session(ROWS).unwrap());
            let first = input(1);
            let given = Input::new(first.view());
            session.push(&given).unwrap();
            twin.push(&given).unwrap();
            for _ in 0..3 {
                busy(&gpu, Duration::from_millis(300));
                let wasted = input(5);
                let given_up = Input::new(wasted.view());
                let mut push = Polled::new(session.push_async(&given_up));
                assert!(push.poll().is_none());
                drop(push);
                for _ in 0..3 {
                    assert_eq!(session.push(&given).unwrap(), twin.push(&given).unwrap());
                }
                std::thread::sleep(Duration::from_millis(100));
                assert_eq!(session.state().unwrap(), twin.state().unwrap());
            }
        });
    });
}

#[test]
fn a_session_goes_on_from_a_saved_state_on_a_fresh_device() {
    watched(|| {
        on_each_adapter(|gpu| {
            for &strategy in Strategy::ALL {
                let lost = fresh(gpu);
                let layer = layer(Backend::Gpu(lost.clone()), strategy);
                let [before, after] = [1, 2].map(input);
                let mut session = layer.session(ROWS).unwrap();
                session.push(&Input::new(before.view())).unwrap();
                let saved = session.state().unwrap();
                let expected = session.push(&Input::new(after.view())).unwrap();

                lost.device().destroy();
                let is_lost = |error: Error| assert!(error.kind() == ErrorKind::DeviceLost, "{error}");
                let given = Input::new(after.view());
                is_lost(session.push(&given).unwrap_err());
                is_lost(session.push(Input::new(after.slice(s![..1, .., ..])).rows(&[1])).unwrap_err());
                is_lost(Polled::new(session.push_async(&given)).finish().unwrap_err());
                is_lost(session.state().unwrap_err());
                is_lost(Polled::new(session.state_async()).finish().unwrap_err());
                is_lost(session.set_state(None, &saved).unwrap_err());
                is_lost(layer.session(2).map(|_| ()).unwrap_err());

                let layer = self::layer(Backend::Gpu(fresh(gpu)), strategy);
                let mut session = layer.session(ROWS).unwrap();
                session.set_state(None, &saved).unwrap();
                assert_eq!(session.push(&given).unwrap(), expected, "{gpu}, {strategy}");
            }
        });
    });
}
