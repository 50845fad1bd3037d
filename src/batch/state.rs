//! The initial state of a forward pass.

use ndarray::{ArrayView, ArrayView3, Dimension, Ix3};

use super::check::{check_finite, check_state};
use crate::{Config, Error};

/// The state that a forward pass starts from: `h_0 [L*D, N, H_out]` and, for an LSTM, `c_0 [L*D, N, H]`;
/// without N for an unbatched input. A part that is `None` is zero. Any strides are allowed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct State<'a, D: Dimension = Ix3> {
    /// The initial hidden state.
    pub h_0: Option<ArrayView<'a, f32, D>>,
    /// The initial cell state.
    pub c_0: Option<ArrayView<'a, f32, D>>,
}

impl<'a, D: Dimension> State<'a, D> {
    /// Creates a state of zeros.
    pub fn zero() -> Self {
        State { h_0: None, c_0: None }
    }

    /// Creates a state from a hidden state. The cell state of an LSTM is zero.
    pub fn hidden(h_0: ArrayView<'a, f32, D>) -> Self {
        State { h_0: Some(h_0), c_0: None }
    }

    /// Creates a state from an LSTM's hidden state and cell state.
    pub fn hidden_and_cell(h_0: ArrayView<'a, f32, D>, c_0: ArrayView<'a, f32, D>) -> Self {
        State { h_0: Some(h_0), c_0: Some(c_0) }
    }

    /// Checks the state for an input of rank `rank` with `n` rows, and returns the hidden and the cell state
    /// with a batch axis.
    pub(super) fn checked<'s>(
        &'s self,
        config: &Config,
        n: usize,
        rank: usize,
    ) -> Result<[Option<ArrayView3<'s, f32>>; 2], Error> {
        if let (Some(c_0), false) = (&self.c_0, config.cell.has_cell_state()) {
            return Err(Error::UnexpectedCellState { cell: config.cell, found: c_0.shape().to_vec() });
        }
        let rows = config.num_layers * config.directions();
        let states =
            [("h_0", &self.h_0, config.hidden_output_size()), ("c_0", &self.c_0, config.hidden_size)];
        let [h_0, c_0] = states.map(|(name, values, size)| {
            let check =
                |values: &'s ArrayView<'_, f32, D>| check_state(name, values.view(), rank, [rows, n, size]);
            values.as_ref().map(check).transpose()
        });
        Ok([h_0?, c_0?])
    }

    /// Checks that no element is NaN or infinite.
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`] names the first such element.
    pub fn check_finite(&self) -> Result<(), Error> {
        for (name, values) in [("h_0", &self.h_0), ("c_0", &self.c_0)] {
            if let Some(values) = values {
                check_finite(name, &values.view().into_dyn())?;
            }
        }
        Ok(())
    }
}

impl State<'_> {
    /// Checks that it is a state of `rows` rows for a layer.
    pub(crate) fn check(&self, config: &Config, rows: usize) -> Result<(), Error> {
        self.checked(config, rows, 3).map(|_| ())
    }
}

/// Returns another view of the same arrays.
impl<'a, D: Dimension> From<&State<'a, D>> for State<'a, D> {
    fn from(state: &State<'a, D>) -> Self {
        state.clone()
    }
}

impl<D: Dimension> Default for State<'_, D> {
    fn default() -> Self {
        State::zero()
    }
}
