//! The edge of f32: gates that are nearly closed before large states, and sums that overflow.

use wgpu_rnn::ndarray::{Array3, ArrayD, s};
use wgpu_rnn::{Config, Input, Precision, Weights, reference, tolerance};

use crate::case::state;
use crate::harness::{Implementation, assert_within, on_each};

/// The units of the layers; each has another argument of the gate that keeps its state.
const UNITS: usize = 50;
const LARGE: f32 = 3e38;

/// Returns the argument of the gate of a unit: -60 to -108, and one that closes the gate for certain.
fn argument(unit: usize) -> f32 {
    if unit + 1 == UNITS { -1000.0 } else { -60.0 - unit as f32 }
}

/// Returns a layer whose states only the gate with this number reads, and whose argument is its bias.
fn closing(config: Config, gate: usize) -> Weights {
    Weights::from_fn(config, |name, shape| {
        let mut values = ArrayD::zeros(shape.to_vec());
        if name.starts_with("bias_ih") {
            for (index, value) in values.iter_mut().enumerate() {
                *value = if index / UNITS == gate { argument(index % UNITS) } else { 0.3 };
            }
        } else if name.starts_with("weight_hr") {
            values.slice_mut(s![.., 0]).fill(1.0);
        }
        Ok(values)
    })
    .unwrap()
}

/// Compares one step from a state of 3e38 with the definition.
fn closes(implementation: &Implementation, config: Config, gate: usize) {
    let weights = closing(config, gate);
    let input = Array3::zeros((3, 1, 2));
    let directions = config.directions();
    let large = |size| Array3::from_shape_fn((directions, 3, size), |(_, row, _)| LARGE / (1 + row) as f32);
    let (h_0, c_0) = (large(config.hidden_output_size()), large(UNITS));
    let c_0 = config.cell.has_cell_state().then_some(&c_0);
    let input = Input::new(input.view()).state(state(Some(&h_0), c_0));
    let expected = reference::forward(&weights, &input).unwrap();
    let allowed = tolerance::forward(&weights, Precision::F32, &input).unwrap();
    let found = implementation.layer(&weights).forward(&input).unwrap();
    let what = format!("{}: {config}", implementation.name);
    assert_within(&what, &found, &expected, &allowed);
    let (kept, exact) = match (&found.c_n, &expected.c_n) {
        (Some(found), Some(expected)) => (found, expected),
        _ => (&found.h_n, &expected.h_n),
    };
    for (place, &exact) in exact.indexed_iter() {
        let found = f64::from(kept[place]);
        let unit = place.2;
        // The sigmoid of the CPU backend is zero where the exponential overflows, as PyTorch's is.
        if implementation.is_gpu() || !(-105.0..-88.0).contains(&argument(unit)) {
            assert!(
                (found - exact).abs() <= 1e-6 + 1e-4 * exact.abs(),
                "{what}, row {}, gate at {}: {found:e} instead of {exact:e}",
                place.1,
                argument(unit)
            );
        }
    }
}

#[test]
fn a_closed_gate_lets_nothing_of_a_large_state_through() {
    let gru = Config::gru(2, UNITS);
    let lstm = Config::lstm(2, UNITS);
    on_each(|implementation| {
        for config in [gru, gru.bidirectional(true), gru.reset_after(false)] {
            closes(implementation, config, 1);
        }
        for config in [lstm, Config { peepholes: true, ..lstm }, lstm.proj_size(3)] {
            closes(implementation, config, 1);
        }
    });
}

/// Returns the kinds of the results, step by step, of a layer that has these rows of `weight_hh` and else zeros.
fn kinds(implementation: &Implementation, config: Config, rows: &[[f32; 3]]) -> String {
    let weights = Weights::from_fn(config, |name, shape| {
        let mut values = ArrayD::zeros(shape.to_vec());
        if name.starts_with("weight_hh") {
            values.iter_mut().zip(rows.iter().flatten()).for_each(|(value, given)| *value = *given);
        }
        Ok(values)
    })
    .unwrap();
    let (input, h_0) = (Array3::zeros((2, 4, 2)), Array3::from_elem((1, 2, 3), LARGE));
    let c_0 = config.cell.has_cell_state().then_some(&h_0);
    let input = Input::new(input.view()).state(state(Some(&h_0), c_0));
    let found = implementation.layer(&weights).forward(&input).unwrap();
    let kind = |value: &f32| match *value {
        value if value.is_nan() => 'n',
        f32::INFINITY => '+',
        f32::NEG_INFINITY => '-',
        _ => '.',
    };
    let of_row = found.output.slice(s![0, .., ..]);
    let steps = of_row.outer_iter().map(|step| step.iter().map(kind).collect());
    steps.collect::<Vec<String>>().join(" ")
}

/// In the first step of the ReLU two sums are infinite. In the second step one unit multiplies one of them by zero,
/// and another one subtracts them. The NaN are in every sum of the third step. In the other cells an infinite sum
/// saturates. (Whether 3e39 - 3e39 is NaN depends on whether products are rounded, in PyTorch, too.)
#[test]
fn sums_that_overflow_give_what_pytorch_gives() {
    let relu = [[10.0, 10.0, 0.0], [0.0, 10.0, 10.0], [1.0, -1.0, 0.0]];
    // The first sum of each gate.
    let up = |gates: usize| {
        let mut rows = vec![[0.0; 3]; 3 * gates];
        rows.iter_mut().step_by(3).for_each(|row| row[0] = 10.0);
        rows
    };
    on_each(|implementation| {
        // Nothing of this overflows in f64.
        if implementation.is_reference() {
            return;
        }
        let check = |config: Config, rows: &[[f32; 3]], expected: &str| {
            assert_eq!(kinds(implementation, config, rows), expected, "{}: {config}", implementation.name);
        };
        check(Config::rnn_relu(2, 3), &relu, "++. +nn nnn nnn");
        check(Config::rnn(2, 3), &up(1), "... ... ... ...");
        check(Config::lstm(2, 3), &up(4), "... ... ... ...");
        check(Config::gru(2, 3), &up(3), "... ... ... ...");
    });
}

/// What a device does with numbers below 2^-126 is measured once, and the same on its clones.
#[cfg(feature = "gpu")]
#[test]
fn a_device_says_whether_it_flushes_subnormal_numbers() {
    crate::harness::on_each_adapter(|gpu| {
        let flushes = gpu.flushes_subnormals().unwrap();
        println!("{gpu}: {}", if flushes { "flushed" } else { "kept" });
        assert_eq!(gpu.clone().flushes_subnormals().unwrap(), flushes);
    });
}
