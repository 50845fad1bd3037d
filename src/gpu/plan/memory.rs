//! The size of each buffer, and the number of time steps in a chunk.

use super::bindings::{Bound, Sequence};
use super::choice::Choice;
use super::request::{Endpoints, Request, small};
use super::stage::{Operand, Stage};
use super::{cost, exchange, loops, parts};
use crate::Error;
use crate::error::Fault;
use crate::gpu::pack::quads;

/// The sizes of a pass's buffers in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::gpu) struct PassMemory {
    /// `[N, T, quads of I]`.
    pub(in crate::gpu) input: u64,
    /// `[N, T, D*H_out]`, the output of the last layer.
    pub(in crate::gpu) output: u64,
    /// The pass's own buffers for input and output; 0 if the kernels use the caller's buffers.
    pub(in crate::gpu) own_input: u64,
    pub(in crate::gpu) own_output: u64,
    /// `[N, T, D, quads of H_out]` each: the two sequences between layers, which the layers of a stack use
    /// in turn.
    pub(in crate::gpu) between: [u64; 2],
    /// `[chunk, D, N, G*H]`: the input products of a chunk.
    pub(in crate::gpu) gates: u64,
    /// `[L*D, N, quads of H_out]`, the size of each of the two hidden buffers, which the steps use in turn.
    pub(in crate::gpu) hidden: u64,
    /// `[L*D, N, H]`, if the cell has a cell state.
    pub(in crate::gpu) cell: u64,
    /// `[L*D, N, vectors, quads of H]`: the result of a step's first product, if the second product is a
    /// dispatch of its own.
    pub(in crate::gpu) intermediate: u64,
    /// `[N]`: the number of steps of each row.
    pub(in crate::gpu) lengths: u64,
    /// One `DispatchParams` for each dispatch, at multiples of the uniform buffer alignment.
    pub(in crate::gpu) params: u64,
    /// `[N]`: the session's row for each row of the pass.
    pub(in crate::gpu) rows: u64,
    /// The data that defines the initial state: h_0 and c_0, or a session's rows.
    pub(in crate::gpu) start: u64,
    /// The final state that is read back: h_n and c_n, unless a session keeps them.
    pub(in crate::gpu) end: u64,
    /// The staging buffers: `upload` holds input, lengths and start, `download` holds output and end. Both
    /// are 0 if the pass uses the caller's buffers.
    pub(in crate::gpu) upload: u64,
    pub(in crate::gpu) download: u64,
    /// The number of steps in a chunk; T if nothing is computed ahead.
    pub(in crate::gpu) chunk: u32,
}

impl PassMemory {
    /// Returns the sizes for a request, or an error if they exceed the limits.
    pub(super) fn fitting(request: &Request<'_>, choice: &Choice) -> Result<Self, Error> {
        let &Request { config, precision, capabilities, parts: of_weights, .. } = request;
        parts::check(config, precision, capabilities, of_weights, choice.strategy)?;
        loops::check(request, choice)?;
        let mut bytes = PassMemory::without_chunk(request, choice);
        bytes.chunk = small(request.steps);
        bytes.params = params(request, choice, bytes.chunk);
        if choice.paced(true).next().is_some() {
            bytes.chunk = bytes.chunk_steps(request, choice)?;
            // Smaller chunks give more dispatches, whose parameters need memory, too.
            loop {
                let needed = params(request, choice, bytes.chunk);
                if needed <= bytes.params {
                    break;
                }
                bytes.params = needed;
                // If the budget is too small for both, the check of the workspace reports it.
                let Ok(chunk) = bytes.chunk_steps(request, choice) else { break };
                bytes.chunk = chunk;
            }
            bytes.gates = u64::from(bytes.chunk) * gates_of_a_step(request);
        }
        bytes.check(request)?;
        Ok(bytes)
    }

    /// Returns the bytes that count against the budget: all buffers except weights, input, output and state.
    pub(in crate::gpu) fn workspace(&self) -> u64 {
        let [first, second] = self.between;
        [first, second, self.gates, self.intermediate, self.params].into_iter().fold(0, u64::saturating_add)
    }

    /// Returns the storage buffers that a pass makes, with their sizes. Not needed ones have 16 bytes, since a
    /// binding holds at least one element.
    pub(in crate::gpu) fn buffers(&self) -> impl Iterator<Item = (Bound, u64)> {
        let [first, second] = self.between;
        let all = [
            (Bound::Sequence(Sequence::Input), self.own_input),
            (Bound::Sequence(Sequence::Output), self.own_output),
            (Bound::Sequence(Sequence::Between(0)), first),
            (Bound::Sequence(Sequence::Between(1)), second),
            (Bound::Gates, self.gates),
            (Bound::Hidden(0), self.hidden),
            (Bound::Hidden(1), self.hidden),
            (Bound::Cell, self.cell),
            (Bound::Intermediate, self.intermediate),
            (Bound::Lengths, self.lengths),
        ];
        let rows = (self.rows > 0).then_some((Bound::Rows, self.rows));
        all.into_iter().chain(rows).map(|(bound, bytes)| (bound, bytes.max(16)))
    }

