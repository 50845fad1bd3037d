//! A stage: a kernel as a layer's pass uses it, as data. `stages.rs` describes each kernel once in this form.
//! The planner derives everything else from it: the source, the grid, the buffers, the workgroup memory, the
//! iterations of loops, the expected time and the report.

use std::ops::Range;

use super::bindings::{Bound, Sequence};
use super::parts::Part;
use super::request::{Request, small};
use super::shared::{self, Shared};
use crate::gpu::kernel::{
    BLOCKS_BYTES, File, KernelSpec, Override, ScanMemory, TILE_BYTES, Tiling, Unrolled, WORKGROUP_BYTES,
    WeightsIn, file, tiled_bytes,
};
use crate::gpu::pack::{self, quads};
use crate::{Config, Precision};

/// A kernel, and what it does for one direction of one layer.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::gpu) struct Stage {
    pub(super) config: Config,
    pub(super) entry_point: &'static str,
    /// The layers that the kernel computes. A kernel with weights in registers has vectors of one size, and the
    /// first layer may have shorter ones than those above it.
    pub(super) layers: Range<usize>,
    /// The words of the kernel's name after the entry point.
    pub(super) words: Vec<String>,
    /// The files between those that all kernels of a pass have.
    pub(super) files: Vec<File>,
    /// The same for the kernels of other texts, by the place of their weights.
    pub(super) others: Vec<(WeightsIn, Vec<File>)>,
    /// The overrides that do not depend on the tiling.
    pub(super) overrides: Vec<Override>,
    pub(super) pace: Pace,
    /// The products, in order. All products of a stage that does not loop have the same items.
    pub(super) products: Vec<Product>,
    pub(super) reads: Vec<Operand>,
    /// The vectors that are written. The first one is `next_hidden` of `bindings.wgsl`.
    pub(super) writes: Vec<Operand>,
    pub(super) tiling: Tiling,
    /// The most rows that an invocation can compute.
    pub(super) most_rows: u32,
}

/// The steps that a dispatch computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// The steps of a chunk, which are rows of the product.
    Rows,
    /// One step.
    Step,
    /// The steps of a chunk, in a loop. A workgroup computes all items of its rows.
    Loop,
}

/// A product of vectors with some columns of a matrix of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Product {
    pub(super) vector: Vector,
    /// The number of work items: hidden units, or single columns if different invocations compute the
    /// columns of a unit.
    pub(super) items: usize,
    /// The number of items of each invocation.
    pub(super) each: usize,
    /// The number of columns of each item. An invocation computes all of them.
    pub(super) columns: usize,
}

/// The vectors that a product multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vector {
    /// The input of the layer.
    Input,
    /// The hidden state, of H_out elements.
    Hidden,
    /// H elements, one for each unit.
    Units,
}

/// A vector of one row that a stage reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    /// The input of the layer.
    Input,
    /// The input products of this number of gates.
    Gates(usize),
    Hidden,
    Cell,
    /// The result of a step's first product, for the second one: `used` of the `stored` vectors of H
    /// elements.
    Intermediate {
        stored: usize,
        used: usize,
    },
    /// The vector in the sequence that the layer writes.
    Output,
}

impl Operand {
    /// Returns the number of vectors that are stored between the products of a step.
    pub(super) fn stored(&self) -> Option<usize> {
        match *self {
            Operand::Intermediate { stored, .. } => Some(stored),
            _ => None,
        }
    }
}

impl Product {
    /// Returns the number of columns of the matrix that the product reads.
    pub(super) fn width(&self) -> usize {
        self.items * self.columns
    }

    /// Returns the number of invocations for one row.
    pub(super) fn invocations(&self) -> usize {
        self.items.div_ceil(self.each)
    }

    /// Returns the number of terms of each sum.
    pub(super) fn terms(&self, config: &Config, layer: usize) -> usize {
        match self.vector {
            Vector::Input => config.layer_input_size(layer),
            Vector::Hidden => config.hidden_output_size(),
            Vector::Units => config.hidden_size,
        }
    }

