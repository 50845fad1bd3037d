//! Sessions on the GPU, whose state stays there between calls.
//!
//! A session has two states. A push reads one and writes the other, and they change places once its output
//! has arrived. So a push that fails or is dropped changes nothing.
//!
//! The rows that have input are gathered into a pass of their own. There is a workspace for each power of
//! two of rows, and one for all rows, so streams may come and go in any number without new buffers.

use ndarray::{Array3, Axis};
use wgpu::{Buffer, BufferUsages, MapMode};

use super::Gpu;
use super::buffer::map;
use super::call_mode::CallMode;
use super::kernel::{FRESH, NOBODY};
use super::layer::GpuLayer;
use super::pack::quads;
use super::plan::{CallShape, Endpoints, Plan, allowed};
use super::resident::Resident;
use super::submission::Submitted;
use super::transfer::{self, Given, arrived, copy, padded};
use super::workspace::{Saved, Turn};
use crate::array::{filled, reserved, room, zeros};
use crate::batch::Batch;
use crate::error::Fault;
use crate::session::state::Active;
use crate::{Config, Error, State};

pub(crate) struct GpuSession {
    pub(super) layer: GpuLayer,
    endpoints: Endpoints,
    saved: Saved,
    /// The index of the current state.
    pub(super) current: usize,
    /// Whether each row starts from zero, whatever the state's buffers contain.
    fresh: Vec<bool>,
    /// The rows of the current call, in the form that `exchange.wgsl` reads.
    slots: Vec<u32>,
    /// Whether a push was started but its output never arrived. Another thread may still submit it.
    unfinished: bool,
    /// The rows of the last recording, in the same form, and a buffer that contains them.
    recorded: Option<(Vec<u32>, Buffer)>,
}

