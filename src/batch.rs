//! Input, state and output on the host. All checks of their shapes are here.

mod check;
mod input;
mod layout;
mod state;

use ndarray::{Array, Array3, ArrayView3, ArrayViewMut, ArrayViewMut3, Axis, Dimension, Ix3};

pub(crate) use check::check_finite;
use check::{check_lengths, with_batch_axis};
pub use input::Input;
pub use state::State;

use crate::array::{collected, zeros};
use crate::error::Fault;
use crate::{Config, Error, Timings};

/// The result of a forward pass. `A` is `f64` from [`reference::forward`](crate::reference::forward), else
/// `f32`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Output<D: Dimension = Ix3, A = f32> {
    /// The last layer's hidden state at every step: `[N, T, D*H_out]`, or `[T, D*H_out]` unbatched.
    pub output: Array<A, D>,
    /// Each layer's and direction's final hidden state: `[L*D, N, H_out]`, or `[L*D, H_out]` unbatched.
    pub h_n: Array<A, D>,
    /// An LSTM's final cell state: `[L*D, N, H]`, or `[L*D, H]` unbatched.
    pub c_n: Option<Array<A, D>>,
    /// Where the time went, if the call [asked for it](Input::timed). It is `None` for N = 0 and unless the
    /// layer is on a GPU that has timestamp queries and whose clock ran.
    pub timings: Option<Timings>,
}

impl<D: Dimension, A> Output<D, A> {
    /// Creates a result from arrays, such as another library's result to compare with.
    pub fn new(output: Array<A, D>, h_n: Array<A, D>, c_n: Option<Array<A, D>>) -> Self {
        Output { output, h_n, c_n, timings: None }
    }
}

impl Output {
    /// Returns a result of zeros for a batch, to be filled.
    pub(crate) fn zeros(config: &Config, batch: &Batch<'_>) -> Result<Self, Error> {
        let (n, states) = (batch.rows(), config.num_layers * config.directions());
        let c_n = config.cell.has_cell_state().then(|| zeros("c_n", [states, n, config.hidden_size]));
        let h_n = zeros("h_n", [states, n, config.hidden_output_size()])?;
        Ok(Output::new(batch.output(config)?, h_n, c_n.transpose()?))
    }

    /// Like [`Output::zeros`], but with empty final states, for states that stay on the GPU.
    #[cfg(feature = "gpu")]
    pub(crate) fn without_state(config: &Config, batch: &Batch<'_>) -> Result<Self, Error> {
        Ok(Output::new(batch.output(config)?, zeros("h_n", [0, batch.rows(), 0])?, None))
    }

    /// Copies the result of some rows to the rows from `first` on.
    #[cfg(feature = "gpu")]
    pub(crate) fn assign_rows(&mut self, first: usize, rows: &Output) {
        let range = ndarray::Slice::from(first..first + rows.output.len_of(Axis(0)));
        self.output.slice_axis_mut(Axis(0), range).assign(&rows.output);
        self.h_n.slice_axis_mut(Axis(1), range).assign(&rows.h_n);
        if let (Some(c_n), Some(rows)) = (&mut self.c_n, &rows.c_n) {
            c_n.slice_axis_mut(Axis(1), range).assign(rows);
        }
    }
}

impl<A> Output<Ix3, A> {
    pub(crate) fn map<B>(&self, f: impl Fn(&A) -> B) -> Result<Output<Ix3, B>, Error> {
        let map = |name, values: &Array3<A>| collected(name, values.raw_dim(), values.iter().map(&f));
        Ok(Output {
            output: map("output", &self.output)?,
            h_n: map("h_n", &self.h_n)?,
            c_n: self.c_n.as_ref().map(|c_n| map("c_n", c_n)).transpose()?,
            timings: self.timings,
        })
    }
}

