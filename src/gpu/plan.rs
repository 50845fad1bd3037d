//! How a forward pass becomes dispatches and buffers: a pure function of the configuration, the batch and the device's
//! limits.

mod strategy;

pub use strategy::Strategy;

use std::ops::Range;

use super::Capabilities;
use super::kernel::Variant;
use super::pack;
use crate::{Config, Error};

/// Units of a workgroup at most, an invocation each.
pub(super) const MAX_UNITS: u32 = 64;
/// Batch rows of a workgroup at most: MAX_ROWS of the shaders.
pub(super) const MAX_ROWS: u32 = 8;
/// Bytes of workgroup memory that the kernels take at most: TILE vec4s and a start for each row.
pub(super) const WORKGROUP_BYTES: u32 = MAX_ROWS * (64 * 16 + 4);

/// A forward pass over N rows and T steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// N.
    pub(super) rows: u32,
    /// T.
    pub(super) steps: u32,
    pub(super) bytes: Bytes,
    /// In order; each needs what the ones before it wrote.
    pub(super) dispatches: Vec<Dispatch>,
    /// The kernel variants that the dispatches use.
    pub(super) step: Variant,
    pub(super) projection: Option<Variant>,
}

/// The size of each buffer in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bytes {
    /// `[N, T, I]`.
    pub(super) input: u64,
    /// `[N, T, D*H_out]`, of the last layer.
    pub(super) output: u64,
    /// `[N, T, D*H_out]`, of each of the layers between which a bidirectional stack alternates.
    pub(super) sequences: [u64; 2],
    /// `[L*D, N, H_out]`, of each of the two between which the steps alternate.
    pub(super) hidden: u64,
    /// `[L*D, N, H]`; 4 for a cell that has none.
    pub(super) cell: u64,
    /// `[L*D, N, H]`, if there is a projection.
    pub(super) unprojected: u64,
    /// `[N]`.
    pub(super) lengths: u64,
    /// One `Moment` for each dispatch, at multiples of the alignment.
    pub(super) moments: u64,
    /// From the host: input, lengths, h_0, c_0.
    pub(super) upload: u64,
    /// To the host: output, h_n, c_n.
    pub(super) download: u64,
}

/// One dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dispatch {
    pub(super) kernel: Kind,
    /// Which buffer of weights it reads.
    pub(super) part: usize,
    /// The index (layer * D + direction) of grid z = 0, and how many there are.
    pub(super) first: u32,
    pub(super) count: u32,
    /// The step of the first index; a layer above it is one step behind for each layer.
    pub(super) step: u32,
    /// The sequence that is read and the one that is written.
    pub(super) input: Sequence,
    pub(super) output: Sequence,
    /// Which of the two hidden buffers is read; the other one is written.
    pub(super) parity: usize,
    pub(super) grid: [u32; 3],
}

/// The kernel of a dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Step,
    Projection,
}

/// A buffer `[N, T, features]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sequence {
    Input,
    /// Between bidirectional layers: one of two.
    Between(usize),
    Output,
}

/// The indices whose weights share a buffer, and its size in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) indices: Range<usize>,
    pub(super) bytes: u64,
}

/// Cuts the weights into as few buffers as the limits allow.
pub(super) fn parts(config: &Config, capabilities: &Capabilities) -> Result<Vec<Part>, Error> {
    let limit = capabilities.max_storage_buffer_binding_size.min(capabilities.max_buffer_size);
    let mut parts: Vec<Part> = Vec::new();
    for index in 0..config.num_layers * config.directions() {
        let bytes = 16 * pack::vec4s(config, index / config.directions()) as u64;
        if bytes > limit {
            let what = format!("bytes of weights of one direction of layer {}", index / config.directions());
            return Err(Error::TooLarge { what, needed: bytes, limit });
        }
        match parts.last_mut() {
            Some(part) if part.bytes + bytes <= limit => {
                part.indices.end = index + 1;
                part.bytes += bytes;
            }
            _ => parts.push(Part { indices: index..index + 1, bytes }),
        }
    }
    Ok(parts)
}

