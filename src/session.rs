//! Sessions: live streams whose state stays on the layer's backend.

mod awaited;
mod host;
pub(crate) mod state;

use ndarray::Dimension;
#[cfg(not(target_arch = "wasm32"))]
use ndarray::{Array, ArrayViewMut, ArrayViewMut3, Axis};

use crate::batch::Batch;
use crate::gpu::GpuSession;
use crate::layer::{Implementation, Layer};
use crate::{Error, Input, State, Strategy};
use host::HostState;
pub(crate) use state::Active;
pub use state::SavedState;

/// The state of many live streams, kept on the layer's backend between calls.
///
/// A session has R rows, one for each stream. Every row starts with the state zero. A push gives rows their
/// next steps and returns the output for those steps; rows that it does not list keep their state. A session
/// works for layers of any depth with one forward direction: a reverse direction would need the end of the
/// stream.
///
/// Pushing a stream piece by piece gives the same bits as one [`Layer::forward`] over the whole stream,
/// whatever the pieces and the other rows. This holds on the CPU, and on a GPU with the [same
/// strategy](Session::strategy). (The reference keeps the state in f32.)
///
/// A push that fails, or whose future is dropped, leaves every row unchanged.
///
/// ```
/// use wgpu_rnn::{Backend, Config, Layer, Weights, ndarray::Array3};
///
/// let layer = Layer::new(&Weights::seeded(Config::gru(40, 64).num_layers(2), 0)?, Backend::Cpu)?;
/// let mut session = layer.session(3)?; // three streams
/// let ten_steps = Array3::zeros((3, 10, 40)); // [R, T, I]
/// let output = session.push(&ten_steps)?;
/// assert_eq!(output.shape(), [3, 10, 64]); // [R, T, H]
/// // One more step for streams 2 and 0; stream 1 has no input now.
/// let one_step = Array3::zeros((2, 1, 40));
/// let output = session.push_rows(&[2, 0], &one_step)?;
/// assert_eq!(output.shape(), [2, 1, 64]);
/// // Stream 1 has ended; the row is free for another one.
/// session.reset_rows(&[1])?;
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
pub struct Session {
    layer: Layer,
    rows: usize,
    kept: Kept,
    /// For each row, whether the current call lists it.
    named: Vec<bool>,
}

/// Shows the layer and R, without the state.
impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("layer", &self.layer)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

enum Kept {
    Host(HostState),
    Gpu(GpuSession),
}

impl Layer {
    /// Starts a session with R rows. Every row has the state zero.
    ///
    /// # Errors
    ///
    /// [`Error::ReverseDirection`]; [`Error::OutOfMemory`], and on a GPU [`Error::TooLarge`],
    /// [`Error::DeviceLost`], [`Error::Gpu`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn session(&self, rows: usize) -> Result<Session, Error> {
        pollster::block_on(self.session_async(rows))
    }

    /// Like [`Layer::session`], without waiting for the device.
    ///
    /// # Errors
    ///
    /// The same as [`Layer::session`].
    pub async fn session_async(&self, rows: usize) -> Result<Session, Error> {
        let config = self.config();
        if config.bidirectional || config.reverse {
            return Err(Error::ReverseDirection { found: Box::new(*config) });
        }
        let kept = match self.implementation() {
            Implementation::Gpu(layer) => Kept::Gpu(GpuSession::new(layer, rows).await?),
            Implementation::Reference(_) | Implementation::Cpu(_) => {
                Kept::Host(HostState::new(config, rows)?)
            }
        };
        Ok(Session { layer: self.clone(), rows, kept, named: vec![false; rows] })
    }
}

impl Session {
    /// Returns the layer.
    pub fn layer(&self) -> &Layer {
        &self.layer
    }

