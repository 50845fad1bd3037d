//! The dispatches of a plan, in order.

use std::ops::Range;

use super::bindings::{Bound, Sequence};
use super::choice::Choice;
use super::request::{Request, small};
use super::stage::Stage;
use crate::Error;
use crate::array::{listed, push};
use crate::error::Fault;
use crate::gpu::kernel::DispatchParams;
use crate::gpu::pack::quads;

/// One dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gpu) struct Dispatch {
    /// The number of the kernel in [`Plan::kernels`](super::Plan::kernels).
    pub(in crate::gpu) kernel: usize,
    /// The number of the buffers in [`Plan::bindings`](super::Plan::bindings).
    pub(in crate::gpu) bindings: usize,
    pub(in crate::gpu) params: DispatchParams,
    pub(in crate::gpu) grid: [u32; 3],
}

/// The dispatches of a pass.
#[derive(Debug, Default)]
pub(super) struct List {
    /// The dispatches in order. Each one may read what earlier ones wrote.
    pub(super) dispatches: Vec<Dispatch>,
    /// The different sets of buffers that dispatches bind.
    pub(super) bindings: Vec<[Bound; 10]>,
    /// For each layer, the number of the hidden buffer, of two, that holds its final state.
    pub(super) final_parity: Vec<usize>,
    /// The number of the first dispatch of each chunk of each layer, unless layers share dispatches.
    pub(super) chunks: Vec<usize>,
}

impl List {
    /// Returns the number of a set of buffers.
    pub(super) fn bound(&mut self, bindings: [Bound; 10]) -> Result<usize, Error> {
        if let Some(known) = self.bindings.iter().rposition(|known| *known == bindings) {
            return Ok(known);
        }
        push("sets of buffers", &mut self.bindings, bindings)?;
        Ok(self.bindings.len() - 1)
    }
}

/// Lists the dispatches of a pass. `chunk` is the number of steps in a chunk.
pub(super) fn list(request: &Request<'_>, choice: &Choice, chunk: u32) -> Result<List, Error> {
    let mut builder = Builder { request, choice, list: List::default() };
    let layers = request.config.num_layers;
    if choice.is_diagonal(request.config) {
        for diagonal in 0..request.steps + layers - 1 {
            let first = (diagonal + 1).saturating_sub(request.steps);
            builder.step(first..layers.min(diagonal + 1), diagonal - first, 0)?;
        }
        let parities = (0..layers).map(|layer| Ok((layer + request.steps) % 2));
        builder.list.final_parity = listed("layers", layers, parities)?;
    } else {
        for layer in 0..layers {
            builder.layer(layer, chunk as usize)?;
        }
    }
    Ok(builder.list)
}

struct Builder<'a> {
    request: &'a Request<'a>,
    choice: &'a Choice,
    list: List,
}

/// The work of a stage that one dispatch does, or several if the weights are in several parts.
struct Work {
    layers: Range<usize>,
    /// The first step of the lowest layer. Each layer is one step behind the layer below it.
    step: usize,
    count: usize,
    /// The first step of the chunk.
    chunk: usize,
    /// The number of the hidden buffer, of two, that is read; the other one is written.
    parity: usize,
}