    /// Returns the number of quads of each vector.
    pub(super) fn quads(&self, config: &Config, layer: usize) -> usize {
        match self.vector {
            Vector::Input => pack::input_quads(config, layer),
            Vector::Hidden | Vector::Units => quads(self.terms(config, layer)),
        }
    }
}

impl Stage {
    /// Returns the stage with another tiling.
    pub(super) fn with(&self, tiling: Tiling) -> Self {
        Stage { tiling, ..self.clone() }
    }

    /// Returns the files of the kernel whose weights are in that place, if it has a text of its own.
    pub(super) fn other(&self, weights: WeightsIn) -> Option<&[File]> {
        self.others.iter().find(|(place, _)| *place == weights).map(|(_, files)| &files[..])
    }

    /// Returns how the invocations of a workgroup share the items, if the weights are in parts.
    pub(super) fn shared(&self) -> Option<Shared> {
        let product = &self.products[0];
        let shared = || Shared::new(product.items, product.invocations(), self.quads(), self.tiling.units);
        if self.tiling.weights == WeightsIn::Parts { shared() } else { None }
    }

    /// Returns whether a dispatch computes a chunk of steps.
    pub(super) fn is_of_chunk(&self) -> bool {
        self.pace != Pace::Step
    }

    /// Returns whether the kernel loops over steps.
    pub(super) fn loops(&self) -> bool {
        self.pace == Pace::Loop
    }

    /// Returns whether the stage computes the recurrent product.
    pub(super) fn is_recurrent(&self) -> bool {
        self.products.iter().any(|product| product.vector == Vector::Hidden)
    }

    /// Returns the number of quads of the vectors of the first product.
    pub(super) fn quads(&self) -> usize {
        self.products[0].quads(&self.config, self.layers.start)
    }

    /// Returns the number of rows of the product for some steps of a number of batch rows.
    pub(super) fn rows(&self, rows: usize, steps: usize) -> usize {
        if self.pace == Pace::Rows { rows.saturating_mul(steps) } else { rows }
    }

    /// Returns the number of workgroups for a number of rows of the product, in one direction.
    pub(super) fn workgroups(&self, rows: usize) -> u64 {
        self.workgroups_of(self.products[0].items as u64, rows)
    }

    /// Returns the number of workgroups for the items of the product whose weights are in one part.
    pub(super) fn workgroups_in(&self, part: &Part, rows: usize) -> u64 {
        self.workgroups_of(part.share(&self.config, self.products[0].items as u64), rows)
    }

    fn workgroups_of(&self, items: u64, rows: usize) -> u64 {
        let across =
            if self.loops() { 1 } else { items.div_ceil(self.items_of_tile(&self.products[0]) as u64) };
        let tiles = rows.div_ceil(self.tiling.rows_of_workgroup() as usize);
        let down = if self.shares_weights() { tiles.div_ceil(self.tiles_of_workgroup()) } else { tiles };
        across.saturating_mul(down as u64)
    }

    /// Returns whether the tiles of rows of a workgroup share the weights in its registers.
    fn shares_weights(&self) -> bool {
        self.pace == Pace::Rows && self.tiling.weights == WeightsIn::Registers
    }

    /// Returns the most tiles of rows that a workgroup computes, one after the other.
    pub(super) fn tiles_of_workgroup(&self) -> usize {
        if self.shares_weights() {
            (TILES * MANY_QUADS / self.quads().max(1)).clamp(TILES / 8, TILES)
        } else {
            1
        }
    }

    /// Returns how often a workgroup repeats a product for all of its items.
    pub(super) fn passes(&self, product: &Product) -> usize {
        if self.loops() { product.items.div_ceil(self.items_of_tile(product)) } else { 1 }
    }

    fn items_of_tile(&self, product: &Product) -> usize {
        self.tiling.across() as usize * product.each
    }

    /// Returns the number of multiply-adds of one step of one row.
    pub(super) fn multiply_adds(&self, layer: usize) -> f64 {
        let of = |product: &Product| (product.width() * product.terms(&self.config, layer)) as f64;
        self.products.iter().map(of).sum()
    }

    /// Returns the number of weight quads that a step reads.
    pub(super) fn weight_quads(&self, layer: usize) -> usize {
        self.products.iter().map(|product| product.width() * product.quads(&self.config, layer)).sum()
    }