impl Plan {
    /// Plans a forward pass over `rows` and `steps`, both at least 1.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] names the buffer that does not fit the limits.
    pub(super) fn new(
        config: &Config,
        parts: &[Part],
        rows: usize,
        steps: usize,
        capabilities: &Capabilities,
    ) -> Result<Self, Error> {
        let bytes = Bytes::fitting(config, parts, rows, steps, capabilities)?;
        let projected = config.proj_size > 0;
        let mut plan = Plan {
            rows: small(rows),
            steps: small(steps),
            bytes,
            dispatches: Vec::new(),
            step: Variant::step(config, tiling(config.hidden_size, rows)),
            projection: projected.then(|| Variant::projection(tiling(config.proj_size, rows))),
        };
        plan.list(config, parts, capabilities)?;
        Ok(plan)
    }

    fn list(&mut self, config: &Config, parts: &[Part], capabilities: &Capabilities) -> Result<(), Error> {
        let layers = config.num_layers;
        if config.bidirectional {
            for layer in 0..layers {
                let input = if layer == 0 { Sequence::Input } else { Sequence::Between((layer - 1) % 2) };
                let output =
                    if layer + 1 == layers { Sequence::Output } else { Sequence::Between(layer % 2) };
                for step in 0..self.steps as usize {
                    self.diagonal(config, parts, capabilities, layer..layer + 1, step, (input, output))?;
                }
            }
        } else {
            for diagonal in 0..self.steps as usize + layers - 1 {
                let first = (diagonal + 1).saturating_sub(self.steps as usize);
                let active = first..layers.min(diagonal + 1);
                self.diagonal(
                    config,
                    parts,
                    capabilities,
                    active,
                    diagonal - first,
                    (Sequence::Input, Sequence::Output),
                )?;
            }
        }
        Ok(())
    }

    /// One step of neighbouring layers: the lowest does `step`, each above it one less.
    fn diagonal(
        &mut self,
        config: &Config,
        parts: &[Part],
        capabilities: &Capabilities,
        layers: Range<usize>,
        step: usize,
        (input, output): (Sequence, Sequence),
    ) -> Result<(), Error> {
        let d = config.directions();
        let active = layers.start * d..layers.end * d;
        // Neighbouring layers differ by one in both layer and step, so all of them read the same buffer.
        let parity = (layers.start + step) % 2;
        let kernels = [(Kind::Step, config.hidden_size), (Kind::Projection, config.proj_size)];
        for (kernel, units) in kernels.into_iter().filter(|&(_, units)| units > 0) {
            for (part, weights) in parts.iter().enumerate() {
                let first = active.start.max(weights.indices.start);
                let end = active.end.min(weights.indices.end);
                if first >= end {
                    continue;
                }
                self.dispatches.push(Dispatch {
                    kernel,
                    part,
                    first: small(first),
                    count: small(end - first),
                    step: small(layers.start + step - first / d),
                    input,
                    output,
                    parity,
                    grid: grid(units, self.rows as usize, end - first, capabilities)?,
                });
            }
        }
        Ok(())
    }
}

/// Units and rows of a workgroup.
pub(super) fn tiling(units: usize, rows: usize) -> (u32, u32) {
    let power = |value: usize, least: u32, most: u32| {
        u32::try_from(value)
            .map_or(most, |value| value.checked_next_power_of_two().unwrap_or(most))
            .clamp(least, most)
    };
    // A workgroup has at least as many invocations as rows: each row is prepared by one.
    (power(units, MAX_ROWS, MAX_UNITS), power(rows, 1, MAX_ROWS))
}

