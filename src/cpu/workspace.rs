//! The arrays that a task works in, kept from call to call.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use ndarray::{ArrayView3, ArrayViewMut3};

use super::product;
use super::simd::{Block, PANEL};
use super::task::Sorted;
use crate::Error;
use crate::array::{Reused, resize};

/// A vector of units for each row, padded to whole blocks.
#[derive(Debug, Default)]
pub(super) struct Units {
    pub(super) values: Vec<Block>,
    /// Blocks of a row.
    pub(super) width: usize,
}

impl Units {
    fn resize(&mut self, what: &str, rows: usize, width: usize) -> Result<(), Error> {
        self.width = width;
        resize(what, &mut self.values, [1, rows, width])
    }

    pub(super) fn rows(&self) -> product::Rows<'_> {
        product::Rows { values: bytemuck::cast_slice(&self.values), stride: self.width * PANEL }
    }

    pub(super) fn first(&mut self, rows: usize) -> &mut [Block] {
        &mut self.values[..rows * self.width]
    }

    /// Some blocks of each of the first rows, as floats.
    pub(super) fn columns(&self, blocks: &Range<usize>, rows: usize) -> impl Iterator<Item = &[f32]> {
        let blocks = blocks.clone();
        let rows = self.values.chunks_exact(self.width.max(1)).take(rows);
        rows.map(move |row| bytemuck::cast_slice(&row[blocks.clone()]))
    }

    /// As [`Units::columns`].
    pub(super) fn columns_mut(
        &mut self,
        blocks: &Range<usize>,
        rows: usize,
    ) -> impl Iterator<Item = &mut [f32]> {
        let blocks = blocks.clone();
        let rows = self.values.chunks_exact_mut(self.width.max(1)).take(rows);
        rows.map(move |row| bytemuck::cast_slice_mut(&mut row[blocks.clone()]))
    }
}

/// What a workspace must have room for, in blocks but for the input.
pub(super) struct Sizes {
    pub(super) chunk: usize,
    pub(super) rows: usize,
    /// I, or the width of the layer below.
    pub(super) terms: usize,
    /// Of the task's share of the gates.
    pub(super) gates: usize,
    /// Of the hidden state, all units.
    pub(super) h: usize,
    /// Of the task's share of the cell state.
    pub(super) c: usize,
    /// Of what a second product multiplies, all units, if there is one.
    pub(super) inner: usize,
    /// Of the task's share of a gate that the first product leaves for behind the second.
    pub(super) z: usize,
}

/// Rows are in the order of the task. What the arrays hold before they are written has no meaning.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    pub(super) rows: Sorted,
    /// `[chunk, rows, in]`.
    pub(super) x: Vec<f32>,
    /// `[chunk, rows, gates]`: the input's share of the gates.
    pub(super) of_input: Vec<Block>,
    /// The sums that the recurrent product leaves for the elementwise part.
    pub(super) sums: Vec<Block>,
    /// The hidden state after a step.
    pub(super) next: Units,
    pub(super) h: Units,
    pub(super) c: Units,
    /// The state before a projection, or r h where a GRU resets before the product.
    pub(super) inner: Units,
    /// That GRU's z.
    pub(super) z: Units,
}

impl Workspace {
    fn resize(&mut self, sizes: &Sizes) -> Result<(), Error> {
        let &Sizes { chunk, rows, terms, gates, h, c, inner, z } = sizes;
        resize("a chunk of the input", &mut self.x, [chunk, rows, terms])?;
        resize("a chunk of the gates", &mut self.of_input, [chunk, rows, gates])?;
        resize("the sums of a group", &mut self.sums, [1, 1, super::cell::SUMS])?;
        self.next.resize("the next hidden state", rows, h)?;
        self.h.resize("the hidden state", rows, h)?;
        self.c.resize("the cell state", rows, c)?;
        self.inner.resize("what a second product multiplies", rows, inner)?;
        self.z.resize("the update gate", rows, z)
    }
}

/// Workspaces that no task uses: as many as there were tasks at once.
#[derive(Debug, Default)]
pub(super) struct Workspaces(Mutex<Vec<Workspace>>);

impl Workspaces {
    pub(super) fn take(&self, sizes: &Sizes) -> Result<Workspace, Error> {
        let mut workspace = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        workspace.resize(sizes)?;
        Ok(workspace)
    }

    pub(super) fn give_back(&self, workspace: Workspace) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
    }
}

/// The sequences between the layers of a stack: two, which are read and written in turn.
#[derive(Debug, Default)]
pub(crate) struct Between {
    read: Reused,
    write: Reused,
}

impl Between {
    /// The sequence below a layer, and zeros for the one above it.
    pub(super) fn around(
        &mut self,
        above: [usize; 3],
    ) -> Result<(ArrayView3<'_, f32>, ArrayViewMut3<'_, f32>), Error> {
        self.write.reshape("the sequence between layers", above)?;
        self.write.zero();
        Ok((self.read.view()?, self.write.view_mut()?))
    }

    /// What was above is below now.
    pub(super) fn swap(&mut self) {
        std::mem::swap(&mut self.read, &mut self.write);
    }
}
