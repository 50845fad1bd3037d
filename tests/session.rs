//! Sessions: streams that come in pieces give what they give at once, and nothing but a push that is done changes a row.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use wgpu_rnn::ndarray::{Array3, Axis, CowArray, Ix3, concatenate, s, stack};
use wgpu_rnn::{
    Backend, Config, Input, Layer, LayerOptions, Output, Precision, Session, State, Strategy, Weights,
    reference, tolerance,
};

use crate::harness::{Implementation, assert_same_bits, assert_within, host, on_each, random};

const ROWS: usize = 5;

fn configs() -> [Config; 6] {
    [
        Config::rnn(3, 6).num_layers(2),
        Config::rnn_relu(4, 5),
        Config::lstm(5, 7).num_layers(3),
        Config::lstm(6, 9).proj_size(5).num_layers(2),
        Config::gru(7, 18).num_layers(2),
        Config::gru(5, 18).reset_after(false).num_layers(2),
    ]
}

fn weights(config: Config) -> Weights {
    Weights::seeded(config, 3).unwrap()
}

/// What a stream was given and what it answered, so far.
struct Stream {
    input: Array3<f32>,
    output: Array3<f32>,
}

impl Stream {
    fn new(config: &Config) -> Self {
        Stream {
            input: Array3::zeros((1, 0, config.input_size)),
            output: Array3::zeros((1, 0, config.output_size())),
        }
    }

    fn extend(&mut self, input: &Array3<f32>, output: &Array3<f32>, row: usize, steps: usize) {
        let of_row = |array: &Array3<f32>| array.slice(s![row..row + 1, ..steps, ..]).to_owned();
        self.input = concatenate![Axis(1), self.input, of_row(input)];
        self.output = concatenate![Axis(1), self.output, of_row(output)];
    }
}

/// Pushes to random rows, random numbers of steps, and now and then another stream for a row. What the rows answered, and
/// the state of all.
fn live(session: &mut Session, pushes: u64) -> (Vec<Stream>, State<'static>) {
    let config = *session.layer().config();
    let mut streams: Vec<Stream> = (0..ROWS).map(|_| Stream::new(&config)).collect();
    for push in 0..pushes {
        let dice = random(ROWS + 2, 1.0, 77 + push).mapv(|value| (value + 1.0) * 0.5);
        if dice[ROWS] < 0.15 {
            let ended = push as usize % ROWS;
            session.reset(Some(&[ended])).unwrap();
            streams[ended] = Stream::new(&config);
        }
        let mut rows: Vec<usize> = (0..ROWS).filter(|&row| dice[row] < 0.5).collect();
        rows.reverse();
        let steps = 1 + push as usize % 3;
        let lengths: Vec<usize> =
            rows.iter().map(|row| if dice[ROWS + 1] < 0.5 { steps } else { row % (steps + 1) }).collect();
        let input = random((rows.len(), steps, config.input_size), 1.0, push);
        let given = Input::new(input.view()).lengths(&lengths);
        let output = session.push(Input::from(&given).rows(&rows)).unwrap();
        assert_eq!(output.dim(), (rows.len(), steps, config.output_size()));
        for (slot, &row) in rows.iter().enumerate() {
            streams[row].extend(&input, &output, slot, lengths[slot]);
            assert!(output.slice(s![slot, lengths[slot].., ..]).iter().all(|&value| value == 0.0));
        }
    }
    (streams, session.state().unwrap())
}

/// A stream's answer with its row's final state.
fn found(stream: &Stream, saved: &State<'_>, row: usize) -> Output {
    let of_row = |array: &CowArray<'_, f32, Ix3>| array.slice(s![.., row..row + 1, ..]).to_owned();
    let h_n = saved.h_0.as_ref().map(of_row).expect("a hidden state");
    Output::new(stream.output.clone(), h_n, saved.c_0.as_ref().map(of_row))
}

fn held_against_one_call(implementation: &Implementation, layer: &Layer, alone: &Layer) {
    let weights = weights(*layer.config());
    let mut session = layer.session(ROWS).unwrap();
    let (streams, saved) = live(&mut session, 25);
    let steps = streams.iter().map(|stream| stream.input.len_of(Axis(1)));
    assert!(steps.clone().sum::<usize>() > 20 && steps.max() > Some(5));
    for (row, stream) in streams.iter().enumerate() {
        let found = found(stream, &saved, row);
        let what = format!("{}, row {row}", layer.config());
        if stream.input.is_empty() {
            assert!(found.h_n.iter().all(|&value| value == 0.0), "{what}");
            continue;
        }
        let input = Input::new(&stream.input);
        if implementation.is_reference() {
            // Its state is kept in f32.
            let expected = reference::forward(&weights, &input).unwrap();
            let allowed = tolerance::forward(&weights, Precision::F32, &input).unwrap();
            assert_within(&what, &found, &expected, &allowed);
        } else {
            assert_same_bits(&found, &alone.forward(&input).unwrap(), &what);
        }
    }
}

#[test]
fn streams_in_pieces_give_the_bits_of_one_call_each() {
    on_each(|implementation| {
        for config in configs() {
            let layer = implementation.layer(&weights(config));
            held_against_one_call(implementation, &layer, &layer);
        }
    });
}

