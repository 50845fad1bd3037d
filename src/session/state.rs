//! The state of a session's rows, and which rows a call concerns.

use ndarray::Array3;

use crate::State;

/// The state of a session's rows, on the host.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SavedState {
    /// Each layer's hidden state, `[L, R, H_out]`.
    pub h_n: Array3<f32>,
    /// An LSTM's cell state, `[L, R, H]`.
    pub c_n: Option<Array3<f32>>,
}

impl SavedState {
    /// Returns the state as the initial state of a forward pass or an argument of [`Session::set_state`](crate::Session::set_state).
    pub fn state(&self) -> State<'_> {
        State { h_0: Some(self.h_n.view()), c_0: self.c_n.as_ref().map(|c_n| c_n.view()) }
    }
}

/// The rows that a call concerns, each listed once.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Active<'a> {
    All(usize),
    Named(&'a [usize]),
}

impl Active<'_> {
    pub(crate) fn len(self) -> usize {
        match self {
            Active::All(rows) => rows,
            Active::Named(rows) => rows.len(),
        }
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        (0..self.len()).map(move |slot| match self {
            Active::All(_) => slot,
            Active::Named(rows) => rows[slot],
        })
    }
}
