//! The comparison with the golden set fails for the mistakes that recurrent layers are written with.

use wgpu_rnn::ndarray::{Array3, ArrayD, Axis, concatenate, s};
use wgpu_rnn::tolerance::Comparison;
use wgpu_rnn::{Backend, Cell, Config, Input, Layer, Output, State, Weights};

use crate::case::{self, Case};
use crate::harness::replaced;

fn passes(case: &Case, found: &Output) -> bool {
    Comparison::new(found, &case.expected, &case.tolerance).unwrap().passes()
}

/// What the reference gives of other weights, another input or another state.
fn run(weights: &Weights, input: &Input<'_>) -> Output {
    Layer::new(weights, Backend::Reference).unwrap().forward(input).unwrap()
}

fn right(case: &Case) -> Output {
    run(&case.weights, &case.input())
}

/// Asserts that each of these cases passes as it is and fails with the mistake.
fn assert_noticed(wanted: impl Fn(&Case) -> bool, at_least: usize, mistake: impl Fn(&Case) -> Output) {
    let cases: Vec<&Case> = case::all().iter().filter(|case| wanted(case)).collect();
    assert!(cases.len() >= at_least, "{} cases", cases.len());
    for case in cases {
        assert!(passes(case, &right(case)), "{} as it is", case.name);
        assert!(!passes(case, &mistake(case)), "{} with the mistake", case.name);
    }
}

#[test]
fn one_element_beyond_its_tolerance_is_noticed() {
    for case in case::all() {
        let count = case.expected.output.len();
        for position in [0, count / 3, count / 2, count - 1] {
            assert_moved(case, position, |o| &mut o.output, &case.expected.output, &case.tolerance.output);
        }
        assert_moved(case, 0, |o| &mut o.h_n, &case.expected.h_n, &case.tolerance.h_n);
        if let (Some(expected), Some(tolerance)) = (&case.expected.c_n, &case.tolerance.c_n) {
            let last = expected.len() - 1;
            assert_moved(case, last, |o| o.c_n.as_mut().unwrap(), expected, tolerance);
        }
    }
}

/// Moves one element of PyTorch's own result by half its tolerance and by twice.
fn assert_moved(
    case: &Case,
    position: usize,
    of: impl Fn(&mut Output) -> &mut Array3<f32>,
    expected: &Array3<f64>,
    tolerance: &Array3<f64>,
) {
    let expected = *expected.iter().nth(position).unwrap();
    // Where nothing is tolerated, the smallest normal number is too much.
    let tolerance = *tolerance.iter().nth(position).unwrap();
    let unit = if tolerance > 0.0 { tolerance } else { f64::from(f32::MIN_POSITIVE) };
    for sign in [-1.0, 1.0] {
        for (part, allowed) in [(0.5, tolerance > 0.0), (2.0, false)] {
            let mut found = case.pytorch.clone();
            *of(&mut found).iter_mut().nth(position).unwrap() = (expected + sign * part * unit) as f32;
            assert_eq!(passes(case, &found), allowed, "{} [{position}] moved by {part}", case.name);
        }
    }
}

#[test]
fn swapped_rows_are_noticed() {
    let swap = |case: &Case| {
        let mut found = right(case);
        let (mut first, mut second) = found.output.multi_slice_mut((s![0, .., ..], s![1, .., ..]));
        let kept = first.to_owned();
        first.assign(&second);
        second.assign(&kept);
        found
    };
    assert_noticed(|case| case.input.dim().0 > 1, 20, swap);
}

#[test]
fn swapped_gates_are_noticed() {
    let lstm = |case: &Case| case.weights.config().cell == Cell::Lstm;
    let gru = |case: &Case| case.weights.config().cell == Cell::Gru;
    for (a, b) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
        assert_noticed(lstm, 14, |case| with_gates_swapped(case, a, b));
    }
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        assert_noticed(gru, 11, |case| with_gates_swapped(case, a, b));
    }
}

fn with_gates_swapped(case: &Case, a: usize, b: usize) -> Output {
    let (gates, hidden) = (case.weights.config().cell.gates(), case.weights.config().hidden_size);
    let mut order: Vec<usize> = (0..gates).collect();
    order.swap(a, b);
    let rows: Vec<usize> = order.iter().flat_map(|gate| gate * hidden..(gate + 1) * hidden).collect();
    let weights = replaced(&case.weights, |name, values| match name.starts_with("weight_hr") {
        true => values,
        false => values.select(Axis(0), &rows),
    });
    run(&weights, &case.input())
}

