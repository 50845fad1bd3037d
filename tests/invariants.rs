//! What must not change a result: a second run, the neighbours in a batch, strides, the way of calling.

use std::thread;

use wgpu_rnn::ndarray::{Array1, Array2, Array3, Axis, Ix2, Ix3, IxDyn, aview1, s};
use wgpu_rnn::{Config, Input, Layer, Output, Precision, State, Weights, reference, tolerance};

use crate::case::{state, with_lengths};
use crate::harness::{assert_same_bits, assert_within, bits, on_each, random};

/// One of each cell, with everything that a layer can have.
fn everything() -> [Config; 6] {
    let all = [
        Config::rnn(5, 9),
        Config::rnn_relu(5, 9),
        Config::lstm(5, 9),
        Config::lstm(5, 9).proj_size(4),
        Config::gru(5, 9),
        Config::gru(5, 9).reset_after(false),
    ];
    all.map(|config| config.num_layers(2).bidirectional(true))
}

/// Weights, an input, a state and lengths for a configuration.
struct Batch {
    weights: Weights,
    input: Array3<f32>,
    h_0: Array3<f32>,
    c_0: Option<Array3<f32>>,
    lengths: Vec<usize>,
}

impl Batch {
    fn new(config: Config, n: usize, t: usize) -> Self {
        let states = config.num_layers * config.directions();
        let c_0 = config.cell.has_cell_state().then(|| random((states, n, config.hidden_size), 1.0, 23));
        Batch {
            weights: Weights::seeded(config, 20).unwrap(),
            input: random((n, t, config.input_size), 1.0, 21),
            h_0: random((states, n, config.hidden_output_size()), 1.0, 22),
            c_0,
            lengths: (0..n).map(|row| row * 7 % (t + 1)).collect(),
        }
    }

    fn input(&self) -> Input<'_> {
        with_lengths(&self.input, Some(&self.lengths)).state(self.state())
    }

    fn state(&self) -> State<'_> {
        state(Some(&self.h_0), self.c_0.as_ref())
    }

    fn run(&self, layer: &Layer) -> Output {
        layer.forward(&self.input()).unwrap()
    }

    /// Some of the rows as a batch of their own.
    fn rows(&self, rows: &[usize]) -> Batch {
        Batch {
            weights: self.weights.clone(),
            input: self.input.select(Axis(0), rows),
            h_0: self.h_0.select(Axis(1), rows),
            c_0: self.c_0.as_ref().map(|c_0| c_0.select(Axis(1), rows)),
            lengths: rows.iter().map(|&row| self.lengths[row]).collect(),
        }
    }
}

fn rows_of(output: &Output, rows: &[usize]) -> Output {
    let mut found = output.clone();
    found.output = output.output.select(Axis(0), rows);
    found.h_n = output.h_n.select(Axis(1), rows);
    found.c_n = output.c_n.as_ref().map(|c_n| c_n.select(Axis(1), rows));
    found
}

#[test]
fn a_second_run_gives_the_same_bits() {
    on_each(|implementation| {
        for config in everything() {
            let batch = Batch::new(config, 6, 5);
            let layer = implementation.layer(&batch.weights);
            let first = batch.run(&layer);
            // A call of another shape in between must leave nothing behind.
            Batch::new(config, 2, 9).run(&layer);
            assert_same_bits(&batch.run(&layer), &first, &format!("{config}, the same layer"));
            assert_same_bits(&batch.run(&layer.clone()), &first, &format!("{config}, a clone"));
            assert_same_bits(
                &batch.run(&implementation.layer(&batch.weights)),
                &first,
                &format!("{config}, a new layer"),
            );
        }
    });
}

#[test]
fn a_row_does_not_depend_on_its_neighbours() {
    on_each(|implementation| {
        for config in everything() {
            let batch = Batch::new(config, 35, 4);
            let layer = implementation.layer(&batch.weights);
            let all = batch.run(&layer);
            for rows in [&[0][..], &[34], &[17, 3], &[33, 34, 0, 1, 2, 16, 15, 31, 32]] {
                let some = batch.rows(rows).run(&layer);
                assert_same_bits(&some, &rows_of(&all, rows), &format!("{config}, rows {rows:?}"));
            }
        }
    });
}

