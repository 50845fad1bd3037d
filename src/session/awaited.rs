//! The calls of a session that do not block.

use ndarray::{Array, Axis, Dimension};

use super::state::{Active, SavedState};
use super::{Kept, Session};
use crate::{Error, Input, State};

impl Session {
    /// Like [`Session::push`], without blocking the thread that polls, as in
    /// [`Layer::forward_async`](crate::Layer::forward_async). If the future is dropped before it is ready,
    /// every row is unchanged.
    ///
    /// # Errors
    ///
    /// The same as [`Session::push`].
    pub async fn push_async<'i, D: Dimension>(
        &mut self,
        input: impl Into<Input<'i, D>>,
    ) -> Result<Array<f32, D>, Error> {
        self.push_active_async(Active::All(self.rows), &input.into()).await
    }

    /// Like [`Session::push_rows`], without blocking, as in [`Session::push_async`].
    ///
    /// # Errors
    ///
    /// The same as [`Session::push_rows`].
    pub async fn push_rows_async<'i, D: Dimension>(
        &mut self,
        rows: &[usize],
        input: impl Into<Input<'i, D>>,
    ) -> Result<Array<f32, D>, Error> {
        self.check_rows(rows)?;
        self.push_active_async(Active::Named(rows), &input.into()).await
    }

    /// Like [`Session::state`], without blocking.
    ///
    /// # Errors
    ///
    /// The same as [`Session::state`].
    pub async fn state_async(&self) -> Result<SavedState, Error> {
        match &self.kept {
            Kept::Host(state) => Ok(state.saved(self.layer.config())),
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
    pub async fn set_state_async<'s>(&mut self, state: impl Into<State<'s>>) -> Result<(), Error> {
        self.set_active(Active::All(self.rows), &state.into()).await
    }

    /// Like [`Session::set_state_rows`], without waiting for the device, as in [`Session::set_state_async`].
    ///
    /// # Errors
    ///
    /// The same as [`Session::set_state_rows`].
    pub async fn set_state_rows_async<'s>(
        &mut self,
        rows: &[usize],
        state: impl Into<State<'s>>,
    ) -> Result<(), Error> {
        self.check_rows(rows)?;
        self.set_active(Active::Named(rows), &state.into()).await
    }

    async fn push_active_async<D: Dimension>(
        &mut self,
        active: Active<'_>,
        input: &Input<'_, D>,
    ) -> Result<Array<f32, D>, Error> {
        let state = State::zero();
        let batch = self.batch(active, input, &state)?;
        let output = match &mut self.kept {
            Kept::Gpu(session) => session.push_async(&batch, active).await?,
            #[cfg(not(target_arch = "wasm32"))]
            Kept::Host(state) => {
                let implementation = self.layer.shared_implementation();
                state.push_elsewhere(implementation, self.layer.config(), &batch, active).await?
            }
            // There is no other thread.
            #[cfg(target_arch = "wasm32")]
            Kept::Host(state) => {
                let mut output = batch.output(self.layer.config())?;
                let implementation = self.layer.implementation();
                state.push(implementation, self.layer.config(), &batch, active, output.view_mut())?;
                output
            }
        };
        batch.restore_rank(output, Axis(0))
    }

    async fn set_active(&mut self, active: Active<'_>, state: &State<'_>) -> Result<(), Error> {
        state.check(self.layer.config(), active.len())?;
        match &mut self.kept {
            Kept::Host(kept) => kept.set(active, state),
            Kept::Gpu(session) => session.set(active, state).await?,
        }
        Ok(())
    }
}
