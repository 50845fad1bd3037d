//! The state of a session on the CPU or the reference, and the push that advances it.

#[cfg(not(target_arch = "wasm32"))]
use std::sync::Arc;

use ndarray::{Array3, ArrayView3, ArrayViewMut3, s};

use super::state::Active;
use crate::array::{Reused, copied, out_of_memory, zeros};
use crate::batch::Batch;
use crate::cpu::{Between, Work};
use crate::layer::Implementation;
#[cfg(not(target_arch = "wasm32"))]
use crate::offload;
use crate::{Config, Error, State};

/// The state of all rows. A push works on a copy of the rows that it lists, so that a push that fails
/// changes nothing.
pub(crate) struct HostState {
    /// `[L, R, H_out]`.
    h: Array3<f32>,
    /// `[L, R, H]`, or `[L, R, 0]` if the cell has no cell state.
    c: Array3<f32>,
    /// The arrays of a push, kept for the next one.
    pass: Pass,
}

/// The arrays that a push works in, in the order of its rows.
#[derive(Default)]
struct Pass {
    h: Reused,
    c: Reused,
    lengths: Vec<usize>,
    between: Between,
}

impl HostState {
    pub(super) fn new(config: &Config, rows: usize) -> Result<Self, Error> {
        Ok(HostState {
            h: zeros("h_n", [config.num_layers, rows, config.hidden_output_size()])?,
            c: zeros("c_n", [config.num_layers, rows, config.cell_state_size()])?,
            pass: Pass::default(),
        })
    }

    /// Runs a push. The caller sets `output [M, T, H_out]` to zero.
    pub(crate) fn push(
        &mut self,
        implementation: &Implementation,
        config: &Config,
        batch: &Batch<'_>,
        active: Active<'_>,
        output: ArrayViewMut3<'_, f32>,
    ) -> Result<(), Error> {
        self.gather(active)?;
        self.pass.run(implementation, config, batch, output, false)?;
        self.scatter(active)
    }

    /// Like [`HostState::push`], but runs on a thread of the pool.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) async fn push_elsewhere(
        &mut self,
        implementation: &Arc<Implementation>,
        config: &Config,
        batch: &Batch<'_>,
        active: Active<'_>,
    ) -> Result<Array3<f32>, Error> {
        self.gather(active)?;
        let (mut pass, owned) = (std::mem::take(&mut self.pass), batch.to_owned()?);
        let (implementation, config) = (Arc::clone(implementation), *config);
        let mut output = zeros("output", [batch.rows(), batch.steps(), config.output_size()])?;
        let run = move |alone| {
            pass.run(&implementation, &config, &owned.batch(), output.view_mut(), alone)?;
            Ok((pass, output))
        };
        let (pass, output) = offload::on_pool(run).await?;
        self.pass = pass;
        self.scatter(active)?;
        Ok(output)
    }

    fn gather(&mut self, active: Active<'_>) -> Result<(), Error> {
        let Pass { h, c, .. } = &mut self.pass;
        for (name, from, to) in [("h_0", &self.h, h), ("c_0", &self.c, c)] {
            let (layers, _, size) = from.dim();
            to.reshape(name, [layers, active.len(), size])?;
            let mut to = to.view_mut()?;
            for (slot, row) in active.iter().enumerate() {
                to.slice_mut(s![.., slot, ..]).assign(&from.slice(s![.., row, ..]));
            }
        }
        Ok(())
    }

    fn scatter(&mut self, active: Active<'_>) -> Result<(), Error> {
        let HostState { h, c, pass } = self;
        assign(active, Some(&pass.h.view()?), h);
        assign(active, Some(&pass.c.view()?), c);
        Ok(())
    }

    pub(super) fn set(&mut self, active: Active<'_>, state: &State<'_>) {
        for (from, to) in [(&state.h_0, &mut self.h), (&state.c_0, &mut self.c)] {
            assign(active, from.as_ref().map(|from| from.view()).as_ref(), to);
        }
    }

    pub(crate) fn saved(&self, config: &Config) -> Result<State<'static>, Error> {
        let c = config.cell.has_cell_state().then(|| copied("c_n", &self.c.view())).transpose()?;
        Ok(State::owned(copied("h_n", &self.h.view())?, c))
    }
}

impl Pass {
    /// Computes the state after the push from the state before it. `alone` means without the help of the
    /// thread pool.
    fn run(
        &mut self,
        implementation: &Implementation,
        config: &Config,
        batch: &Batch<'_>,
        mut output: ArrayViewMut3<'_, f32>,
        alone: bool,
    ) -> Result<(), Error> {
        let Pass { h, c, lengths, between } = self;
        if batch.rows() == 0 {
            return Ok(());
        }
        if let Implementation::Cpu(layer) = implementation {
            lengths.clear();
            lengths.try_reserve(batch.rows()).map_err(|_| out_of_memory("lengths", [1, 1, batch.rows()]))?;
            lengths.extend(batch.lengths());
            let (input, h, c) = (batch.input.view(), h.view_mut()?, c.view_mut()?);
            return layer.run_work(Work { input, lengths, output, h, c }, between, alone);
        }
        let c_0 = if config.cell.has_cell_state() { Some(c.view()?) } else { None };
        let done = implementation.run(config, &batch.with_state(&h.view()?, c_0.as_ref()))?;
        output.assign(&done.output);
        h.view_mut()?.assign(&done.h_n);
        if let Some(c_n) = &done.c_n {
            c.view_mut()?.assign(c_n);
        }
        Ok(())
    }
}

/// Copies the rows of a state `[L, M, …]` to the active rows of a state `[L, R, …]`, or sets them to zero if
/// `from` is `None`.
fn assign(active: Active<'_>, from: Option<&ArrayView3<'_, f32>>, to: &mut Array3<f32>) {
    for (slot, row) in active.iter().enumerate() {
        let mut to = to.slice_mut(s![.., row, ..]);
        match from {
            Some(from) => to.assign(&from.slice(s![.., slot, ..])),
            None => to.fill(0.0),
        }
    }
}