/// Layers and numbers of rows for which one step and a whole sequence may have different plans.
fn shapes() -> Vec<(Config, usize)> {
    let mut shapes = Vec::new();
    for hidden in [8, 40, 136, 264] {
        for layers in [1, 3] {
            let cells = [
                Config::rnn(12, hidden),
                Config::lstm(12, hidden),
                Config::gru(12, hidden),
                Config::gru(12, hidden).reset_after(false),
                Config::lstm(12, hidden).proj_size(hidden / 2),
            ];
            shapes.extend(cells.map(|config| (config.num_layers(layers), 1)));
            shapes.extend(cells[..3].iter().map(|config| (config.num_layers(layers), 20)));
        }
    }
    shapes
}

#[test]
fn auto_gives_a_session_the_bits_of_one_call() {
    let check = |layer: &Layer, rows: usize| {
        let config = *layer.config();
        let input = random((rows, 30, config.input_size), 1.0, 4);
        let whole = layer.forward(&input).unwrap();
        let mut session = layer.session(rows).unwrap();
        let mut start = 0;
        for steps in [1, 1, 5, 23] {
            let output = session.push(Input::new(input.slice(s![.., start..start + steps, ..]))).unwrap();
            let expected = whole.output.slice(s![.., start..start + steps, ..]);
            let same = output.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "{config}, {rows} rows on {}: {steps} steps from {start}", layer.backend());
            start += steps;
        }
    };
    let cpu = &host()[1];
    let auto = |options: LayerOptions| LayerOptions { strategy: Strategy::Auto, ..options };
    shapes().into_iter().for_each(|(config, rows)| check(&cpu.layer_with(&weights(config), auto), rows));
    #[cfg(feature = "gpu")]
    crate::harness::on_each_device(|implementation, _| {
        for (config, rows) in shapes() {
            check(&implementation.layer_with(&weights(config), auto), rows);
        }
    });
}

#[cfg(feature = "gpu")]
#[test]
fn pushes_that_do_not_fit_at_once_go_in_pieces() {
    on_each(|implementation| {
        let config = Config::lstm(5, 80).proj_size(6).num_layers(2);
        let whole = implementation.layer(&weights(config));
        let Some(plan) = whole.plan(ROWS, 3).unwrap() else { return };
        let (mut budget, mut most) = (plan.workspace_bytes, Vec::new());
        // Down to a budget that does not hold one row.
        loop {
            budget = budget / 4 * 3;
            let small =
                implementation.layer_with(&weights(config), |options| LayerOptions { budget, ..options });
            let three_steps = Array3::zeros((1, 3, 5));
            let pushed = small.session(1).and_then(|mut one| one.push(&Input::new(three_steps.view())));
            if let Err(error) = pushed {
                assert!(error.kind() == wgpu_rnn::ErrorKind::TooLarge, "{error}");
                break;
            }
            let plan = small.plan(ROWS, 3).unwrap().unwrap();
            held_against_one_call(implementation, &small, &whole);
            most.push((plan.rows, plan.in_flight));
        }
        assert!(most.iter().any(|&(rows, _)| rows < ROWS), "{}: {most:?}", implementation.name);
    });
}

#[test]
fn a_state_moves_from_session_to_session() {
    on_each(|implementation| {
        for config in configs() {
            let weights = weights(config);
            let layer = implementation.layer(&weights);
            let [before, after] = [1, 2].map(|seed| random((3, 4, config.input_size), 1.0, seed));
            let mut first = layer.session(3).unwrap();
            first.push(&Input::new(before.view())).unwrap();
            let saved = first.state().unwrap();
            let expected = first.push(&Input::new(after.view())).unwrap();

            // All rows, to a fresh session; one row, to another place of a busy one.
            let mut second = layer.session(3).unwrap();
            second.set_state(None, &saved).unwrap();
            assert_eq!(second.state().unwrap(), saved);
            assert_eq!(second.push(&Input::new(after.view())).unwrap(), expected);

            let mut third = layer.session(4).unwrap();
            third.push(&Input::new(random((4, 2, config.input_size), 1.0, 9).view())).unwrap();
            let of_row = |array: &CowArray<'_, f32, Ix3>| array.slice(s![.., 1..2, ..]).to_owned();
            let [h, c] = [&saved.h_0, &saved.c_0].map(|part| part.as_ref().map(of_row));
            let state = crate::case::state(h.as_ref(), c.as_ref());
            third.set_state(Some(&[2]), &state).unwrap();
            let one = after.slice(s![1..2, .., ..]);
            let output = third.push(Input::new(one).rows(&[2])).unwrap();
            assert_eq!(output, expected.slice(s![1..2, .., ..]));

            // Two neighbours and another row, in another order.
            let mut fourth = layer.session(5).unwrap();
            fourth.push(&Input::new(random((5, 2, config.input_size), 1.0, 9).view())).unwrap();
            fourth.set_state(Some(&[3, 4, 0]), &saved).unwrap();
            let output = fourth.push(Input::new(after.view()).rows(&[3, 4, 0])).unwrap();
            assert_eq!(output, expected);

            // What is not given is zero.
            third.set_state(None, State::default()).unwrap();
            assert!(third.state().unwrap().h_0.unwrap().iter().all(|&value| value == 0.0));
            second.reset(None).unwrap();
            assert_eq!(second.state().unwrap(), layer.session(3).unwrap().state().unwrap());
        }
    });
}

