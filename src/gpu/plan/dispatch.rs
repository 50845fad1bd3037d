//! The dispatches of a plan, in order.

use std::ops::Range;

use super::choice::Choice;
use super::products::{First, Second};
use super::request::{Request, small};
use super::strategy::Strategy;
use crate::error::Fault;
use crate::gpu::kernel::{DispatchParams, Kind};
use crate::gpu::pack::quads;
use crate::{Config, Error};

/// One dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gpu) struct Dispatch {
    pub(in crate::gpu) kind: Kind,
    /// The number of the weights buffer that it reads.
    pub(in crate::gpu) part: usize,
    pub(in crate::gpu) params: DispatchParams,
    /// The sequence that is read and the one that is written.
    pub(in crate::gpu) input: Sequence,
    pub(in crate::gpu) output: Sequence,
    /// The number of the hidden buffer, of two, that it reads; it writes the other one.
    pub(in crate::gpu) parity: usize,
    pub(in crate::gpu) grid: [u32; 3],
}

/// A sequence: a buffer `[N, T, …]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) enum Sequence {
    Input,
    /// One of the two sequences between layers.
    Between(usize),
    Output,
}

/// The dispatches of a pass.
#[derive(Debug, Default)]
pub(super) struct List {
    /// The dispatches in order. Each one may read what earlier ones wrote.
    pub(super) dispatches: Vec<Dispatch>,
    /// For each layer, the number of the hidden buffer, of two, that holds its final state.
    pub(super) final_parity: Vec<usize>,
}

/// Lists the dispatches of a pass. `chunk` is the number of steps in a chunk.
pub(super) fn list(request: &Request<'_>, choice: &Choice, chunk: u32) -> Result<List, Error> {
    let mut builder = Builder { request, choice, chunk: chunk as usize, list: List::default() };
    let layers = request.config.num_layers;
    if choice.strategy.is_hoisted() {
        for layer in 0..layers {
            builder.hoisted_layer(layer)?;
        }
    } else if request.config.bidirectional {
        for layer in 0..layers {
            for step in 0..request.steps {
                builder.step(layer..layer + 1, step, 0, false)?;
            }
            builder.list.final_parity.push((layer + request.steps) % 2);
        }
    } else {
        for diagonal in 0..request.steps + layers - 1 {
            let first = (diagonal + 1).saturating_sub(request.steps);
            builder.step(first..layers.min(diagonal + 1), diagonal - first, 0, true)?;
        }
        builder.list.final_parity = (0..layers).map(|layer| (layer + request.steps) % 2).collect();
    }
    Ok(builder.list)
}

struct Builder<'a> {
    request: &'a Request<'a>,
    choice: &'a Choice,
    chunk: usize,
    list: List,
}