    fn without_chunk(request: &Request<'_>, choice: &Choice) -> Self {
        let Request { config, rows, steps, .. } = *request;
        let states = config.num_layers * config.directions();
        let floats =
            |sizes: [usize; 4]| sizes.iter().fold(4u64, |bytes, &size| bytes.saturating_mul(size as u64));
        let input = floats([rows, steps, 4, quads(config.input_size)]);
        let output = floats([rows, steps, 1, config.output_size()]);
        let h_out = 4 * quads(config.hidden_output_size());
        let between = |layers: usize| {
            if !choice.is_diagonal(config) && config.num_layers > layers {
                floats([rows, steps, config.directions(), h_out])
            } else {
                0
            }
        };
        let hidden = floats([states, rows, 1, h_out]);
        let cell =
            if config.cell.has_cell_state() { floats([states, rows, 1, config.hidden_size]) } else { 0 };
        let lengths = floats([rows, 1, 1, 1]);
        let vectors = choice.stages.iter().flat_map(|stage| &stage.writes).find_map(Operand::stored);
        let intermediate =
            vectors.map_or(0, |count| floats([states, rows, 4 * count, quads(config.hidden_size)]));
        let sum = |sizes: [u64; 3]| sizes.into_iter().fold(0, u64::saturating_add);
        let state = sum([hidden, cell, 0]);
        let whole_quads = config.input_size.is_multiple_of(4);
        let (session_rows, start, end) = match request.endpoints {
            Endpoints::Host => (0, state, state),
            Endpoints::Session { .. } => (lengths, lengths, 0),
            Endpoints::SessionBuffers { .. } => (lengths, 0, 0),
            Endpoints::Buffers => (0, 0, 0),
        };
        let (own_input, own_output, upload, download) = match request.endpoints {
            Endpoints::Host | Endpoints::Session { .. } => {
                (input, output, sum([input, lengths, start]), sum([output, end, 0]))
            }
            Endpoints::Buffers | Endpoints::SessionBuffers { .. } => {
                (if whole_quads { 0 } else { input }, 0, 0, 0)
            }
        };
        PassMemory {
            input,
            output,
            own_input,
            own_output,
            between: [between(1), between(2)],
            hidden,
            cell,
            intermediate,
            lengths,
            rows: session_rows,
            start,
            end,
            upload,
            download,
            ..PassMemory::default()
        }
    }

    /// Returns the number of steps in a chunk: the largest for which the gates fit the budget and the
    /// limits, and a dispatch ends before a driver's watchdog stops it.
    fn chunk_steps(&self, request: &Request<'_>, choice: &Choice) -> Result<u32, Error> {
        let capabilities = request.capabilities;
        let one = gates_of_a_step(request).max(1);
        let left = request.budget.saturating_sub(self.workspace());
        let limit = capabilities.max_storage_buffer_binding_size.min(capabilities.max_buffer_size).min(left);
        if one > limit {
            let what = "bytes of one step's input products".into();
            return Err(Error::from(Fault::TooLarge { what, needed: one, limit }));
        }
        let patient = cost::patient_steps(request, choice).min(loops::steps_at_once(request, choice));
        Ok(small(request.steps).min(u32::try_from(limit / one).unwrap_or(u32::MAX)).min(patient).max(1))
    }

    fn check(&self, request: &Request<'_>) -> Result<(), Error> {
        let capabilities = request.capabilities;
        // Kernels index floats with 32 bits.
        let countable = 4 * u64::from(u32::MAX);
        let buffer = capabilities.max_buffer_size.min(countable);
        let binding = capabilities.max_storage_buffer_binding_size.min(buffer);
        let index = u64::from(u32::MAX);
        let all = [
            ("batch rows", request.rows as u64, index),
            ("steps", request.steps as u64, index),
            ("bytes of input", self.input, binding),
            ("bytes of output", self.output, binding),
            ("bytes of hidden state", self.hidden, binding),
            ("bytes of cell state", self.cell.max(self.intermediate), binding),
            ("bytes of the sequence between two layers", self.between[0], binding),
            ("bytes of lengths", self.lengths, binding),
            ("bytes of dispatches' parameters", self.params, buffer.min(index)),
            ("bytes of input and state to upload", self.upload, buffer),
            ("bytes of output and state to read back", self.download, buffer),
            ("bytes of workspace", self.workspace(), request.budget),
        ];
        match all.into_iter().find(|&(_, needed, limit)| needed > limit) {
            Some((what, needed, limit)) => {
                Err(Error::from(Fault::TooLarge { what: what.into(), needed, limit }))
            }
            None => Ok(()),
        }
    }
}

/// Returns the bytes of the input products of one step.
fn gates_of_a_step(request: &Request<'_>) -> u64 {
    let config = request.config;
    let columns = config.directions() * config.cell.gates() * config.hidden_size;
    4u64.saturating_mul(request.rows as u64).saturating_mul(columns as u64)
}

/// Returns the bytes of the dispatches' parameters.
fn params(request: &Request<'_>, choice: &Choice, chunk: u32) -> u64 {
    dispatches_at_most(request, choice, chunk)
        .saturating_mul(u64::from(request.capabilities.min_uniform_buffer_offset_alignment))
}

/// Returns an upper bound for the number of dispatches. It assumes that each dispatch is repeated for every
/// part of the weights.
fn dispatches_at_most(request: &Request<'_>, choice: &Choice, chunk: u32) -> u64 {
    let Request { config, steps, .. } = *request;
    let (layers, steps) = (config.num_layers as u64, steps as u64);
    let chunks = steps.div_ceil(u64::from(chunk.max(1)));
    let times = |stage: &Stage| match stage.is_of_chunk() {
        true => layers.saturating_mul(chunks),
        false if choice.is_diagonal(config) => steps.saturating_add(layers - 1),
        false => layers.saturating_mul(steps),
    };
    let of_layers = choice.stages.iter().map(times).fold(0, u64::saturating_add);
    let exchanges = exchange::kernels(request).len() as u64;
    of_layers.saturating_mul(request.parts.len() as u64).saturating_add(exchanges)
}
