//! The input arrays of a layer.

use wgpu_rnn::ndarray::{ArrayD, ArrayViewD, IxDyn};
use wgpu_rnn::{Config, Error, ErrorKind, Input, State};

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
        let mut state = State::default();
        state.h_0 = self.h_0.as_ref().map(|values| values.view().into());
        state.c_0 = self.c_0.as_ref().map(|values| values.view().into());
        let input = Input::new(&self.input).state(state);
        match &self.lengths {
            Some(lengths) => input.lengths(lengths),
            None => input,
        }
    }

    /// Checks that the arrays fit each other and the layer, and are finite.
    pub(crate) fn check(&self, config: &Config) -> Result<(), Error> {
        self.input().check_fits(config)?;
        self.input().check_finite()
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

/// Converts an array to lengths for the library: `[N]` lengths, or a mask `[N, T]` whose rows are ones and then
/// zeros.
pub(crate) fn to_lengths(lengths: &ArrayD<i64>, is_mask: bool) -> Result<Vec<usize>, Error> {
    let format = |what: &str, expected: &str, found: String| {
        Error::new(ErrorKind::File, format!("{what}: expected {expected}, found {found}"))
    };
    if lengths.ndim() == 2 {
        let of_row = |(row, mask): (usize, ArrayViewD<'_, i64>)| {
            let length = mask.iter().take_while(|&&step| step == 1).count();
            match mask.iter().skip(length).all(|&step| step == 0) {
                true => Ok(length),
                false => Err(format(&format!("mask[{row}]"), "ones and then zeros", "another order".into())),
            }
        };
        return lengths.outer_iter().enumerate().map(of_row).collect();
    }
    if lengths.ndim() != 1 || is_mask {
        let expected = "shape [N], or a mask of shape [N, T]";
        return Err(format("lengths", expected, format!("{:?}", lengths.shape())));
    }
    let length = |(row, &length): (usize, &i64)| {
        usize::try_from(length)
            .map_err(|_| format(&format!("lengths[{row}]"), "0 or more", length.to_string()))
    };
    lengths.iter().enumerate().map(length).collect()
}