impl Builder<'_> {
    /// Adds the dispatches of one layer of `hoisted-step` or `scan`, chunk by chunk.
    fn hoisted_layer(&mut self, layer: usize) -> Result<(), Error> {
        let (steps, chunk, strategy) = (self.request.steps, self.chunk, self.choice.strategy);
        let rows = self.request.rows;
        let mut chunks = 0;
        for start in (0..steps).step_by(chunk) {
            let count = chunk.min(steps - start);
            let output_stride = self.stride(layer);
            let params = |first| DispatchParams {
                first,
                step: small(start),
                count: small(count),
                chunk: small(start),
                output_stride,
                diagonal: 0,
            };
            let columns = self.request.config.cell.gates() * self.request.config.hidden_size;
            let whole =
                Whole { layers: layer..layer + 1, parity: chunks % 2, sequences: self.sequences(layer) };
            self.push(Kind::InputProduct, &whole, columns, count.saturating_mul(rows), &params)?;
            if strategy == Strategy::Scan {
                self.push(Kind::Scan, &whole, 1, rows, &params)?;
            } else {
                for step in start..start + count {
                    self.step(layer..layer + 1, step, start, false)?;
                }
            }
            chunks += 1;
        }
        self.list.final_parity.push(if strategy == Strategy::Scan { chunks } else { layer + steps } % 2);
        Ok(())
    }

    /// Adds the dispatches of one step of neighbouring layers. The lowest layer does `step`. On a diagonal,
    /// each layer is one step behind the layer below it.
    fn step(
        &mut self,
        layers: Range<usize>,
        step: usize,
        chunk: usize,
        on_diagonal: bool,
    ) -> Result<(), Error> {
        let (config, d) = (self.request.config, self.request.config.directions());
        let first_layer = layers.start;
        let last = config.num_layers - 1;
        let sequences =
            if on_diagonal { (Sequence::Input, Sequence::Output) } else { self.sequences(first_layer) };
        // Neighbouring layers on a diagonal differ by one in both layer and step, so all of them read the
        // same hidden buffer.
        let whole = Whole { parity: (first_layer + step) % 2, sequences, layers };
        // On a diagonal, only the last layer writes its hidden state to a sequence.
        let output_stride = if on_diagonal { self.stride(last) } else { self.stride(first_layer) };
        let params = |first: u32| {
            let layer = first as usize / d;
            DispatchParams {
                first,
                step: small(first_layer + step - layer),
                count: 1,
                chunk: small(chunk),
                output_stride,
                diagonal: u32::from(on_diagonal),
            }
        };
        let columns = First::of(config, self.choice.strategy).columns;
        self.push(Kind::Step, &whole, columns, self.request.rows, &params)?;
        if let Some(second) = Second::of(config) {
            self.push(second.kind, &whole, second.columns, self.request.rows, &params)?;
        }
        Ok(())
    }

    /// Adds a dispatch for each part of the weights that has directions of the layers.
    fn push(
        &mut self,
        kind: Kind,
        whole: &Whole,
        columns: usize,
        rows: usize,
        params: &impl Fn(u32) -> DispatchParams,
    ) -> Result<(), Error> {
        let d = self.request.config.directions();
        let wanted = whole.layers.start * d..whole.layers.end * d;
        for (part, weights) in self.request.parts.iter().enumerate() {
            let first = wanted.start.max(weights.indices.start);
            let end = wanted.end.min(weights.indices.end);
            if first >= end {
                continue;
            }
            let (input, output) = whole.sequences;
            let grid = self.grid(kind, columns, rows, end - first)?;
            self.list.dispatches.push(Dispatch {
                kind,
                part,
                params: params(small(first)),
                input,
                output,
                parity: whole.parity,
                grid,
            });
        }
        Ok(())
    }

    /// Returns the sequences that a layer reads and writes if the layers run one after the other.
    fn sequences(&self, layer: usize) -> (Sequence, Sequence) {
        let input = if layer == 0 { Sequence::Input } else { Sequence::Between((layer - 1) % 2) };
        let last = layer + 1 == self.request.config.num_layers;
        (input, if last { Sequence::Output } else { Sequence::Between(layer % 2) })
    }

    /// Returns the number of floats of a direction's vector in the sequence that a layer writes. The output
    /// is dense; the sequences between layers have whole quads.
    fn stride(&self, layer: usize) -> u32 {
        let Config { num_layers, .. } = *self.request.config;
        let size = self.request.config.hidden_output_size();
        small(if layer + 1 == num_layers { size } else { 4 * quads(size) })
    }

    /// Returns the grid: the tiles of columns and rows, folded over x and y, and the indices along z.
    fn grid(&self, kind: Kind, columns: usize, rows: usize, indices: usize) -> Result<[u32; 3], Error> {
        let (units, tile_rows) =
            self.choice.tiling(kind).map_or((1, 1), |tiling| (tiling.units, tiling.rows));
        let each = match kind {
            Kind::InputProduct | Kind::Projection | Kind::Candidate => 4,
            Kind::Step => First::of(self.request.config, self.choice.strategy).each,
            Kind::Scan | Kind::Gather | Kind::Scatter => 1,
        };
        let tiles = columns.div_ceil(units as usize * each) as u64 * rows.div_ceil(tile_rows as usize) as u64;
        let side = u64::from(self.request.capabilities.max_compute_workgroups_per_dimension);
        let z = indices as u64;
        // `scan` has its tiles of rows along x only. The limit allows more rows than occur.
        let most = if kind == Kind::Scan { side } else { side * side };
        if tiles > most || z > side {
            let (needed, limit) = if z > side { (z, side) } else { (tiles, most) };
            return Err(Error::from(Fault::TooLarge {
                what: "workgroups of one dispatch".into(),
                needed,
                limit,
            }));
        }
        let y = tiles.div_ceil(side);
        Ok([tiles.div_ceil(y), y, z].map(|side| u32::try_from(side).unwrap_or(u32::MAX)))
    }
}

/// The common properties of the dispatches for the parts of the weights.
struct Whole {
    layers: Range<usize>,
    parity: usize,
    sequences: (Sequence, Sequence),
}
