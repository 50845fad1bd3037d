//! Devices that do not answer in time.

use std::time::{Duration, Instant};

use wgpu_rnn::{Error, ErrorKind, Layer, LayerOptions, Output};

use crate::harness::{bits, on_each_adapter, on_each_of};
use crate::polled::Polled;
use crate::work::Work;
use crate::{fresh, queued, watched};

/// A part of what a long call takes.
const SHORT: Duration = Duration::from_millis(40);

type Call<'a> = &'a dyn Fn() -> Result<Output, Error>;

/// The layer's result, for which it may have to be asked again: it waits for what was given up before.
fn in_the_end(layer: &Layer, work: &Work) -> Output {
    loop {
        match work.run(layer) {
            Err(error) if error.kind() == ErrorKind::Timeout => {}
            result => return result.unwrap(),
        }
    }
}

#[test]
fn a_device_that_does_not_answer_in_time_is_an_error_and_the_layer_works_on() {
    watched(|| {
        on_each_of(queued(), |gpu| {
            let gpu = fresh(gpu);
            let (mut long, _) = Work::long(&gpu);
            long.options = LayerOptions { timeout: SHORT, ..long.options };
            let mut small = Work::new(*long.weights.config(), 1, 2);
            let expected = small.run(&small.on(&gpu)).unwrap();
            small.options = long.options.clone();
            let layer = long.on(&gpu);
            let calls: [(&str, Call<'_>); 3] = [
                ("forward", &|| long.run(&layer)),
                ("forward_async", &|| Polled::new(long.run_async(&layer)).finish()),
                ("timed", &|| layer.forward(long.input().timed())),
            ];
            for (what, call) in calls {
                let start = Instant::now();
                let error = call().unwrap_err();
                let text = "the device did not finish: expected an answer within 40ms";
                assert_eq!(error.to_string(), text, "{what} on {gpu}");
                assert!(start.elapsed() >= SHORT, "{what} on {gpu}: {:?}", start.elapsed());
                assert_eq!(bits(&in_the_end(&layer, &small)), bits(&expected), "{what} on {gpu}");
            }
        });
    });
}

#[test]
fn who_waits_longer_is_not_disturbed_by_who_gives_up() {
    watched(|| {
        on_each_of(queued(), |gpu| {
            let gpu = fresh(gpu);
            let (patient, expected) = Work::long(&gpu);
            let (mut impatient, _) = Work::long(&gpu);
            impatient.options = LayerOptions { timeout: SHORT, ..impatient.options };
            let layers = [&impatient, &patient].map(|work| work.on(&gpu));
            let mut gives_up = Polled::new(impatient.run_async(&layers[0]));
            // Past compiling at the second poll: submitted, with another one behind it.
            let early = gives_up.within(2);
            let mut waits = Polled::new(patient.run_async(&layers[1]));
            assert!(waits.poll().is_none());
            let error = early.unwrap_or_else(|| gives_up.finish()).unwrap_err();
            assert!(error.kind() == ErrorKind::Timeout, "{error}");
            assert_eq!(bits(&waits.finish().unwrap()), bits(&expected));
        });
    });
}

#[test]
fn no_patience_at_all_is_no_panic() {
    watched(|| {
        on_each_adapter(|gpu| {
            let gpu = fresh(gpu);
            let mut work = Work::small();
            work.options = LayerOptions { timeout: Duration::ZERO, ..work.options };
            let layer = work.on(&gpu);
            for result in [work.run(&layer), Polled::new(work.run_async(&layer)).finish()] {
                assert!(result.err().is_none_or(|error| error.kind() == ErrorKind::Timeout));
            }
            work.options = LayerOptions { timeout: Duration::MAX, ..work.options };
            let layer = work.on(&gpu);
            work.run(&layer).unwrap();
            Polled::new(work.run_async(&layer)).finish().unwrap();
        });
    });
}
