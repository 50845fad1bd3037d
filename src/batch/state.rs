//! The initial state of a forward pass.

use ndarray::{Array3, ArrayView, ArrayView3, CowArray, Dimension, Ix3};

use super::Output;
use super::check::check_state;
use crate::error::Fault;
use crate::{Config, Error};

/// A state that a forward pass or a stream starts from: `h_0 [L*D, N, H_out]` and, for an LSTM,
/// `c_0 [L*D, N, H]`; without N for an unbatched input. A part that is `None` is zero. Any strides are
/// allowed.
///
/// A hidden state, a pair `(h_0, c_0)` or the [`Output`] of an earlier call becomes a state by itself:
///
/// ```
/// use wgpu_rnn::{Backend, Config, Input, Layer, Weights, ndarray::Array3};
///
/// let layer = Layer::new(&Weights::seeded(Config::lstm(20, 64), 0)?, Backend::Cpu)?;
/// let (x, h_0, c_0) = (Array3::ones((8, 100, 20)), Array3::zeros((1, 8, 64)), Array3::ones((1, 8, 64)));
/// let first = layer.forward(Input::new(&x).state((h_0.view(), c_0.view())))?;
/// // The next piece of the same sequences goes on from the final state.
/// let next = layer.forward(Input::new(&x).state(&first))?;
/// assert_eq!(next.h_n.shape(), [1, 8, 64]);
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct State<'a, D: Dimension = Ix3> {
    /// The initial hidden state.
    pub h_0: Option<CowArray<'a, f32, D>>,
    /// The initial cell state.
    pub c_0: Option<CowArray<'a, f32, D>>,
}

impl<D: Dimension> State<'_, D> {
    /// Checks the state for an input of rank `rank` with `n` rows, and returns the hidden and the cell state
    /// with a batch axis.
    pub(super) fn checked<'s>(
        &'s self,
        config: &Config,
        n: usize,
        rank: usize,
    ) -> Result<[Option<ArrayView3<'s, f32>>; 2], Error> {
        if let (Some(c_0), false) = (&self.c_0, config.cell.has_cell_state()) {
            return Err(Error::from(Fault::UnexpectedCellState {
                cell: config.cell,
                found: c_0.shape().to_vec(),
            }));
        }
        let rows = config.num_layers * config.directions();
        let states =
            [("h_0", &self.h_0, config.hidden_output_size()), ("c_0", &self.c_0, config.hidden_size)];
        let [h_0, c_0] = states.map(|(name, values, size)| {
            let check =
                |values: &'s CowArray<'_, f32, D>| check_state(name, values.view(), rank, [rows, n, size]);
            values.as_ref().map(check).transpose()
        });
        Ok([h_0?, c_0?])
    }

    /// Returns whether no part is given.
    pub(crate) fn is_zero(&self) -> bool {
        self.h_0.is_none() && self.c_0.is_none()
    }
}

impl State<'_> {
    /// Checks that it is a state of `rows` rows for a layer.
    pub(crate) fn check(&self, config: &Config, rows: usize) -> Result<(), Error> {
        self.checked(config, rows, 3).map(|_| ())
    }
}

impl State<'static> {
    /// Creates a state that owns its arrays.
    pub(crate) fn owned(h_0: Array3<f32>, c_0: Option<Array3<f32>>) -> Self {
        State { h_0: Some(h_0.into()), c_0: c_0.map(Into::into) }
    }
}

/// The state of zeros.
impl<D: Dimension> Default for State<'_, D> {
    fn default() -> Self {
        State { h_0: None, c_0: None }
    }
}

/// A hidden state. The cell state of an LSTM is zero.
impl<'a, D: Dimension> From<ArrayView<'a, f32, D>> for State<'a, D> {
    fn from(h_0: ArrayView<'a, f32, D>) -> Self {
        State { h_0: Some(h_0.into()), c_0: None }
    }
}

/// An LSTM's hidden state and cell state.
impl<'a, D: Dimension> From<(ArrayView<'a, f32, D>, ArrayView<'a, f32, D>)> for State<'a, D> {
    fn from((h_0, c_0): (ArrayView<'a, f32, D>, ArrayView<'a, f32, D>)) -> Self {
        State { h_0: Some(h_0.into()), c_0: Some(c_0.into()) }
    }
}

/// The final state of a forward pass.
impl<'a, D: Dimension> From<&'a Output<D>> for State<'a, D> {
    fn from(output: &'a Output<D>) -> Self {
        State { h_0: Some(output.h_n.view().into()), c_0: output.c_n.as_ref().map(|c_n| c_n.view().into()) }
    }
}

/// Another view of the same arrays.
impl<'a, D: Dimension> From<&'a State<'_, D>> for State<'a, D> {
    fn from(state: &'a State<'_, D>) -> Self {
        let view = |values: &'a CowArray<'_, f32, D>| values.view().into();
        State { h_0: state.h_0.as_ref().map(view), c_0: state.c_0.as_ref().map(view) }
    }
}