/// The GRU's b_hn belongs inside r·(…); added up with b_in it gives something else.
#[test]
fn a_gru_with_folded_biases_is_noticed() {
    let fold = |case: &Case| {
        let weights = replaced(&case.weights, |name, values| match name.split_once("_l") {
            Some(("bias_ih", place)) => values + case.weights.get(&format!("bias_hh_l{place}")).unwrap(),
            Some(("bias_hh", _)) => ArrayD::zeros(values.shape()),
            _ => values,
        });
        run(&weights, &case.input())
    };
    let biased = |case: &Case| case.weights.config().cell == Cell::Gru && case.weights.config().bias;
    assert_noticed(|case| biased(case) && !case.is_saturated(), 9, fold);
}

#[test]
fn an_initial_state_left_out_is_noticed() {
    // Saturated gates forget what was there before.
    let wanted = |case: &Case| case.h_0.is_some() && !case.is_saturated();
    assert_noticed(wanted, 25, |case| run(&case.weights, &case.input().state(State::default())));
}

#[test]
fn a_state_not_carried_to_the_next_step_is_noticed() {
    let forget = |case: &Case| {
        let mut found = right(case);
        let steps = case.input.dim().1;
        for step in 1..steps {
            let alone = case.input.slice(s![.., step..=step, ..]);
            let one = run(&case.weights, &Input::new(alone));
            found.output.slice_mut(s![.., step..=step, ..]).assign(&one.output);
        }
        found
    };
    let plain = |case: &Case| !case.weights.config().bidirectional && case.lengths.is_none();
    let wanted = |case: &Case| plain(case) && case.input.dim().1 > 1 && !case.is_saturated();
    assert_noticed(wanted, 15, forget);
}

#[test]
fn a_reverse_direction_that_runs_forward_is_noticed() {
    let wrong = |case: &Case| {
        let mut found = right(case);
        let h_out = case.weights.config().hidden_output_size();
        let second = |values: &Option<Array3<f32>>| {
            values.as_ref().map(|values| values.slice(s![1..2, .., ..]).to_owned())
        };
        let (h_0, c_0) = (second(&case.h_0), second(&case.c_0));
        let input = case.input().state(case::state(h_0.as_ref(), c_0.as_ref()));
        let forward = run(&reverse_alone(&case.weights), &input);
        found.output.slice_mut(s![.., .., h_out..]).assign(&forward.output);
        found
    };
    let one_layer = |config: &Config| config.bidirectional && config.num_layers == 1;
    assert_noticed(|case| one_layer(case.weights.config()), 3, wrong);
}

/// The reverse direction of a one-layer network as a network of its own.
fn reverse_alone(weights: &Weights) -> Weights {
    Weights::from_fn(weights.config().bidirectional(false), |name, _| {
        Ok(weights.get(&format!("{name}_reverse")).expect("a reverse direction").to_owned())
    })
    .unwrap()
}

/// The reverse direction starts at a row's own end, not in the padding.
#[test]
fn lengths_applied_only_to_the_output_are_noticed() {
    let wrong = |case: &Case| {
        let mut found = run(
            &case.weights,
            &Input::new(&case.input).state(case::state(case.h_0.as_ref(), case.c_0.as_ref())),
        );
        for (mut row, &length) in found.output.outer_iter_mut().zip(case.lengths.as_ref().unwrap()) {
            row.slice_mut(s![length.., ..]).fill(0.0);
        }
        found
    };
    assert_noticed(|case| case.lengths.is_some(), 4, wrong);
}

#[test]
fn swapped_directions_are_noticed() {
    let wrong = |case: &Case| {
        let mut found = right(case);
        let h_out = case.weights.config().hidden_output_size();
        let halves = [found.output.slice(s![.., .., h_out..]), found.output.slice(s![.., .., ..h_out])];
        found.output = concatenate(Axis(2), &halves).unwrap();
        found
    };
    assert_noticed(|case| case.weights.config().bidirectional, 9, wrong);
}