impl GpuSession {
    pub(crate) async fn new(layer: &GpuLayer, rows: usize) -> Result<Self, Error> {
        let Resident { gpu, config, options, .. } = &*layer.0;
        // Bit 31 is the flag FRESH.
        let count = u32::try_from(rows).ok().filter(|&rows| rows < FRESH).ok_or_else(|| {
            Error::from(Fault::TooLarge {
                what: "rows of a session".into(),
                needed: rows as u64,
                limit: u64::from(FRESH - 1),
            })
        })?;
        let endpoints = Endpoints::Session { rows: count };
        let one_step =
            layer.0.request(CallShape { rows: rows.max(1), steps: 1, budget: options.budget, endpoints });
        // Refuses a layer of which not even one row fits.
        Plan::rows_at_once(&one_step, options.strategy)?;
        let family = Some(allowed(&one_step, options.strategy));
        let [hidden, cell] = sizes(config, rows);
        let limit =
            gpu.capabilities().max_storage_buffer_binding_size.min(gpu.capabilities().max_buffer_size);
        for (what, needed) in
            [("bytes of a session's hidden state", hidden), ("bytes of a session's cell state", cell)]
        {
            if needed > limit {
                return Err(Error::from(Fault::TooLarge { what: what.into(), needed, limit }));
            }
        }
        let two_states = || {
            let [first, second] = [0, 1].map(|_| one_state(gpu, [hidden, cell]));
            Ok(Saved { hidden: [first.0, second.0], cell: [first.1, second.1] })
        };
        let saved = gpu.caught(two_states).await?;
        gpu.check_not_lost()?;
        log::debug!("session of {rows} rows of {config} on {gpu}");
        Ok(GpuSession {
            layer: GpuLayer::of(layer.0.of_session(family, kept(rows), saved.clone())),
            endpoints,
            saved,
            current: 0,
            fresh: filled("rows", rows, true)?,
            slots: Vec::new(),
            unfinished: false,
            recorded: None,
        })
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn push(&mut self, batch: &Batch<'_>, active: Active<'_>) -> Result<Array3<f32>, Error> {
        pollster::block_on(self.push_with(batch, active, CallMode::Blocking))
    }

    pub(crate) async fn push_async(
        &mut self,
        batch: &Batch<'_>,
        active: Active<'_>,
    ) -> Result<Array3<f32>, Error> {
        self.push_with(batch, active, CallMode::Async).await
    }

    /// Runs a push. The state of the session changes only after the output has arrived.
    async fn push_with(
        &mut self,
        batch: &Batch<'_>,
        active: Active<'_>,
        mode: CallMode,
    ) -> Result<Array3<f32>, Error> {
        if batch.rows() == 0 {
            return batch.output(&self.layer.0.config);
        }
        self.settle().await?;
        self.name_slots(active)?;
        self.unfinished = true;
        let output = self.run(batch, mode).await?;
        self.unfinished = false;
        self.current = 1 - self.current;
        self.mark_written(active);
        Ok(output)
    }

    /// Makes sure that no earlier push can still write a buffer that the next call uses.
    pub(super) async fn settle(&mut self) -> Result<(), Error> {
        if self.unfinished {
            self.renew().await?;
            self.unfinished = false;
        }
        Ok(())
    }

    /// Returns R. It fits, since `new` has checked it.
    pub(super) fn row_count(&self) -> u32 {
        small(self.fresh.len())
    }

    /// Notes that these rows have a state in the buffers.
    pub(super) fn mark_written(&mut self, active: Active<'_>) {
        active.iter().for_each(|row| self.fresh[row] = false);
    }

    /// Returns a buffer with the named slots for a recording. Calls for the same rows share it.
    pub(super) async fn rows_buffer(&mut self, active: Active<'_>) -> Result<Buffer, Error> {
        self.name_slots(active)?;
        if let Some((slots, buffer)) = &self.recorded
            && *slots == self.slots
        {
            return Ok(buffer.clone());
        }
        let gpu = &self.layer.0.gpu;
        let mut slots = reserved("the rows of a push", self.slots.len())?;
        slots.extend_from_slice(&self.slots);
        let contents = bytemuck::cast_slice(&slots);
        let make = || gpu.buffer_with("a session's rows", contents, BufferUsages::COPY_SRC);
        let buffer = gpu.caught(make).await?;
        self.recorded = Some((slots, buffer.clone()));
        Ok(buffer)
    }

    /// Replaces the buffers that an unfinished push may still write.
    async fn renew(&mut self) -> Result<(), Error> {
        let (gpu, rows) = (&self.layer.0.gpu, self.fresh.len());
        let (hidden, cell) = gpu.caught(|| Ok(one_state(gpu, sizes(&self.layer.0.config, rows)))).await?;
        let other = 1 - self.current;
        (self.saved.hidden[other], self.saved.cell[other]) = (hidden, cell);
        self.layer =
            GpuLayer::of(self.layer.0.of_session(self.layer.0.family, kept(rows), self.saved.clone()));
        Ok(())
    }

    fn name_slots(&mut self, active: Active<'_>) -> Result<(), Error> {
        self.slots.clear();
        room("the rows of a push", &mut self.slots, active.len())?;
        let fresh = &self.fresh;
        // The number of rows is below FRESH, so the bit is free.
        let slot = |row: usize| small(row) | if fresh[row] { FRESH } else { 0 };
        self.slots.extend(active.iter().map(slot));
        Ok(())
    }

    /// Runs a batch over the named slots.
    async fn run(&self, batch: &Batch<'_>, mode: CallMode) -> Result<Array3<f32>, Error> {
        let slots = batch.rows().next_power_of_two().min(self.fresh.len());
        let pieces = self.layer.pieces(slots, batch.steps(), self.endpoints)?;
        // If every row is written, there is nothing to carry over.
        let turn = Turn { from: self.current, carries: self.slots.len() < self.fresh.len() };
        let given = Given { batch, rows: &self.slots, turn };
        Ok(self.layer.run_pieces(given, &pieces, self.endpoints, mode, None).await?.output)
    }

    pub(crate) fn reset(&mut self, active: Active<'_>) {
        active.iter().for_each(|row| self.fresh[row] = true);
    }

    /// Sets the state of these rows. The caller has checked that the state fits them.
    pub(crate) async fn set(&mut self, active: Active<'_>, state: &State<'_>) -> Result<(), Error> {
        let gpu = &self.layer.0.gpu;
        gpu.caught(|| self.write(active, state)).await?;
        gpu.check_not_lost()?;
        self.mark_written(active);
        Ok(())
    }

    /// Writes the state of these rows to the current buffers. Call this inside error scopes.
    fn write(&self, active: Active<'_>, state: &State<'_>) -> Result<(), Error> {
        let Resident { gpu, config, .. } = &*self.layer.0;
        let [hidden, cell] = [&self.saved.hidden[self.current], &self.saved.cell[self.current]];
        let strides = [padded(config.hidden_output_size()), config.hidden_size];
        for ((buffer, values), stride) in [(hidden, &state.h_0), (cell, &state.c_0)].into_iter().zip(strides)
        {
            if std::ptr::eq(buffer, cell) && !config.cell.has_cell_state() {
                continue;
            }
            let mut vectors = filled("the state of rows", active.len().saturating_mul(stride), 0.0)?;
            for layer in 0..config.num_layers {
                let given = values.as_ref().map(|values| values.index_axis(Axis(0), layer));
                for (vector, from) in
                    vectors.chunks_exact_mut(stride).zip(given.iter().flat_map(|given| given.outer_iter()))
                {
                    vector.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
                }
                // Rows with successive numbers are written together, because wgpu keeps a record of each write.
                let (mut rows, mut slot) = (active.iter().peekable(), 0);
                while let Some(first) = rows.next() {
                    let mut count = 1;
                    while rows.next_if_eq(&(first + count)).is_some() {
                        count += 1;
                    }
                    let at = 4 * stride as u64 * (layer * self.fresh.len() + first) as u64;
                    let of_rows = &vectors[slot * stride..(slot + count) * stride];
                    gpu.queue().write_buffer(buffer, at, bytemuck::cast_slice(of_rows));
                    slot += count;
                }
            }
        }
        Ok(())
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn state(&self) -> Result<State<'static>, Error> {
        pollster::block_on(self.read(CallMode::Blocking))
    }

    pub(crate) async fn state_async(&self) -> Result<State<'static>, Error> {
        self.read(CallMode::Async).await
    }