#[test]
fn one_row_may_go_without_a_batch_axis_and_into_any_array() {
    on_each(|implementation| {
        let layer = implementation.layer(&weights(Config::lstm(5, 7)));
        let mut session = layer.session(1).unwrap();
        let input = random((6, 5), 1.0, 4);
        let expected = session.push(&Input::new(input.view())).unwrap();
        assert_eq!(expected.dim(), (6, 7));
        session.reset(None).unwrap();
        let mut wide = random((6, 14), 1.0, 5);
        session.push_into(&Input::new(input.view()), wide.slice_mut(s![.., ..;2])).unwrap();
        assert_eq!(wide.slice(s![.., ..;2]), expected);

        let mut session = layer.session(3).unwrap();
        let batch = stack![Axis(0), input, input];
        let mut output = random((2, 6, 7), 1.0, 6);
        let lengths = [6, 2];
        let given = Input::new(batch.view()).lengths(&lengths);
        session.push_into(Input::from(&given).rows(&[2, 1]), output.view_mut()).unwrap();
        assert_eq!(output.index_axis(Axis(0), 0), expected);
        assert_eq!(output.slice(s![1, ..2, ..]), expected.slice(s![..2, ..]));
        assert!(output.slice(s![1, 2.., ..]).iter().all(|&value| value == 0.0));

        session.reset(None).unwrap();
        let blocking = output.clone();
        output.fill(1.0);
        let push = session.push_into_async(Input::from(&given).rows(&[2, 1]), output.view_mut());
        pollster::block_on(push).unwrap();
        assert_eq!(output, blocking);
    });
}

/// Polls a future so many times at most.
fn polled<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..times {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        std::thread::yield_now();
    }
    None
}

#[test]
fn a_push_that_is_dropped_is_none() {
    on_each(|implementation| {
        for config in [Config::lstm(5, 7).num_layers(2), Config::gru(6, 10)] {
            let layer = implementation.layer(&weights(config));
            let mut session = layer.session(3).unwrap();
            let input = |seed| random((3, 4, config.input_size), 1.0, seed);
            let mut expected = layer.session(3).unwrap();
            let mut dropped = 0;
            for round in 0..6 {
                let input = input(round);
                for times in 0..3 {
                    // One that was ready in so few looks has been done, and is done by the other session, too.
                    match polled(session.push_async(&Input::new(input.view())), times) {
                        None => dropped += 1,
                        Some(output) => {
                            assert_eq!(output.unwrap(), expected.push(&Input::new(input.view())).unwrap());
                        }
                    }
                    assert_eq!(session.state().unwrap(), expected.state().unwrap());
                }
                let output = pollster::block_on(session.push_async(&Input::new(input.view()))).unwrap();
                assert_eq!(output, expected.push(&Input::new(input.view())).unwrap());
                let state = pollster::block_on(session.state_async()).unwrap();
                assert_eq!(state, expected.state().unwrap());
            }
            assert!(dropped >= 6, "{}", implementation.name);
        }
    });
}

#[test]
fn a_session_of_no_rows_and_a_push_to_none() {
    on_each(|implementation| {
        let layer = implementation.layer(&weights(Config::lstm(3, 4)));
        let mut none = layer.session(0).unwrap();
        assert_eq!(none.push(&Input::new(Array3::zeros((0, 2, 3)).view())).unwrap().dim(), (0, 2, 4));
        assert_eq!(none.state().unwrap().h_0.unwrap().dim(), (1, 0, 4));
        let mut session = layer.session(2).unwrap();
        let output = session.push(Input::new(Array3::zeros((0, 2, 3)).view()).rows(&[])).unwrap();
        assert_eq!(output.dim(), (0, 2, 4));
    });
}

#[test]
fn a_repeated_step_on_the_cpu_allocates_nothing() {
    // The streaming case of the benchmark's grid.
    for config in [Config::rnn(80, 256), Config::gru(80, 256), Config::lstm(80, 256)] {
        let weights = weights(config.num_layers(2));
        let layer = Layer::new(&weights, (Backend::Cpu, LayerOptions::default())).unwrap();
        let mut session = layer.session(2).unwrap();
        let input = random((1, 1, 80), 1.0, 1);
        let mut output = Array3::zeros((1, 1, 256));
        let mut step = |row| {
            session.push_into(Input::new(input.view()).rows(&[row]), output.view_mut()).unwrap();
        };
        step(0);
        step(1);
        let counted = allocation_counter::measure(|| (0..10).for_each(|count| step(count % 2)));
        assert_eq!(counted.count_total, 0, "{config}");
        // The counter does count.
        assert_ne!(allocation_counter::measure(|| drop(random((1, 1, 80), 1.0, 1))).count_total, 0);
    }
    assert_eq!(host().len(), 2);
}