impl Builder<'_> {
    /// Adds the dispatches of one layer, chunk by chunk.
    fn layer(&mut self, layer: usize, chunk: usize) -> Result<(), Error> {
        let (steps, choice) = (self.request.steps, self.choice);
        let chunks = steps.div_ceil(chunk);
        for (number, start) in (0..steps).step_by(chunk).enumerate() {
            push("chunks", &mut self.list.chunks, self.list.dispatches.len())?;
            let count = chunk.min(steps - start);
            let work =
                Work { layers: layer..layer + 1, step: start, count, chunk: start, parity: number % 2 };
            for (kernel, stage) in choice.paced(true) {
                self.push(kernel, stage, &work)?;
            }
            for step in start..start + count {
                self.step(layer..layer + 1, step, start)?;
            }
        }
        let parity = if choice.loops() { chunks } else { layer + steps } % 2;
        push("layers", &mut self.list.final_parity, parity)
    }

    /// Adds the dispatches of one step of neighbouring layers.
    fn step(&mut self, layers: Range<usize>, step: usize, chunk: usize) -> Result<(), Error> {
        // Neighbouring layers on a diagonal differ by one in both layer and step, so all of them read the
        // same hidden buffer.
        let parity = (layers.start + step) % 2;
        let work = Work { layers, step, count: 1, chunk, parity };
        self.choice.paced(false).try_for_each(|(kernel, stage)| self.push(kernel, stage, &work))
    }

    /// Adds a dispatch for each part of the weights that has directions of the layers, or units of one.
    fn push(&mut self, kernel: usize, stage: &Stage, work: &Work) -> Result<(), Error> {
        let config = self.request.config;
        let (d, on_diagonal) = (config.directions(), self.choice.is_diagonal(config));
        let lowest = work.layers.start;
        if !stage.layers.contains(&lowest) {
            return Ok(());
        }
        // On a diagonal, only the last layer writes its hidden state to a sequence.
        let writing = if on_diagonal { config.num_layers - 1 } else { lowest };
        let (input, output) = if on_diagonal {
            (Sequence::Input, Sequence::Output)
        } else {
            (self.sequence(lowest.checked_sub(1)), self.sequence(Some(lowest)))
        };
        let wanted = lowest * d..work.layers.end * d;
        for (part, weights) in self.request.parts.iter().enumerate() {
            let first = wanted.start.max(weights.indices.start);
            let end = wanted.end.min(weights.indices.end);
            if first >= end {
                continue;
            }
            let tiles = stage.workgroups_in(weights, stage.rows(self.request.rows, work.count));
            let grid = self.grid(stage, tiles, end - first)?;
            let bindings = self.list.bound(stage.bindings(part, input, output, work.parity))?;
            let params = DispatchParams {
                first: small(first),
                step: small(lowest + work.step - first / d),
                count: small(work.count),
                chunk: small(work.chunk),
                output_stride: self.stride(writing),
                diagonal: u32::from(on_diagonal),
            };
            push("dispatches", &mut self.list.dispatches, Dispatch { kernel, bindings, params, grid })?;
        }
        Ok(())
    }

    /// Returns the sequence that a layer writes, or the input if there is no layer.
    fn sequence(&self, layer: Option<usize>) -> Sequence {
        match layer {
            None => Sequence::Input,
            Some(layer) if layer + 1 == self.request.config.num_layers => Sequence::Output,
            Some(layer) => Sequence::Between(layer % 2),
        }
    }

    /// Returns the number of floats of a direction's vector in the sequence that a layer writes. The output
    /// is dense; the sequences between layers have whole quads.
    fn stride(&self, layer: usize) -> u32 {
        let size = self.request.config.hidden_output_size();
        small(if self.sequence(Some(layer)) == Sequence::Output { size } else { 4 * quads(size) })
    }

    /// Returns the grid: the workgroups of one direction, folded over x and y, and the indices along z.
    fn grid(&self, stage: &Stage, tiles: u64, indices: usize) -> Result<[u32; 3], Error> {
        let z = indices as u64;
        let side = u64::from(self.request.capabilities.max_compute_workgroups_per_dimension);
        // A loop has its tiles of rows along x only. The limit allows more rows than occur.
        let most = if stage.loops() { side } else { side * side };
        if tiles > most || z > side {
            let (needed, limit) = if z > side { (z, side) } else { (tiles, most) };
            let what = "workgroups of one dispatch".into();
            return Err(Error::from(Fault::TooLarge { what, needed, limit }));
        }
        let y = tiles.div_ceil(side);
        Ok([tiles.div_ceil(y), y, z].map(|side| u32::try_from(side).unwrap_or(u32::MAX)))
    }
}