    /// Returns the floats of some operands of a row, for a number of steps.
    pub(super) fn floats(&self, operands: &[Operand], layer: usize, steps: usize) -> usize {
        let Config { hidden_size, cell, .. } = self.config;
        let of = |operand: &Operand| match *operand {
            Operand::Input => steps * 4 * pack::input_quads(&self.config, layer),
            Operand::Gates(count) => steps * count * hidden_size,
            // A loop keeps the hidden state in workgroup memory.
            Operand::Hidden if self.loops() => self.config.hidden_output_size(),
            Operand::Hidden | Operand::Output => steps * self.config.hidden_output_size(),
            Operand::Cell if cell.has_cell_state() => steps * hidden_size,
            Operand::Cell => 0,
            Operand::Intermediate { used, .. } => steps * used * hidden_size,
        };
        operands.iter().map(of).sum()
    }

    /// Returns the buffers at bindings 0 to 9 of `bindings.wgsl`.
    pub(super) fn bindings(
        &self,
        part: usize,
        input: Sequence,
        output: Sequence,
        parity: usize,
    ) -> [Bound; 10] {
        let is_second = self.reads.iter().any(|operand| operand.stored().is_some());
        let next_hidden = match self.writes[..] {
            [Operand::Gates(_), ..] => Bound::Gates,
            [Operand::Intermediate { .. }, ..] => Bound::Intermediate,
            _ => Bound::Hidden(1 - parity),
        };
        [
            Bound::Dims(part),
            Bound::Parameters,
            Bound::Weights(part),
            if is_second { Bound::Intermediate } else { Bound::Sequence(input) },
            Bound::Hidden(parity),
            next_hidden,
            Bound::Cell,
            Bound::Sequence(output),
            Bound::Lengths,
            // A kernel that writes the gates cannot read them, too.
            if next_hidden == Bound::Gates { Bound::Lengths } else { Bound::Gates },
        ]
    }

    /// Returns the kernel. WGSL allows any order of declarations, but naga 30 loses track of overrides that
    /// come after an array whose size depends on an override. The files with such arrays, those of `scan` and
    /// of
    /// `product/workgroup.wgsl`, therefore come after all others with overrides.
    pub(super) fn kernel(&self, request: &Request<'_>) -> KernelSpec {
        let Request { precision, capabilities, .. } = *request;
        let Tiling { units, rows, weights } = self.tiling;
        let in_registers = weights == WeightsIn::Registers;
        let can_share = capabilities.shares_in_subgroups() && weights != WeightsIn::Tiles;
        let subgroups = in_registers || (rows > 1 && can_share);
        let shared = self.shared();
        let of_weights = match precision {
            Precision::F32 => file!("weights/f32"),
            Precision::F16 => file!("weights/f16"),
        };
        // The way in which the vectors of several rows get to all invocations.
        let sharing = match (weights, self.pace) {
            (WeightsIn::Registers, _) => Some(file!("registers/product")),
            (WeightsIn::Tiles, _) => Some(file!("product/tiles")),
            (WeightsIn::Blocks, _) => Some(file!("product/blocks")),
            (WeightsIn::Parts, _) => None,
            _ if subgroups => Some(file!("product/subgroup")),
            (_, Pace::Loop) => Some(file!("product/direct")),
            (_, Pace::Rows | Pace::Step) => Some(file!("product/workgroup")),
        };
        let mut files = vec![file!("bindings"), of_weights];
        files.extend_from_slice(self.other(weights).unwrap_or(&self.files));
        files.push(file!("product"));
        files.extend(sharing);
        let items = Override::new("ITEMS", self.tiling.across());
        let mut overrides = vec![Override::new("UNITS", units), Override::new("ROWS", rows), items];
        overrides.push(Override::new("LOADS_AHEAD", !capabilities.software));
        let divided = request.parts.iter().any(|part| part.is_divided(&self.config));
        overrides.extend(divided.then(|| Override::new("DIVIDED", true)));
        overrides.extend_from_slice(&self.overrides);
        overrides.extend(self.memory_overrides(precision));
        let mut name = vec![self.entry_point.to_owned()];
        name.extend_from_slice(&self.words);
        name.extend((precision == Precision::F16).then(|| "f16".to_owned()));
        name.extend(subgroups.then(|| "subgroups".to_owned()));
        name.push(self.tiling.to_string());
        let unrolled = in_registers.then(|| Unrolled::new(small(self.quads())));
        name.extend(unrolled.map(Unrolled::name));
        name.extend(shared.map(|Shared { blocks, .. }| format!("{blocks} blocks")));
        KernelSpec {
            entry_point: self.entry_point,
            name: name.join(" "),
            files,
            unrolled,
            overrides,
            tiling: self.tiling,
            workgroup_bytes: match self.pace {
                _ if weights == WeightsIn::Tiles => u64::from(tiled_bytes(units)),
                _ if weights == WeightsIn::Blocks => u64::from(BLOCKS_BYTES),
                Pace::Rows | Pace::Step if subgroups => 0,
                Pace::Rows | Pace::Step => u64::from(rows * TILE_BYTES),
                Pace::Loop => self.loop_bytes(precision),
            },
            precision,
            is_product: true,
            subgroups,
            checked: request.bounds_checks,
        }
    }