#[test]
fn forward_async_gives_the_same_bits() {
    on_each(|implementation| {
        for config in everything() {
            let batch = Batch::new(config, 3, 4);
            let layer = implementation.layer(&batch.weights);
            let polled = pollster::block_on(layer.forward_async(&batch.input())).unwrap();
            assert_same_bits(&polled, &batch.run(&layer), &config.to_string());
        }
    });
}

#[test]
fn a_dropped_future_leaves_the_layer_usable() {
    on_each(|implementation| {
        let batch = Batch::new(everything()[2], 3, 4);
        let layer = implementation.layer(&batch.weights);
        let before = batch.run(&layer);
        drop(layer.forward_async(&batch.input()));
        let input = batch.input();
        let mut started = Box::pin(layer.forward_async(&input));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = started.as_mut().poll(&mut context);
        drop(started);
        assert_same_bits(&batch.run(&layer), &before, "after a dropped future");
    });
}

#[test]
fn threads_may_share_a_layer() {
    on_each(|implementation| {
        let batches = [2, 5].map(|n| Batch::new(everything()[4], n, 6));
        let layer = implementation.layer(&batches[0].weights);
        let alone = batches.each_ref().map(|batch| bits(&batch.run(&layer)));
        thread::scope(|scope| {
            for (batch, alone) in batches.iter().zip(&alone) {
                let layer = &layer;
                scope.spawn(move || (0..5).for_each(|_| assert_eq!(bits(&batch.run(layer)), *alone)));
            }
        });
    });
}

#[test]
fn strides_do_not_matter() {
    on_each(|implementation| {
        for config in everything() {
            let batch = Batch::new(config, 3, 4);
            let layer = implementation.layer(&batch.weights);
            let expected = batch.run(&layer);
            // Time-first in memory; then every axis walked backwards over a reversed copy.
            let transposed = |values: &Array3<f32>| {
                values.view().permuted_axes([1, 2, 0]).as_standard_layout().into_owned()
            };
            let reversed = |values: &Array3<f32>| {
                values.slice(s![..;-1, ..;-1, ..;-1]).as_standard_layout().into_owned()
            };
            let (turned, h_0, c_0) =
                (transposed(&batch.input), transposed(&batch.h_0), batch.c_0.as_ref().map(transposed));
            let mut given = State::from(h_0.view().permuted_axes([2, 0, 1]));
            given.c_0 = c_0.as_ref().map(|c_0| c_0.view().permuted_axes([2, 0, 1]).into());
            let input = Input::new(turned.view().permuted_axes([2, 0, 1])).lengths(&batch.lengths);
            assert_same_bits(
                &layer.forward(input.state(given)).unwrap(),
                &expected,
                &format!("{config}, transposed"),
            );

            let (turned, h_0, c_0) =
                (reversed(&batch.input), reversed(&batch.h_0), batch.c_0.as_ref().map(reversed));
            let mut given = State::from(h_0.slice(s![..;-1, ..;-1, ..;-1]));
            given.c_0 = c_0.as_ref().map(|c_0| c_0.slice(s![..;-1, ..;-1, ..;-1]).into());
            let input = Input::new(turned.slice(s![..;-1, ..;-1, ..;-1])).lengths(&batch.lengths);
            assert_same_bits(
                &layer.forward(input.state(given)).unwrap(),
                &expected,
                &format!("{config}, reversed"),
            );
        }
    });
}

#[test]
fn a_broadcast_input_is_as_good_as_its_copy() {
    let vector = [0.5f32, -1.0, 2.0, 0.25, -3.0];
    let vector = aview1(&vector);
    let (broadcast, copy) =
        (vector.broadcast((3, 4, 5)).unwrap(), vector.broadcast((3, 4, 5)).unwrap().to_owned());
    on_each(|implementation| {
        for config in everything() {
            let layer = implementation.layer(&Weights::seeded(config, 2).unwrap());
            let result = |view| layer.forward(&Input::new(view)).unwrap();
            assert_same_bits(&result(broadcast), &result(copy.view()), &config.to_string());
        }
    });
}

