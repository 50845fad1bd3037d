//! The reference's result of a case, or of a part of it if the whole takes too long.

use std::thread;

use wgpu_rnn::ndarray::{Array3, Axis, Ix3, s};
use wgpu_rnn::tolerance::{self, Comparison};
use wgpu_rnn::{Error, Input, Output, Precision, Weights, reference};

use super::case::multiply_adds_of_a_step;

/// The multiply-adds that the reference may take for a case: a few seconds.
const AFFORDABLE: f64 = 3e8;

/// The reference's result for some rows of a batch and their first steps.
#[derive(Debug)]
pub(super) struct Expected {
    rows: Vec<usize>,
    steps: usize,
    /// Whether all steps were computed, so that the final states can be compared.
    all_steps: bool,
    values: Output<Ix3, f64>,
    tolerance: Output<Ix3, f64>,
}

impl Expected {
    pub(super) fn new(weights: &Weights, precision: Precision, input: &Array3<f32>) -> Result<Self, Error> {
        Expected::within(AFFORDABLE, weights, precision, input)
    }

    fn within(
        affordable: f64,
        weights: &Weights,
        precision: Precision,
        input: &Array3<f32>,
    ) -> Result<Self, Error> {
        let (batch, all) = (input.len_of(Axis(0)), input.len_of(Axis(1)));
        let row_steps = affordable / multiply_adds_of_a_step(weights.config());
        let rows = spread(whole(row_steps / all as f64, batch), batch);
        // A reverse direction begins at the end, so all steps are needed.
        let cut = rows.len() == 1 && !weights.config().bidirectional;
        let steps = if cut { whole(row_steps, all) } else { all };
        let part = input.select(Axis(0), &rows).slice_move(s![.., ..steps, ..]);
        let given = Input::new(&part);
        let (values, tolerance) =
            both(|| reference::forward(weights, &given), || tolerance::forward(weights, precision, &given));
        let (mut values, mut tolerance) = (values?, tolerance?);
        let all_steps = steps == all;
        if !all_steps {
            (values, tolerance) = (output_alone(values.output), output_alone(tolerance.output));
        }
        Ok(Expected { rows, steps, all_steps, values, tolerance })
    }

    /// Returns the numbers of rows and of their steps that are compared.
    pub(super) fn checked(&self) -> [usize; 2] {
        [self.rows.len(), self.steps]
    }

    /// Returns the fraction of its tolerance that the worst element of a result used, or describes the
    /// wrong element.
    pub(super) fn check(&self, found: &Output) -> Result<f64, String> {
        let output = found.output.select(Axis(0), &self.rows).slice_move(s![.., ..self.steps, ..]);
        let part = if self.all_steps {
            let of_rows = |state: &Array3<f32>| state.select(Axis(1), &self.rows);
            Output::new(output, of_rows(&found.h_n), found.c_n.as_ref().map(of_rows))
        } else {
            output_alone(output)
        };
        let compared =
            Comparison::new(&part, &self.values, &self.tolerance).map_err(|error| error.to_string())?;
        let Comparison { name, index, expected, found, tolerance, ratio, .. } = &compared;
        match compared.passes() {
            true => Ok(*ratio),
            false => Err(format!(
                "wrong result: {name}{index:?} of rows {:?}: expected {expected:?} within {tolerance:.1e}, found \
                 {found:?}",
                self.rows
            )),
        }
    }
}

/// Calls two functions, the first of them on another thread if there is one to be had.
fn both<A: Send, B>(first: impl Fn() -> A + Sync, second: impl FnOnce() -> B) -> (A, B) {
    thread::scope(|scope| {
        let other = thread::Builder::new().spawn_scoped(scope, &first);
        let second = second();
        let first = other.ok().and_then(|other| other.join().ok()).unwrap_or_else(&first);
        (first, second)
    })
}

fn output_alone<A: Clone + Default>(output: Array3<A>) -> Output<Ix3, A> {
    Output::new(output, Array3::default((0, 0, 0)), None)
}

/// Returns `wanted` as a whole number of at least one and at most `all`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and `all`")]
fn whole(wanted: f64, all: usize) -> usize {
    wanted.clamp(1.0, all.max(1) as f64) as usize
}

/// Returns `count` of the rows, spread from the first to the last.
fn spread(count: usize, rows: usize) -> Vec<usize> {
    match count {
        // The last row, where a tile or a piece may not be full.
        1 => vec![rows - 1],
        _ => (0..count).map(|place| place * (rows - 1) / (count - 1)).collect(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use wgpu_rnn::{Backend, Config, Layer};

    use super::*;

    fn case(config: Config, affordable: f64) -> (Expected, Output) {
        let weights = Weights::seeded(config, 0).unwrap();
        let input = Array3::from_shape_fn((5, 7, 3), |(n, t, i)| ((n + 3 * t + 7 * i) as f32).sin());
        let expected = Expected::within(affordable, &weights, Precision::F32, &input).unwrap();
        let layer = Layer::new(&weights, Backend::Cpu).unwrap();
        let found = layer.forward(&input).unwrap();
        (expected, found)
    }

    #[test]
    fn a_wrong_number_in_the_part_that_is_checked_is_told() {
        let (expected, right) = case(Config::lstm(3, 4).num_layers(2), 1e9);
        assert_eq!(expected.checked(), [5, 7]);
        let used = expected.check(&right).unwrap();
        assert!(used > 0.0 && used <= 1.0, "{used}");
        for wrong in [1e-4, f32::NAN] {
            let mut found = right.clone();
            found.output[[3, 2, 1]] += wrong;
            let said = expected.check(&found).unwrap_err();
            assert!(
                said.starts_with("wrong result: output[3, 2, 1] of rows [0, 1, 2, 3, 4]: expected "),
                "{said}"
            );
            let mut found = right.clone();
            found.h_n[[1, 4, 0]] += wrong;
            assert!(expected.check(&found).unwrap_err().contains("h_n[1, 4, 0]"));
            let mut found = right.clone();
            found.c_n.as_mut().unwrap()[[0, 0, 2]] += wrong;
            assert!(expected.check(&found).unwrap_err().contains("c_n[0, 0, 2]"));
        }
    }

    #[test]
    fn too_large_a_case_is_checked_in_part() {
        // 3 * 4 * (3 + 4) multiply-adds a step, 588 a row.
        let (expected, mut found) = case(Config::gru(3, 4), 1200.0);
        assert_eq!((expected.checked(), &expected.rows[..]), ([2, 7], &[0, 4][..]));
        found.output[[4, 6, 0]] += 1e-4;
        assert!(expected.check(&found).unwrap_err().contains("output[1, 6, 0] of rows [0, 4]"));

        let (expected, mut found) = case(Config::gru(3, 4), 300.0);
        assert_eq!((expected.checked(), &expected.rows[..]), ([1, 3], &[4][..]));
        assert!(expected.check(&found).is_ok());
        found.output[[4, 2, 0]] += 1e-4;
        assert!(expected.check(&found).unwrap_err().contains("output[0, 2, 0] of rows [4]"));

        let (expected, found) = case(Config::gru(3, 4).bidirectional(true), 300.0);
        assert_eq!(expected.checked(), [1, 7]);
        assert!(expected.check(&found).is_ok());
    }
}