/// Tiles of units and rows, folded over x and y, and the indices along z.
fn grid(units: usize, rows: usize, indices: usize, capabilities: &Capabilities) -> Result<[u32; 3], Error> {
    let (tile_units, tile_rows) = tiling(units, rows);
    let tiles = units.div_ceil(tile_units as usize) as u64 * rows.div_ceil(tile_rows as usize) as u64;
    let side = u64::from(capabilities.max_compute_workgroups_per_dimension);
    let z = indices as u64;
    if tiles > side * side || z > side {
        let (needed, limit) = if z > side { (z, side) } else { (tiles, side * side) };
        return Err(Error::TooLarge { what: "workgroups of one dispatch".into(), needed, limit });
    }
    let y = tiles.div_ceil(side);
    Ok([tiles.div_ceil(y), y, z].map(|side| u32::try_from(side).unwrap_or(u32::MAX)))
}

/// A size that was checked before: [`Bytes::fitting`] counts every index in 32 bits.
fn small(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

impl Bytes {
    /// The sizes for a batch, if the limits allow them.
    pub(super) fn fitting(
        config: &Config,
        parts: &[Part],
        rows: usize,
        steps: usize,
        capabilities: &Capabilities,
    ) -> Result<Self, Error> {
        // At most: not every diagonal of a stack touches every part.
        let diagonals = if config.bidirectional {
            steps.saturating_mul(config.num_layers)
        } else {
            steps.saturating_add(config.num_layers - 1)
        };
        let kernels = 1 + u64::from(config.proj_size > 0);
        let moments = (diagonals as u64)
            .saturating_mul(kernels * parts.len() as u64)
            .saturating_mul(u64::from(capabilities.min_uniform_buffer_offset_alignment));
        let bytes = Bytes::new(config, rows, steps, moments);
        bytes.check(capabilities)?;
        Ok(bytes)
    }

    /// Where lengths, h_0 and c_0 start in the upload buffer, behind the input.
    pub(super) fn upload_offsets(&self) -> [u64; 3] {
        [self.input, self.input + self.lengths, self.input + self.lengths + self.hidden]
    }

    /// Where h_n and c_n start in the download buffer, behind the output.
    pub(super) fn download_offsets(&self) -> [u64; 2] {
        [self.output, self.output + self.hidden]
    }

    fn new(config: &Config, rows: usize, steps: usize, moments: u64) -> Self {
        let states = config.num_layers * config.directions();
        let floats =
            |sizes: [usize; 3]| sizes.iter().fold(4u64, |bytes, &size| bytes.saturating_mul(size as u64));
        let input = floats([rows, steps, config.input_size]);
        let output = floats([rows, steps, config.output_size()]);
        let between =
            |layers: usize| if config.bidirectional && config.num_layers > layers { output } else { 0 };
        let hidden = floats([states, rows, config.hidden_output_size()]);
        let cells = floats([states, rows, config.hidden_size]);
        let cell = if config.cell.has_cell_state() { cells } else { 0 };
        let lengths = floats([rows, 1, 1]);
        Bytes {
            input,
            output,
            sequences: [between(1), between(2)],
            hidden,
            cell: cell.max(4),
            unprojected: if config.proj_size > 0 { cells } else { 0 },
            lengths,
            moments,
            upload: [input, lengths, hidden, cell].into_iter().fold(0, u64::saturating_add),
            download: [output, hidden, cell].into_iter().fold(0, u64::saturating_add),
        }
    }

    fn check(&self, capabilities: &Capabilities) -> Result<(), Error> {
        // Kernels count floats in 32 bits.
        let countable = 4 * u64::from(u32::MAX);
        let buffer = capabilities.max_buffer_size.min(countable);
        let binding = capabilities.max_storage_buffer_binding_size.min(buffer);
        let all = [
            ("bytes of input", self.input, binding),
            ("bytes of output", self.output, binding),
            ("bytes of hidden state", self.hidden, binding),
            ("bytes of cell state", self.cell.max(self.unprojected), binding),
            ("bytes of lengths", self.lengths, binding),
            ("bytes of steps' parameters", self.moments, buffer.min(u64::from(u32::MAX))),
            ("bytes of input and state to upload", self.upload, buffer),
            ("bytes of output and state to read back", self.download, buffer),
        ];
        match all.into_iter().find(|&(_, needed, limit)| needed > limit) {
            Some((what, needed, limit)) => Err(Error::TooLarge { what: what.into(), needed, limit }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