/// The GPU and the CPU backend keep the state in f32, so it loses nothing between two calls. The reference computes in f64,
/// and the state that it returns is rounded.
#[test]
fn a_sequence_may_be_run_in_pieces() {
    on_each(|implementation| {
        for config in everything().map(|config| config.bidirectional(false)) {
            let mut batch = Batch::new(config, 3, 9);
            batch.lengths = vec![9; 3];
            let layer = implementation.layer(&batch.weights);
            let whole = batch.run(&layer);
            let pieces = in_pieces(&layer, &batch, &[4, 1, 4]);
            if !implementation.is_reference() {
                assert_same_bits(&pieces, &whole, &config.to_string());
            }
            let expected = reference::forward(&batch.weights, &batch.input()).unwrap();
            let tolerance = tolerance::forward(&batch.weights, Precision::F32, &batch.input()).unwrap();
            assert_within(&config.to_string(), &pieces, &expected, &tolerance);
        }
    });
}

fn in_pieces(layer: &Layer, batch: &Batch, steps: &[usize]) -> Output {
    let mut whole: Option<Output> = None;
    let mut start = 0;
    for &steps in steps {
        let state = whole.as_ref().map_or(batch.state(), State::from);
        let input = Input::new(batch.input.slice(s![.., start..start + steps, ..])).state(state);
        let mut piece = layer.forward(&input).unwrap();
        if let Some(whole) = &whole {
            let both = [whole.output.view(), piece.output.view()];
            piece.output =
                wgpu_rnn::ndarray::concatenate(Axis(1), &both).unwrap().as_standard_layout().into_owned();
        }
        whole = Some(piece);
        start += steps;
    }
    assert_eq!(start, batch.input.dim().1);
    whole.unwrap()
}

/// Drivers on the CPU may leave a kernel's loops early when there are too many rounds, and say nothing.
#[test]
fn long_sequences_are_walked_to_their_end() {
    for (config, n) in [(Config::rnn(3, 128), 1), (Config::lstm(2, 24), 4), (Config::gru(2, 20), 9)] {
        let t = 1500;
        let batch = Batch { lengths: vec![t; n], ..Batch::new(config, n, t) };
        let input = batch.input();
        let expected = reference::forward(&batch.weights, &input).unwrap();
        let tolerance = tolerance::forward(&batch.weights, Precision::F32, &input).unwrap();
        on_each(|implementation| {
            let found = batch.run(&implementation.layer(&batch.weights));
            assert_within(&format!("{config}, N={n}"), &found, &expected, &tolerance);
        });
    }
}

#[test]
fn a_batch_without_rows_gives_empty_results() {
    on_each(|implementation| {
        for config in everything() {
            let batch = Batch::new(config, 0, 4);
            let layer = implementation.layer(&batch.weights);
            let polled = pollster::block_on(layer.forward_async(&batch.input())).unwrap();
            for result in [batch.run(&layer), polled] {
                assert_eq!(result.output.shape(), [0, 4, config.output_size()]);
                assert_eq!(result.h_n.shape(), [4, 0, config.hidden_output_size()]);
                let c_n = result.c_n.as_ref().map(|c_n| c_n.dim());
                assert_eq!(c_n, config.cell.has_cell_state().then_some((4, 0, config.hidden_size)));
            }
        }
    });
}

#[test]
fn rows_without_steps_keep_their_state() {
    on_each(|implementation| {
        for config in everything() {
            let mut batch = Batch::new(config, 3, 4);
            batch.lengths = vec![0; 3];
            let layer = implementation.layer(&batch.weights);
            let result = batch.run(&layer);
            assert!(result.output.iter().all(|value| value.to_bits() == 0), "{config}");
            assert_eq!(result.h_n, batch.h_0, "{config}");
            assert_eq!(result.c_n, batch.c_0, "{config}");

            batch.lengths = vec![4, 0, 4];
            let result = batch.run(&layer);
            assert!(result.output.slice(s![1, .., ..]).iter().all(|value| value.to_bits() == 0), "{config}");
            assert_eq!(result.h_n.slice(s![.., 1, ..]), batch.h_0.slice(s![.., 1, ..]), "{config}");
            assert_ne!(result.h_n.slice(s![.., 0, ..]), batch.h_0.slice(s![.., 0, ..]), "{config}");
        }
    });
}

