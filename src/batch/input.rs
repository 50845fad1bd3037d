//! The input of a forward pass.

use ndarray::{Array, ArrayView, ArrayView2, Axis, Dimension, Ix3};

use super::check::check_finite;
use crate::Error;

/// The input of a forward pass: `[N, T, I]`, or `[T, I]` without a batch, and the rows' lengths.
///
/// The number of dimensions may be part of the type (`Ix3`, `Ix2`) or dynamic (`IxDyn`); the state and the
/// output have the same dimension type. Any strides are allowed. Values may be NaN or infinite. The CPU
/// backends propagate them as PyTorch does. On the GPU the result is unspecified, because WGSL lets an
/// implementation assume that they do not occur. [`Input::check_finite`] rejects them.
#[derive(Clone, Debug)]
pub struct Input<'a, D: Dimension = Ix3> {
    pub(super) values: ArrayView<'a, f32, D>,
    pub(super) lengths: Option<&'a [usize]>,
}

impl<'a, D: Dimension> Input<'a, D> {
    /// Creates an input in which every row has all T steps of the array.
    pub fn new(values: ArrayView<'a, f32, D>) -> Self {
        Input { values, lengths: None }
    }

    /// Sets each row's number of steps, 0 to T, in any order. This is PyTorch's packed sequence.
    ///
    /// The output past a row's length is zero. The row's final state is the state after its last valid step,
    /// and the reverse direction starts at that step. A row of length 0 keeps its initial state.
    pub fn lengths(mut self, lengths: &'a [usize]) -> Self {
        self.lengths = Some(lengths);
        self
    }

    /// Checks that no element is NaN or infinite.
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`] names the first such element.
    pub fn check_finite(&self) -> Result<(), Error> {
        check_finite("input", &self.values.view().into_dyn())
    }
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

/// Returns another view of the same arrays.
impl<'a, D: Dimension> From<&Input<'a, D>> for Input<'a, D> {
    fn from(input: &Input<'a, D>) -> Self {
        input.clone()
    }
}