impl<D: Dimension> Input<'_, D> {
    /// Checks that the input and its state fit each other and a configuration, as
    /// [`Layer::forward`](crate::Layer::forward) does. It needs no layer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for a bad configuration, and the errors that `forward`
    /// returns for a wrong shape.
    pub fn check_fits(&self, config: &Config) -> Result<(), Error> {
        config.validate()?;
        self.check_for_forward()?;
        Batch::new(config, self).map(|_| ())
    }
}

/// An input and a state that fit each other and a configuration, always with a batch axis.
#[derive(Clone, Debug)]
pub(crate) struct Batch<'a> {
    /// `[N, T, I]`.
    pub(crate) input: ArrayView3<'a, f32>,
    lengths: Option<&'a [usize]>,
    /// `[L*D, N, H_out]`.
    pub(crate) h_0: Option<ArrayView3<'a, f32>>,
    /// `[L*D, N, H]`.
    pub(crate) c_0: Option<ArrayView3<'a, f32>>,
    unbatched: bool,
}

impl<'a> Batch<'a> {
    /// Checks an input and its state against a configuration.
    pub(crate) fn new<D: Dimension>(config: &Config, input: &'a Input<'_, D>) -> Result<Self, Error> {
        let rank = input.values.ndim();
        if !(2..=3).contains(&rank) {
            return Err(Error::from(Fault::InputRank { cell: config.cell, found: rank }));
        }
        let unbatched = rank == 2;
        let values = with_batch_axis(input.values.view(), Axis(0))
            .ok_or_else(|| Error::from(Fault::InputRank { cell: config.cell, found: rank }))?;
        let (n, t, features) = values.dim();
        if features != config.input_size {
            return Err(Error::from(Fault::InputSize { expected: config.input_size, found: features }));
        }
        if t == 0 {
            return Err(Error::from(Fault::NoSteps));
        }
        check_lengths(input.lengths, n, t)?;
        let [h_0, c_0] = input.state.checked(config, n, rank)?;
        Ok(Batch { input: values, lengths: input.lengths, h_0, c_0, unbatched })
    }

