//! The arguments of a forward pass.

use ndarray::{Array, ArrayView, ArrayView2, Axis, Dimension, Ix3};

use super::State;
use super::check::{check_finite, with_batch_axis};
use crate::Error;
use crate::error::Fault;

/// The input of a forward pass or of a session's push: `[N, T, I]`, or `[T, I]` without a batch. It also has
/// the rows' lengths, the initial state and what else a call takes.
///
/// An array or a view of one becomes an input by itself. The number of dimensions may be part of the type
/// (`Ix3`, `Ix2`) or dynamic (`IxDyn`); the state and the output have the same dimension type. Any strides are
/// allowed. Values may be NaN or infinite, which propagate as in PyTorch. WGSL lets a GPU's driver assume that
/// they do not occur, but no adapter that was tested does. [`Input::check_finite`] rejects them, except past the
/// rows' lengths, where values have no effect.
#[derive(Clone, Debug)]
pub struct Input<'a, D: Dimension = Ix3> {
    pub(super) values: ArrayView<'a, f32, D>,
    pub(super) lengths: Option<&'a [usize]>,
    pub(super) state: State<'a, D>,
    pub(super) rows: Option<&'a [usize]>,
    pub(super) timed: bool,
}

impl<'a, D: Dimension> Input<'a, D> {
    /// Creates an input in which every row has all T steps of the array. The state is zero.
    pub fn new(values: impl Into<ArrayView<'a, f32, D>>) -> Self {
        Input { values: values.into(), lengths: None, state: State::default(), rows: None, timed: false }
    }

    /// Sets each row's number of steps, 0 to T, in any order. This is PyTorch's packed sequence.
    ///
    /// The output past a row's length is zero. The row's final state is the state after its last valid step,
    /// and the reverse direction starts at that step. A row of length 0 keeps its initial state.
    pub fn lengths(mut self, lengths: &'a [usize]) -> Self {
        self.lengths = Some(lengths);
        self
    }

    /// Sets the initial state. A session keeps its own, so its pushes take none.
    pub fn state(mut self, state: impl Into<State<'a, D>>) -> Self {
        self.state = state.into();
        self
    }

    /// Sets the rows of a [`Session`](crate::Session) that the input is for, each at most once and in any
    /// order: `[M, T, I]` for M rows. Without this, a push is for all rows of the session. A forward pass
    /// takes none.
    pub fn rows(mut self, rows: &'a [usize]) -> Self {
        self.rows = Some(rows);
        self
    }

    /// Asks a forward pass on a GPU for [`Output::timings`](crate::Output::timings).
    ///
    /// The parts that a forward pass overlaps run one after the other then, so that each can be timed. A
    /// batch in pieces or a pass in several submissions therefore takes longer. The result has the same bits.
    pub fn timed(mut self) -> Self {
        self.timed = true;
        self
    }

    /// Checks that no element of the input and of the state is NaN or infinite, except past the rows' lengths.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](crate::ErrorKind::Input) names the first such element.
    pub fn check_finite(&self) -> Result<(), Error> {
        self.check_values().map_err(Error::of_argument)?;
        for (name, values) in [("h_0", &self.state.h_0), ("c_0", &self.state.c_0)] {
            if let Some(values) = values {
                check_finite(name, &values.view().into_dyn()).map_err(Error::of_argument)?;
            }
        }
        Ok(())
    }

    /// Checks that no element of the input is NaN or infinite, except past the rows' lengths.
    fn check_values(&self) -> Result<(), Error> {
        let checked = check_finite("input", &self.values.view().into_dyn());
        let rows = with_batch_axis(self.values.view(), Axis(0));
        let (Err(_), Some(lengths), Some(rows)) = (&checked, self.lengths, rows) else { return checked };
        let is_padding = |row: usize, step| lengths.get(row).is_some_and(|&length| step >= length);
        let found = rows
            .indexed_iter()
            .find(|((row, step, _), value)| !value.is_finite() && !is_padding(*row, *step));
        match found {
            None => Ok(()),
            Some(((row, step, column), &found)) => {
                let index = match self.values.ndim() {
                    2 => vec![step, column],
                    _ => vec![row, step, column],
                };
                Err(Error::from(Fault::NonFinite {
                    name: "input".to_owned(),
                    index,
                    found: f64::from(found),
                }))
            }
        }
    }

    /// Returns whether the call is to be timed.
    pub(crate) fn is_timed(&self) -> bool {
        self.timed
    }

    /// Returns the rows of a session that the input is for; `None` for all of them.
    pub(crate) fn session_rows(&self) -> Option<&'a [usize]> {
        self.rows
    }

    /// Fails if the input has a part that a forward pass does not take.
    pub(crate) fn check_for_forward(&self) -> Result<(), Error> {
        match self.rows {
            Some(_) => Err(not_in_call("rows", "only a session has rows to choose from")),
            None => Ok(()),
        }
    }

    /// Fails if the input has a part that a push does not take.
    pub(crate) fn check_for_push(&self) -> Result<(), Error> {
        if !self.state.is_zero() {
            return Err(not_in_call("state", "a session keeps its own (Session::set_state)"));
        }
        match self.timed {
            true => Err(not_in_call("timed", "only a forward pass can be timed")),
            false => Ok(()),
        }
    }
}

fn not_in_call(name: &'static str, reason: &'static str) -> Error {
    Error::from(Fault::NotInCall { name, reason })
}

impl<'a> Input<'a> {
    /// Creates an input of one step: `values [N, I]` becomes `[N, 1, I]`.
    ///
    /// ```
    /// use wgpu_rnn::{Backend, Config, Input, Layer, Weights, ndarray::Array2};
    ///
    /// let layer = Layer::new(&Weights::seeded(Config::gru(40, 64), 0)?, Backend::Cpu)?;
    /// let mut session = layer.session(3)?; // three streams
    /// let frame = Array2::zeros((3, 40));
    /// assert_eq!(session.push(Input::one_step(&frame))?.shape(), [3, 1, 64]);
    /// # Ok::<(), wgpu_rnn::Error>(())
    /// ```
    pub fn one_step(values: impl Into<ArrayView2<'a, f32>>) -> Self {
        Input::new(values.into().insert_axis(Axis(1)))
    }
}

impl<'a, D: Dimension> From<ArrayView<'a, f32, D>> for Input<'a, D> {
    fn from(values: ArrayView<'a, f32, D>) -> Self {
        Input::new(values)
    }
}

impl<'a, D: Dimension> From<&'a Array<f32, D>> for Input<'a, D> {
    fn from(values: &'a Array<f32, D>) -> Self {
        Input::new(values.view())
    }
}

/// Another view of the same arrays.
impl<'a, D: Dimension> From<&'a Input<'_, D>> for Input<'a, D> {
    fn from(input: &'a Input<'_, D>) -> Self {
        Input {
            values: input.values.view(),
            lengths: input.lengths,
            state: State::from(&input.state),
            rows: input.rows,
            timed: input.timed,
        }
    }
}
