//! Sessions: live streams whose state stays on the layer's backend.

mod host;
pub(crate) mod state;

use ndarray::{Array, Array3, ArrayViewMut, Axis, Dimension};
#[cfg(feature = "gpu")]
use wgpu::CommandEncoder;

#[cfg(doc)]
use crate::Strategy;
use crate::array::filled;
use crate::batch::Batch;
use crate::error::Fault;
#[cfg(feature = "gpu")]
use crate::gpu::GpuBuffers;
use crate::gpu::GpuSession;
use crate::layer::{Implementation, Layer};
use crate::{Error, Input, State};
pub(crate) use host::HostState;
pub(crate) use state::Active;

/// The state of many live streams, kept on the layer's backend between calls.
///
/// A session has R rows, one for each stream. Every row starts with the state zero. A push gives rows their
/// next steps and returns the output for those steps; rows that it does not list keep their state. A session
/// works for layers of any depth with one forward direction: a reverse direction would need the end of the
/// stream.
///
/// Pushing a stream piece by piece gives the same bits as one [`Layer::forward`] of the same layer over the whole
/// stream, whatever the pieces and the other rows: on the CPU, and on a GPU with any strategy, also
/// [`Strategy::Auto`]. (The reference keeps the state in f32.)
///
/// A push that fails, or whose future is dropped, leaves every row unchanged.
///
/// ```
/// use wgpu_rnn::{Backend, Config, Input, Layer, Weights, ndarray::Array3};
///
/// let layer = Layer::new(&Weights::seeded(Config::gru(40, 64).num_layers(2), 0)?, Backend::Cpu)?;
/// let mut session = layer.session(3)?; // three streams
/// let ten_steps = Array3::zeros((3, 10, 40)); // [R, T, I]
/// let output = session.push(&ten_steps)?;
/// assert_eq!(output.shape(), [3, 10, 64]); // [R, T, H]
/// // One more step for streams 2 and 0; stream 1 has no input now.
/// let one_step = Array3::zeros((2, 1, 40));
/// let output = session.push(Input::new(&one_step).rows(&[2, 0]))?;
/// assert_eq!(output.shape(), [2, 1, 64]);
/// // Stream 1 has ended; the row is free for another one.
/// session.reset(Some(&[1]))?;
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
pub struct Session {
    pub(crate) layer: Layer,
    rows: usize,
    pub(crate) kept: Kept,
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

#[cfg_attr(not(feature = "gpu"), allow(clippy::large_enum_variant, reason = "there is no other variant"))]
pub(crate) enum Kept {
    Host(HostState),
    Gpu(GpuSession),
}

impl Layer {
    /// Like [`Layer::session`], without waiting for the device.
    ///
    /// # Errors
    ///
    /// The same as [`Layer::session`].
    pub async fn session_async(&self, rows: usize) -> Result<Session, Error> {
        let config = self.config();
        if config.bidirectional || config.reverse {
            return Err(Error::from(Fault::ReverseDirection { found: Box::new(*config) }));
        }
        let kept = match self.implementation() {
            Implementation::Gpu(layer) => Kept::Gpu(GpuSession::new(layer, rows).await?),
            Implementation::Reference(_) | Implementation::Cpu(_) => {
                Kept::Host(HostState::new(config, rows)?)
            }
        };
        Ok(Session { layer: self.clone(), rows, kept, named: filled("rows", rows, false)? })
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

    /// Like [`Session::push`], without blocking the thread that polls, as in [`Layer::forward_async`]. If the
    /// future is dropped before it is ready, every row is unchanged.
    ///
    /// # Errors
    ///
    /// The same as [`Session::push`].
    pub async fn push_async<'i, D: Dimension>(
        &mut self,
        input: impl Into<Input<'i, D>>,
    ) -> Result<Array<f32, D>, Error> {
        let input = input.into();
        let (active, batch) = self.checked(&input)?;
        let output = match &mut self.kept {
            Kept::Gpu(session) => session.push_async(&batch, active).await?,
            Kept::Host(state) => push_elsewhere(state, &self.layer, &batch, active).await?,
        };
        batch.restore_rank(output, Axis(0))
    }

    /// Like [`Session::push_into`], without blocking the thread that polls, as in [`Layer::forward_async`]. The
    /// output is written when the future is ready.
    ///
    /// In a browser, a repeated push of one step allocates nothing if the layer is on the CPU; the future is
    /// ready at the first poll.
    ///
    /// # Errors
    ///
    /// The same as [`Session::push_into`].
    pub async fn push_into_async<'i, D: Dimension>(
        &mut self,
        input: impl Into<Input<'i, D>>,
        output: ArrayViewMut<'_, f32, D>,
    ) -> Result<(), Error> {
        let input = input.into();
        let (active, batch) = self.checked(&input)?;
        let mut output = batch.checked_output(self.layer.config(), output)?;
        match &mut self.kept {
            Kept::Gpu(session) => output.assign(&session.push_async(&batch, active).await?),
            #[cfg(not(target_arch = "wasm32"))]
            Kept::Host(state) => output.assign(&push_elsewhere(state, &self.layer, &batch, active).await?),
            #[cfg(target_arch = "wasm32")]
            Kept::Host(state) => {
                output.fill(0.0);
                state.push(self.layer.implementation(), self.layer.config(), &batch, active, output)?;
            }
        }
        Ok(())
    }