    /// Returns the same input with another state, `[L*D, N, H_out]` and `[L*D, N, H]`.
    pub(crate) fn with_state<'b>(
        &'b self,
        h_0: &'b ArrayView3<'_, f32>,
        c_0: Option<&'b ArrayView3<'_, f32>>,
    ) -> Batch<'b> {
        Batch {
            input: self.input.view(),
            lengths: self.lengths,
            h_0: Some(h_0.view()),
            c_0: c_0.map(|c_0| c_0.view()),
            unbatched: self.unbatched,
        }
    }

    /// Returns N.
    pub(crate) fn rows(&self) -> usize {
        self.input.dim().0
    }

    /// Returns T.
    pub(crate) fn steps(&self) -> usize {
        self.input.dim().1
    }

    /// Returns the number of valid steps of a row.
    pub(crate) fn length(&self, row: usize) -> usize {
        self.lengths.and_then(|lengths| lengths.get(row)).copied().unwrap_or(self.steps())
    }

    /// Returns the number of valid steps of each row.
    pub(crate) fn lengths(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.rows()).map(|row| self.length(row))
    }

    /// Splits the batch into pieces of at most `rows` rows, each with the index of its first row.
    #[cfg(feature = "gpu")]
    pub(crate) fn pieces(&self, rows: usize) -> impl Iterator<Item = (usize, Batch<'_>)> {
        (0..self.rows()).step_by(rows.max(1)).map(move |first| {
            let range = first..self.rows().min(first + rows);
            let slice = ndarray::Slice::from(range.clone());
            let state = |state: &'_ Option<ArrayView3<'a, f32>>| {
                state.map(|mut state| {
                    state.slice_axis_inplace(Axis(1), slice);
                    state
                })
            };
            let mut input = self.input;
            input.slice_axis_inplace(Axis(0), slice);
            let lengths = self.lengths.and_then(|lengths| lengths.get(range));
            (first, Batch { input, lengths, h_0: state(&self.h_0), c_0: state(&self.c_0), unbatched: false })
        })
    }

    /// Returns a copy that another thread may keep. It always has a batch axis.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn to_owned(&self) -> Result<OwnedBatch, Error> {
        let copy = |what, values: &ArrayView3<'_, f32>| {
            let mut copy = zeros(what, values.dim().into())?;
            copy.assign(values);
            Ok::<_, Error>(copy)
        };
        let lengths = |given: &[usize]| {
            let mut lengths = crate::array::reserved("a copy of the lengths", given.len())?;
            lengths.extend_from_slice(given);
            Ok::<_, Error>(lengths)
        };
        Ok(OwnedBatch {
            input: copy("a copy of the input", &self.input)?,
            lengths: self.lengths.map(lengths).transpose()?,
            h_0: self.h_0.as_ref().map(|h_0| copy("a copy of h_0", h_0)).transpose()?,
            c_0: self.c_0.as_ref().map(|c_0| copy("a copy of c_0", c_0)).transpose()?,
        })
    }

    /// Gives a result the rank of the input.
    pub(crate) fn restore<A: Clone, D: Dimension>(
        &self,
        output: Output<Ix3, A>,
    ) -> Result<Output<D, A>, Error> {
        Ok(Output {
            output: self.restore_rank(output.output, Axis(0))?,
            h_n: self.restore_rank(output.h_n, Axis(1))?,
            c_n: output.c_n.map(|c_n| self.restore_rank(c_n, Axis(1))).transpose()?,
            timings: output.timings,
        })
    }

    /// Gives an array the rank of the input; `axis` is the batch axis.
    pub(crate) fn restore_rank<A: Clone, D: Dimension>(
        &self,
        array: Array3<A>,
        axis: Axis,
    ) -> Result<Array<A, D>, Error> {
        let array = array.into_dyn();
        let array = if self.unbatched { array.index_axis_move(axis, 0) } else { array };
        let found = array.ndim();
        array.into_dimensionality::<D>().map_err(|_| {
            Error::from(Fault::StateRank { name: "output", input_rank: D::NDIM.unwrap_or(found), found })
        })
    }

    /// Returns zeros for the output, `[N, T, D*H_out]`.
    pub(crate) fn output(&self, config: &Config) -> Result<Array3<f32>, Error> {
        zeros("output", [self.rows(), self.steps(), config.output_size()])
    }

    /// Checks the shape of a caller's array for the output, and returns it with a batch axis.
    pub(crate) fn checked_output<'b, D: Dimension>(
        &self,
        config: &Config,
        output: ArrayViewMut<'b, f32, D>,
    ) -> Result<ArrayViewMut3<'b, f32>, Error> {
        let expected = [self.rows(), self.steps(), config.output_size()];
        let wanted = if self.unbatched { &expected[1..] } else { &expected };
        let wrong = |found: &[usize]| {
            let (expected, found) = (wanted.to_vec(), found.to_vec());
            Error::from(Fault::Shape { name: "output".into(), expected, found }).of_argument()
        };
        if output.shape() != wanted {
            return Err(wrong(output.shape()));
        }
        let output = output.into_dyn();
        let output = if self.unbatched { output.insert_axis(Axis(0)) } else { output };
        output.into_dimensionality().map_err(|_| wrong(&expected))
    }
}

/// A batch that owns its arrays, for another thread.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) struct OwnedBatch {
    input: Array3<f32>,
    lengths: Option<Vec<usize>>,
    h_0: Option<Array3<f32>>,
    c_0: Option<Array3<f32>>,
}

#[cfg(not(target_arch = "wasm32"))]
impl OwnedBatch {
    pub(crate) fn batch(&self) -> Batch<'_> {
        Batch {
            input: self.input.view(),
            lengths: self.lengths.as_deref(),
            h_0: self.h_0.as_ref().map(|h_0| h_0.view()),
            c_0: self.c_0.as_ref().map(|c_0| c_0.view()),
            unbatched: false,
        }
    }
}
