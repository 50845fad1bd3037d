//! The input arrays of a layer.

use wgpu_rnn::ndarray::{ArrayD, IxDyn};
use wgpu_rnn::{Config, Error, Input, State};

/// Input, state and lengths.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) input: ArrayD<f32>,
    pub(crate) h_0: Option<ArrayD<f32>>,
    pub(crate) c_0: Option<ArrayD<f32>>,
    pub(crate) lengths: Option<Vec<usize>>,
}

impl Given {
    pub(crate) fn input(&self) -> Input<'_, IxDyn> {
        let input = Input::new(self.input.view());
        match &self.lengths {
            Some(lengths) => input.lengths(lengths),
            None => input,
        }
    }

    pub(crate) fn state(&self) -> State<'_, IxDyn> {
        let mut state = State::zero();
        state.h_0 = self.h_0.as_ref().map(|values| values.view());
        state.c_0 = self.c_0.as_ref().map(|values| values.view());
        state
    }

    /// Checks that the arrays fit each other and the layer, and are finite.
    pub(crate) fn check(&self, config: &Config) -> Result<(), Error> {
        self.input().check_fits(config, &self.state())?;
        self.input().check_finite()?;
        self.state().check_finite()
    }

    /// Returns N and T.
    pub(crate) fn size(&self) -> [usize; 2] {
        match *self.input.shape() {
            [steps, _] => [1, steps],
            [rows, steps, _] => [rows, steps],
            _ => [0, 0],
        }
    }
}

/// Converts an array to lengths for the library.
pub(crate) fn to_lengths(lengths: &ArrayD<i64>) -> Result<Vec<usize>, Error> {
    let format = |what: String, expected: &str, found: String| Error::Format {
        what,
        expected: expected.to_owned(),
        found,
    };
    if lengths.ndim() != 1 {
        return Err(format("lengths".into(), "shape [N]", format!("{:?}", lengths.shape())));
    }
    let length = |(row, &length): (usize, &i64)| {
        usize::try_from(length)
            .map_err(|_| format(format!("lengths[{row}]"), "0 or more", length.to_string()))
    };
    lengths.iter().enumerate().map(length).collect()
}