    /// Like [`Session::encode`], and also works in a browser, as [`Layer::encode_async`] does. If the future is
    /// dropped before it is ready, nothing was recorded.
    ///
    /// # Errors
    ///
    /// The same as [`Session::encode`].
    #[cfg(feature = "gpu")]
    pub async fn encode_async(
        &mut self,
        encoder: &mut CommandEncoder,
        buffers: &GpuBuffers<'_>,
        rows: Option<&[usize]>,
    ) -> Result<(), Error> {
        self.layer.gpu_layer()?;
        let active = self.active(rows)?;
        match &mut self.kept {
            Kept::Gpu(session) => session.encode_async(encoder, buffers, active).await,
            Kept::Host(_) => Ok(()),
        }
    }

    /// Like [`Session::state`], without blocking.
    ///
    /// # Errors
    ///
    /// The same as [`Session::state`].
    pub async fn state_async(&self) -> Result<State<'static>, Error> {
        match &self.kept {
            Kept::Host(state) => state.saved(self.layer.config()),
            Kept::Gpu(session) => session.state_async().await,
        }
    }

    /// Like [`Session::set_state`], without waiting for the device. Outside a browser the future is ready at
    /// the first poll. If it is dropped before it is ready, each row that already had a state may have the
    /// old state or the new one.
    ///
    /// # Errors
    ///
    /// The same as [`Session::set_state`].
    pub async fn set_state_async<'s>(
        &mut self,
        rows: Option<&[usize]>,
        state: impl Into<State<'s>>,
    ) -> Result<(), Error> {
        let (active, state) = (self.active(rows)?, state.into());
        state.check(self.layer.config(), active.len())?;
        match &mut self.kept {
            Kept::Host(kept) => kept.set(active, &state),
            Kept::Gpu(session) => session.set(active, &state).await?,
        }
        Ok(())
    }

    /// Sets the state of the listed rows, or of all rows, to zero: for new streams.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](crate::ErrorKind::Input) for a row that the session does not have or that is listed
    /// twice.
    pub fn reset(&mut self, rows: Option<&[usize]>) -> Result<(), Error> {
        let active = self.active(rows)?;
        match &mut self.kept {
            Kept::Host(kept) => kept.set(active, &State::default()),
            Kept::Gpu(session) => session.reset(active),
        }
        Ok(())
    }

    /// Checks the argument of a push.
    pub(crate) fn checked<'a, D: Dimension>(
        &mut self,
        input: &'a Input<'_, D>,
    ) -> Result<(Active<'a>, Batch<'a>), Error> {
        input.check_for_push()?;
        let active = self.active(input.session_rows())?;
        let batch = Batch::new(self.layer.config(), input)?;
        if batch.rows() != active.len() {
            return Err(Error::from(Fault::RowsCount { expected: active.len(), found: batch.rows() }));
        }
        Ok((active, batch))
    }

    /// Returns the rows of a call, which are checked.
    fn active<'a>(&mut self, rows: Option<&'a [usize]>) -> Result<Active<'a>, Error> {
        let Some(rows) = rows else { return Ok(Active::All(self.rows)) };
        self.check_rows(rows)?;
        Ok(Active::Named(rows))
    }

    /// Checks that the rows exist and that each is listed once.
    fn check_rows(&mut self, rows: &[usize]) -> Result<(), Error> {
        let mut checked = Ok(());
        let mut marked = 0;
        for &row in rows {
            checked = match self.named.get_mut(row) {
                None => Err(Error::from(Fault::Row { rows: self.rows, found: row })),
                Some(true) => Err(Error::from(Fault::RowTwice { row })),
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

/// Runs a push on a thread of the pool.
#[cfg(not(target_arch = "wasm32"))]
async fn push_elsewhere(
    state: &mut HostState,
    layer: &Layer,
    batch: &Batch<'_>,
    active: Active<'_>,
) -> Result<Array3<f32>, Error> {
    state.push_elsewhere(layer.shared_implementation(), layer.config(), batch, active).await
}

/// Runs a push on this thread, since there is no other one.
#[cfg(target_arch = "wasm32")]
async fn push_elsewhere(
    state: &mut HostState,
    layer: &Layer,
    batch: &Batch<'_>,
    active: Active<'_>,
) -> Result<Array3<f32>, Error> {
    let mut output = batch.output(layer.config())?;
    state.push(layer.implementation(), layer.config(), batch, active, output.view_mut())?;
    Ok(output)
}
