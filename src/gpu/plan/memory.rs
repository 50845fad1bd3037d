//! The size of each buffer, and the number of time steps in a chunk.

use super::choice::Choice;
use super::products::Second;
use super::request::{Endpoints, Request, small};
use super::strategy::Strategy;
use super::{cost, loops};
use crate::Error;
use crate::error::Fault;
use crate::gpu::kernel::LayerDims;
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
        let strategy = choice.strategy;
        loops::check(request, choice)?;
        let mut bytes = PassMemory::without_chunk(request, strategy);
        bytes.chunk = small(request.steps);
        bytes.params = params(request, strategy, bytes.chunk);
        if strategy.is_hoisted() {
            bytes.chunk = bytes.chunk_steps(request, choice)?;
            // Smaller chunks give more dispatches, whose parameters need memory, too.
            loop {
                let needed = params(request, strategy, bytes.chunk);
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

    /// Returns the label and the size of each buffer, as [`Workspace`](crate::gpu::workspace) creates them.
    /// A buffer that is not needed has 16 bytes.
    pub(super) fn buffers(&self, parts: usize) -> Vec<(&'static str, u64)> {
        let made = |bytes: u64| bytes.max(16);
        let [first, second] = self.between;
        vec![
            ("input", made(self.own_input)),
            ("output", made(self.own_output)),
            ("the sequence between layers", made(first) + made(second)),
            ("gates", made(self.gates)),
            ("hidden state", 2 * made(self.hidden)),
            ("cell state", made(self.cell)),
            ("between the products of a step", made(self.intermediate)),
            ("lengths", made(self.lengths)),
            ("rows", self.rows),
            ("dispatches' parameters", self.params),
            ("dimensions", (size_of::<LayerDims>() * parts) as u64),
            ("upload", self.upload),
            ("download", self.download),
        ]
    }

    fn without_chunk(request: &Request<'_>, strategy: Strategy) -> Self {
        let Request { config, rows, steps, .. } = *request;
        let states = config.num_layers * config.directions();
        let floats =
            |sizes: [usize; 4]| sizes.iter().fold(4u64, |bytes, &size| bytes.saturating_mul(size as u64));
        let input = floats([rows, steps, 4, quads(config.input_size)]);
        let output = floats([rows, steps, 1, config.output_size()]);
        let h_out = 4 * quads(config.hidden_output_size());
        let layer_by_layer = config.bidirectional || strategy.is_hoisted();
        let between = |layers: usize| {
            if layer_by_layer && config.num_layers > layers {
                floats([rows, steps, config.directions(), h_out])
            } else {
                0
            }
        };
        let hidden = floats([states, rows, 1, h_out]);
        let cell =
            if config.cell.has_cell_state() { floats([states, rows, 1, config.hidden_size]) } else { 0 };
        let lengths = floats([rows, 1, 1, 1]);
        let apart = Second::of(config).filter(|_| strategy != Strategy::Scan);
        let intermediate =
            apart.map_or(0, |second| floats([states, rows, 4 * second.vectors, quads(config.hidden_size)]));
        let sum = |sizes: [u64; 3]| sizes.into_iter().fold(0, u64::saturating_add);
        let state = sum([hidden, cell, 0]);
        let whole_quads = config.input_size.is_multiple_of(4);
        let (session_rows, start, end) = match request.endpoints {
            Endpoints::Host => (0, state, state),
            Endpoints::Session { .. } => (lengths, lengths, 0),
            Endpoints::Buffers => (0, 0, 0),
        };
        let (own_input, own_output, upload, download) = match request.endpoints {
            Endpoints::Host | Endpoints::Session { .. } => {
                (input, output, sum([input, lengths, start]), sum([output, end, 0]))
            }
            Endpoints::Buffers => (if whole_quads { 0 } else { input }, 0, 0, 0),
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
            return Err(Error::from(Fault::TooLarge {
                what: "bytes of one step's input products".into(),
                needed: one,
                limit,
            }));
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
fn params(request: &Request<'_>, strategy: Strategy, chunk: u32) -> u64 {
    dispatches_at_most(request, strategy, chunk)
        .saturating_mul(u64::from(request.capabilities.min_uniform_buffer_offset_alignment))
}

/// Returns an upper bound for the number of dispatches. It assumes that each dispatch is repeated for every
/// part of the weights.
fn dispatches_at_most(request: &Request<'_>, strategy: Strategy, chunk: u32) -> u64 {
    let Request { config, steps, .. } = *request;
    let (layers, steps) = (config.num_layers as u64, steps as u64);
    let kernels = 1 + u64::from(Second::of(config).is_some());
    let chunks = steps.div_ceil(u64::from(chunk.max(1)));
    let dispatches = match strategy {
        Strategy::Scan => layers.saturating_mul(chunks.saturating_mul(2)),
        Strategy::HoistedStep => layers.saturating_mul(steps.saturating_mul(kernels).saturating_add(chunks)),
        Strategy::Auto | Strategy::Step if config.bidirectional => steps.saturating_mul(layers * kernels),
        Strategy::Auto | Strategy::Step => steps.saturating_add(layers - 1).saturating_mul(kernels),
    };
    let endpoints = request.endpoints.kernels().len() as u64;
    dispatches.saturating_mul(request.parts.len() as u64).saturating_add(endpoints)
}