    async fn read(&self, mode: CallMode) -> Result<State<'static>, Error> {
        let Resident { gpu, config, .. } = &*self.layer.0;
        let (rows, layers) = (self.fresh.len(), config.num_layers);
        let mut h_n = zeros("h_n", [layers, rows, config.hidden_output_size()])?;
        let has_cell_state = config.cell.has_cell_state();
        let mut c_n = zeros("c_n", [layers, rows, config.cell_state_size()])?;
        let [hidden, cell] = sizes(config, rows);
        if hidden > 0 {
            let download = self.download([hidden, cell], mode).await?;
            let view = download.get_mapped_range(..).map_err(|reason| gpu.unmapped(reason))?;
            let (of_hidden, of_cell) = view.split_at(transfer::size(hidden));
            copy(of_hidden, h_n.view_mut(), padded(config.hidden_output_size()));
            copy(of_cell, c_n.view_mut(), config.hidden_size);
        }
        for (row, _) in self.fresh.iter().enumerate().filter(|(_, fresh)| **fresh) {
            h_n.index_axis_mut(Axis(1), row).fill(0.0);
            c_n.index_axis_mut(Axis(1), row).fill(0.0);
        }
        Ok(State::owned(h_n, has_cell_state.then_some(c_n)))
    }

    /// Copies the current state to a buffer that is mapped for the host: the hidden state, then the cell
    /// state.
    async fn download(&self, [hidden, cell]: [u64; 2], mode: CallMode) -> Result<Buffer, Error> {
        let Resident { gpu, .. } = &*self.layer.0;
        let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let make = || Ok(gpu.buffer("a session's state", hidden + cell, usage, false));
        let download = gpu.caught(make).await?;
        let from = [&self.saved.hidden, &self.saved.cell].map(|buffers| buffers[self.current].clone());
        let (shared, to) = (gpu.clone(), download.clone());
        let submission = mode.submit(gpu, move || {
            let ((_index, download), caught) = shared.catching(|| {
                let mut encoder = shared.device().create_command_encoder(&Default::default());
                encoder.copy_buffer_to_buffer(&from[0], 0, &to, 0, hidden);
                encoder.copy_buffer_to_buffer(&from[1], 0, &to, hidden, cell);
                let index = shared.submit(encoder.finish());
                (index, Some(map(&to, MapMode::Read)))
            });
            Submitted {
                #[cfg(not(target_arch = "wasm32"))]
                index: _index,
                upload: None,
                download,
                marks: None,
                caught,
            }
        })?;
        arrived(&self.layer.0, submission).await?;
        Ok(download)
    }
}

/// Returns the bytes of the hidden state and of the cell state for a number of rows.
fn sizes(config: &Config, rows: usize) -> [u64; 2] {
    let floats =
        |size: usize| 4u64.saturating_mul((config.num_layers * rows) as u64).saturating_mul(size as u64);
    [floats(4 * quads(config.hidden_output_size())), floats(config.cell_state_size())]
}

/// Makes the buffers of one state with these sizes in bytes: hidden and cell.
fn one_state(gpu: &Gpu, [hidden, cell]: [u64; 2]) -> (Buffer, Buffer) {
    let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
    let buffer = |label, bytes: u64| gpu.buffer(label, bytes.max(16), usage, false);
    (buffer("a session's hidden state", hidden), buffer("a session's cell state", cell))
}

/// Returns the number of workspaces to keep: one for each power of two of rows, and one for all rows.
fn kept(rows: usize) -> usize {
    rows.max(1).ilog2() as usize + 2
}

/// Converts the index of a row. There are fewer than 2^31 rows.
fn small(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(NOBODY)
}