/// Whatever stands behind a row's length, the results are the same.
#[test]
fn padding_is_not_read() {
    on_each(|implementation| {
        for config in everything() {
            let mut batch = Batch::new(config, 5, 4);
            let layer = implementation.layer(&batch.weights);
            let expected = batch.run(&layer);
            for (mut row, &length) in batch.input.outer_iter_mut().zip(&batch.lengths) {
                row.slice_mut(s![length.., ..]).fill(1e30);
            }
            assert_same_bits(&batch.run(&layer), &expected, &config.to_string());
        }
    });
}

#[test]
fn full_lengths_are_no_lengths() {
    on_each(|implementation| {
        for config in everything() {
            let mut batch = Batch::new(config, 3, 4);
            batch.lengths = vec![4; 3];
            let layer = implementation.layer(&batch.weights);
            let without = layer.forward(Input::new(&batch.input).state(batch.state())).unwrap();
            assert_same_bits(&batch.run(&layer), &without, &config.to_string());
        }
    });
}

#[test]
fn a_state_that_is_not_given_is_zero() {
    on_each(|implementation| {
        for config in everything() {
            let mut batch = Batch::new(config, 3, 4);
            let layer = implementation.layer(&batch.weights);
            let hidden_only = layer.forward(batch.input().state(batch.h_0.view())).unwrap();
            batch.c_0.iter_mut().for_each(|c_0| c_0.fill(0.0));
            assert_eq!(bits(&hidden_only), bits(&batch.run(&layer)), "{config}, c_0");
            batch.h_0.fill(0.0);
            let nothing = layer.forward(with_lengths(&batch.input, Some(&batch.lengths))).unwrap();
            assert_same_bits(&nothing, &batch.run(&layer), &format!("{config}, h_0"));
        }
    });
}

#[test]
fn an_input_without_a_batch_is_a_batch_of_one() {
    on_each(|implementation| {
        for config in everything() {
            let batch = Batch::new(config, 1, 4);
            let layer = implementation.layer(&batch.weights);
            let batched = layer.forward(Input::new(&batch.input).state(batch.state())).unwrap();
            let flat =
                |values: &Array3<f32>, axis| -> Array2<f32> { values.index_axis(Axis(axis), 0).to_owned() };
            let (input, h_0) = (flat(&batch.input, 0), flat(&batch.h_0, 1));
            let c_0 = batch.c_0.as_ref().map(|c_0| flat(c_0, 1));
            let mut given = State::<Ix2>::from(h_0.view());
            given.c_0 = c_0.as_ref().map(|c_0| c_0.view().into());
            let unbatched = layer.forward(Input::new(&input).state(given)).unwrap();
            assert_eq!(unbatched.output.shape(), [4, config.output_size()]);
            assert_eq!(unbatched.h_n.shape(), [4, config.hidden_output_size()]);
            assert_same_bits(&unbatched, &batched, &config.to_string());
        }
    });
}

#[test]
fn the_rank_need_not_be_part_of_the_type() {
    on_each(|implementation| {
        for config in everything() {
            let batch = Batch::new(config, 3, 4);
            let layer = implementation.layer(&batch.weights);
            let mut given = State::<IxDyn>::from(batch.h_0.view().into_dyn());
            given.c_0 = batch.c_0.as_ref().map(|c_0| c_0.view().into_dyn().into());
            let input = Input::new(batch.input.view().into_dyn()).lengths(&batch.lengths);
            let dynamic = layer.forward(input.state(given)).unwrap();
            assert_same_bits(&dynamic, &batch.run(&layer), &config.to_string());
            assert!(dynamic.output.into_dimensionality::<Ix3>().is_ok());

            let one: Array1<f32> = random(5, 1.0, 1);
            let row = one.broadcast(IxDyn(&[4, 5])).unwrap();
            let unbatched = layer.forward(&Input::new(row)).unwrap();
            assert_eq!((unbatched.output.ndim(), unbatched.h_n.ndim()), (2, 2), "{config}");
        }
    });
}