    fn memory_overrides(&self, precision: Precision) -> Vec<Override> {
        match self.pace {
            Pace::Rows | Pace::Step => Vec::new(),
            Pace::Loop if self.tiling.weights == WeightsIn::Registers => {
                vec![Override::new("STATE", small(self.state_quads()))]
            }
            Pace::Loop if self.tiling.weights == WeightsIn::Parts => self
                .shared()
                .map(|Shared { blocks, .. }| Override::new("BLOCKS", small(blocks)))
                .into_iter()
                .collect(),
            Pace::Loop => self.memory(precision).overrides().to_vec(),
        }
    }

    /// Returns the bytes of workgroup memory of a loop.
    pub(super) fn loop_bytes(&self, precision: Precision) -> u64 {
        match self.tiling.weights {
            WeightsIn::Registers => 2 * 16 * self.state_quads() as u64,
            WeightsIn::Parts => shared::BYTES,
            WeightsIn::Buffer | WeightsIn::Workgroup | WeightsIn::Tiles | WeightsIn::Blocks => {
                self.memory(precision).bytes(precision)
            }
        }
    }

    /// Returns the number of quads of one hidden state of a workgroup's rows.
    fn state_quads(&self) -> usize {
        self.quads() * self.tiling.rows as usize
    }

    /// Returns the sizes of the arrays of a loop in workgroup memory: the vectors of the products, and the
    /// recurrent weights if the tiling has them there.
    fn memory(&self, precision: Precision) -> ScanMemory {
        let (small_state, large_state) = if self.products.len() > 1 { (160, 1360) } else { (256, 2032) };
        let floats = |product: &Product| {
            let needed = 4 * product.quads(&self.config, 0) * self.tiling.rows as usize;
            if needed <= small_state { small(small_state) } else { small(needed.max(large_state)) }
        };
        let on_chip = self.tiling.weights == WeightsIn::Workgroup;
        ScanMemory {
            state: floats(&self.products[0]),
            wide_state: self.products.get(1).map_or(1, floats),
            kept: if on_chip { kept(&self.config, precision) } else { 1 },
        }
    }
}

/// The most tiles of rows that share the weights in the registers of a workgroup. Loading the weights takes about
/// as long as two tiles.
const TILES: usize = 32;
/// With more quads than these there are fewer tiles, for the limit in `loops.rs`.
const MANY_QUADS: usize = 64;

/// Returns the number of weight elements of a direction that are kept on chip: all that fit in addition to
/// small states, or more if the direction has more.
fn kept(config: &Config, precision: Precision) -> u32 {
    let room = (WORKGROUP_BYTES - SMALL_STATES) as usize / precision.quad_bytes();
    small(pack::recurrent_elements(config, precision).max(room))
}

/// The maximum number of bytes of small states, and the padding with which drivers align arrays.
const SMALL_STATES: u32 = 2048 + 32;