    /// Returns R, the number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the strategy of every push, or `None` if the layer is not on a GPU. It is the layer's
    /// strategy, or if that is [`Strategy::Auto`], the cost model's choice for one step of all rows. A
    /// forward pass with [`LayerOptions::strategy`](crate::LayerOptions::strategy) set to it gives the same
    /// bits.
    pub fn strategy(&self) -> Option<Strategy> {
        match &self.kept {
            Kept::Gpu(session) => Some(session.strategy()),
            Kept::Host(_) => None,
        }
    }

    /// Computes the next steps of all rows and waits for the output.
    ///
    /// Shapes: the input is `[R, T, I]` and the output `[R, T, H_out]`; if R is 1, they may be `[T, I]` and
    /// `[T, H_out]`. If rows have [lengths](Input::lengths), the output past a row's length is zero, and a
    /// row of length 0 keeps its state.
    ///
    /// # Errors
    ///
    /// [`Error::InputRank`], [`Error::InputSize`], [`Error::NoSteps`], [`Error::LengthsCount`],
    /// [`Error::Length`]; [`Error::RowsCount`] if the input does not have exactly one row for each row of
    /// the session. From the machine: [`Error::OutOfMemory`], and on a GPU [`Error::TooLarge`],
    /// [`Error::DeviceLost`], [`Error::Timeout`], [`Error::Gpu`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn push<'i, D: Dimension>(&mut self, input: impl Into<Input<'i, D>>) -> Result<Array<f32, D>, Error> {
        self.push_active(Active::All(self.rows), &input.into())
    }

    /// Like [`Session::push`], for the M listed rows, each at most once and in any order. The input is
    /// `[M, T, I]` in that order and the output `[M, T, H_out]`; for one row they may be `[T, I]` and
    /// `[T, H_out]`.
    ///
    /// # Errors
    ///
    /// The same as [`Session::push`]; [`Error::Row`] and [`Error::RowTwice`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn push_rows<'i, D: Dimension>(
        &mut self,
        rows: &[usize],
        input: impl Into<Input<'i, D>>,
    ) -> Result<Array<f32, D>, Error> {
        self.check_rows(rows)?;
        self.push_active(Active::Named(rows), &input.into())
    }

    /// Like [`Session::push`], but writes the output into an array of the output's shape, with any strides.
    /// The contents of the array are unspecified after an error.
    ///
    /// On the CPU a repeated push of one step allocates nothing, unless several threads share the work.
    ///
    /// # Errors
    ///
    /// The same as [`Session::push`]; [`Error::Shape`] for the array.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn push_into<'i, D: Dimension>(
        &mut self,
        input: impl Into<Input<'i, D>>,
        output: ArrayViewMut<'_, f32, D>,
    ) -> Result<(), Error> {
        self.push_active_into(Active::All(self.rows), &input.into(), output)
    }

    /// Like [`Session::push_rows`], but writes the output into an array, as [`Session::push_into`] does.
    ///
    /// # Errors
    ///
    /// The same as [`Session::push_rows`] and [`Session::push_into`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn push_rows_into<'i, D: Dimension>(
        &mut self,
        rows: &[usize],
        input: impl Into<Input<'i, D>>,
        output: ArrayViewMut<'_, f32, D>,
    ) -> Result<(), Error> {
        self.check_rows(rows)?;
        self.push_active_into(Active::Named(rows), &input.into(), output)
    }

    /// Returns the state of all rows.
    ///
    /// # Errors
    ///
    /// On a GPU [`Error::OutOfMemory`], [`Error::DeviceLost`], [`Error::Timeout`], [`Error::Gpu`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn state(&self) -> Result<SavedState, Error> {
        match &self.kept {
            Kept::Host(state) => Ok(state.saved(self.layer.config())),
            Kept::Gpu(session) => session.state(),
        }
    }

    /// Sets the state of all rows: `h_0 [L, R, H_out]` and, for an LSTM, `c_0 [L, R, H]`. A part that is
    /// `None` is set to zero. The state may come from another session, another backend or a forward pass.
    ///
    /// # Errors
    ///
    /// [`Error::StateShape`], [`Error::UnexpectedCellState`]; on a GPU [`Error::OutOfMemory`],
    /// [`Error::DeviceLost`], [`Error::Gpu`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn set_state<'s>(&mut self, state: impl Into<State<'s>>) -> Result<(), Error> {
        pollster::block_on(self.set_state_async(state))
    }

    /// Like [`Session::set_state`], for the M listed rows: `[L, M, …]` in their order.
    ///
    /// # Errors
    ///
    /// The same as [`Session::set_state`]; [`Error::Row`] and [`Error::RowTwice`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn set_state_rows<'s>(&mut self, rows: &[usize], state: impl Into<State<'s>>) -> Result<(), Error> {
        pollster::block_on(self.set_state_rows_async(rows, state))
    }

    /// Sets the state of all rows to zero.
    pub fn reset(&mut self) {
        self.reset_active(Active::All(self.rows));
    }

    /// Sets the state of the listed rows to zero, for new streams.
    ///
    /// # Errors
    ///
    /// [`Error::Row`] and [`Error::RowTwice`].
    pub fn reset_rows(&mut self, rows: &[usize]) -> Result<(), Error> {
        self.check_rows(rows)?;
        self.reset_active(Active::Named(rows));
        Ok(())
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn push_active<D: Dimension>(
        &mut self,
        active: Active<'_>,
        input: &Input<'_, D>,
    ) -> Result<Array<f32, D>, Error> {
        let state = State::zero();
        let batch = self.batch(active, input, &state)?;
        let mut output = batch.output(self.layer.config())?;
        self.run(active, &batch, output.view_mut())?;
        batch.restore_rank(output, Axis(0))
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn push_active_into<D: Dimension>(
        &mut self,
        active: Active<'_>,
        input: &Input<'_, D>,
        output: ArrayViewMut<'_, f32, D>,
    ) -> Result<(), Error> {
        let state = State::zero();
        let batch = self.batch(active, input, &state)?;
        let mut output = batch.checked_output(self.layer.config(), output)?;
        output.fill(0.0);
        self.run(active, &batch, output)
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn run(
        &mut self,
        active: Active<'_>,
        batch: &Batch<'_>,
        mut output: ArrayViewMut3<'_, f32>,
    ) -> Result<(), Error> {
        match &mut self.kept {
            Kept::Host(state) => {
                state.push(self.layer.implementation(), self.layer.config(), batch, active, output)
            }
            Kept::Gpu(session) => {
                output.assign(&session.push(batch, active)?);
                Ok(())
            }
        }
    }

    fn reset_active(&mut self, active: Active<'_>) {
        match &mut self.kept {
            Kept::Host(kept) => kept.set(active, &State::zero()),
            Kept::Gpu(session) => session.reset(active),
        }
    }

    fn batch<'a, D: Dimension>(
        &self,
        active: Active<'_>,
        input: &'a Input<'_, D>,
        state: &'a State<'_, D>,
    ) -> Result<Batch<'a>, Error> {
        let batch = Batch::new(self.layer.config(), input, state)?;
        if batch.rows() != active.len() {
            return Err(Error::RowsCount { expected: active.len(), found: batch.rows() });
        }
        Ok(batch)
    }

    /// Checks that the rows exist and that each is listed once.
    fn check_rows(&mut self, rows: &[usize]) -> Result<(), Error> {
        let mut checked = Ok(());
        let mut marked = 0;
        for &row in rows {
            checked = match self.named.get_mut(row) {
                None => Err(Error::Row { rows: self.rows, found: row }),
                Some(true) => Err(Error::RowTwice { row }),
                Some(named) => {
                    *named = true;
                    Ok(())
                }
            };
            if checked.is_err() {
                break;
            }
            marked += 1;
        }
        for &row in &rows[..marked] {
            self.named[row] = false;
        }
        checked
    }
}
