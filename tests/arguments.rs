//! The forms in which inputs and states go into a call.

use std::future::Future;

use wgpu_rnn::ndarray::{Array3, Axis, Ix3};
use wgpu_rnn::{Config, Error, Input, Layer, Output, State, Weights};

use crate::harness::{assert_same_bits, on_each, random};

/// Starts a pass whose future borrows the arrays, and not the descriptions of them.
fn started<'a>(
    layer: &'a Layer,
    x: &'a Array3<f32>,
    h_0: &'a Array3<f32>,
    lengths: &'a [usize],
) -> impl Future<Output = Result<Output, Error>> + 'a {
    layer.forward_async(Input::new(x.view()).lengths(lengths).state(h_0.view()))
}

#[test]
fn every_form_of_the_arguments_gives_the_same_bits() {
    let weights = Weights::seeded(Config::gru(5, 7), 0).unwrap();
    let (x, h_0) = (random([3, 4, 5], 1.0, 1), random([1, 3, 7], 1.0, 2));
    on_each(|implementation| {
        let layer = implementation.layer(&weights);
        let input = Input::new(x.view()).state(h_0.view());
        let expected = layer.forward(&input).unwrap();
        let same = |found: &Output<Ix3>, what: &str| assert_same_bits(found, &expected, what);
        same(&layer.forward(Input::new(&x).state(h_0.view())).unwrap(), "an array");
        same(&layer.forward(Input::from(x.view()).state(&State::from(h_0.view()))).unwrap(), "a view");
        same(&layer.forward(input.clone()).unwrap(), "by value");
        same(&pollster::block_on(started(&layer, &x, &h_0, &[4; 3])).unwrap(), "a future");
    });
}

#[test]
fn one_step_has_one_vector_for_each_row() {
    let weights = Weights::seeded(Config::lstm(5, 7), 0).unwrap();
    let x = random([3, 1, 5], 1.0, 1);
    let frame = x.index_axis(Axis(1), 0);
    on_each(|implementation| {
        let layer = implementation.layer(&weights);
        let expected = layer.forward(&x).unwrap();
        let found = layer.forward(Input::one_step(frame)).unwrap();
        assert_same_bits(&found, &expected, &implementation.name);
    });
}
