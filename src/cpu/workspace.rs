//! The work arrays of tasks, which are kept from call to call.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use ndarray::{ArrayView3, ArrayViewMut3};

use super::product;
use super::rows::Sorted;
use super::simd::{Block, PANEL};
use crate::Error;
use crate::array::{Reused, resize};

/// A vector of units for each row, padded to whole blocks.
#[derive(Debug, Default)]
pub(super) struct Units {
    pub(super) values: Vec<Block>,
    /// The number of blocks of a row.
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

    /// Returns some blocks of each of the first rows, as floats.
    pub(super) fn columns(&self, blocks: &Range<usize>, rows: usize) -> impl Iterator<Item = &[f32]> {
        let blocks = blocks.clone();
        let rows = self.values.chunks_exact(self.width.max(1)).take(rows);
        rows.map(move |row| bytemuck::cast_slice(&row[blocks.clone()]))
    }

    /// Like [`Units::columns`], but mutable.
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

/// The sizes of a [`Workspace`], in blocks unless stated otherwise.
pub(super) struct Sizes {
    pub(super) chunk: usize,
    pub(super) rows: usize,
    /// The number of input elements: I, or the width of the layer below.
    pub(super) terms: usize,
    /// All units of the hidden state.
    pub(super) h: usize,
    /// All units of the vectors that a second product multiplies, if there is one.
    pub(super) inner: usize,
}

/// A thread's arrays. Rows are in the order of [`Sorted`]. The contents are unspecified before they are
/// written.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    pub(super) rows: Sorted,
    /// `[chunk, rows, in]`.
    pub(super) x: Vec<f32>,
    /// The sums of the recurrent product, which the elementwise part reads.
    pub(super) sums: Vec<Block>,
    /// The hidden state after a step.
    pub(super) next: Units,
    pub(super) h: Units,
    /// The state before a projection, or r h in a GRU that resets before the product.
    pub(super) inner: Units,
}

impl Workspace {
    pub(super) fn resize(&mut self, sizes: &Sizes) -> Result<(), Error> {
        let &Sizes { chunk, rows, terms, h, inner } = sizes;
        resize("a chunk of the input", &mut self.x, [chunk, rows, terms])?;
        resize("the sums of a group", &mut self.sums, [1, 1, super::cell::SUMS])?;
        self.next.resize("the next hidden state", rows, h)?;
        self.h.resize("the hidden state", rows, h)?;
        self.inner.resize("what a second product multiplies", rows, inner)
    }
}

/// The sizes of a [`PartSpace`], in blocks.
pub(super) struct PartSizes {
    pub(super) chunk: usize,
    pub(super) rows: usize,
    pub(super) gates: usize,
    pub(super) c: usize,
    /// The size of the gate that the first product stores for the elementwise part after the second product.
    pub(super) z: usize,
}

/// The arrays of a part of the units. Rows are in the order of [`Sorted`].
#[derive(Debug, Default)]
pub(super) struct PartSpace {
    /// `[chunk, rows, gates]`: the input product.
    pub(super) of_input: Vec<Block>,
    pub(super) c: Units,
    /// z of a GRU that resets before the product.
    pub(super) z: Units,
}

impl PartSpace {
    pub(super) fn resize(&mut self, sizes: &PartSizes) -> Result<(), Error> {
        let &PartSizes { chunk, rows, gates, c, z } = sizes;
        resize("a chunk of the gates", &mut self.of_input, [chunk, rows, gates])?;
        self.c.resize("the cell state", rows, c)?;
        self.z.resize("the update gate", rows, z)
    }
}

/// The arrays that no task uses at the moment.
#[derive(Debug, Default)]
pub(super) struct Workspaces {
    pub(super) threads: Pool<Workspace>,
    pub(super) parts: Pool<PartSpace>,
}

/// A pool of objects to reuse. It has at most the number that were in use at once.
#[derive(Debug, Default)]
pub(super) struct Pool<T>(Mutex<Vec<T>>);

impl<T: Default> Pool<T> {
    /// Takes an object from the pool, or creates one, and resizes it.
    pub(super) fn take(&self, resize: impl FnOnce(&mut T) -> Result<(), Error>) -> Result<T, Error> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        resize(&mut taken)?;
        Ok(taken)
    }

    pub(super) fn give_back(&self, value: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(value);
    }
}

/// The two sequences between the layers of a stack, which are read and written in turn.
#[derive(Debug, Default)]
pub(crate) struct Between {
    read: Reused,
    write: Reused,
}

impl Between {
    /// Returns the sequence below a layer, and zeros for the one above it.
    pub(super) fn around(
        &mut self,
        above: [usize; 3],
    ) -> Result<(ArrayView3<'_, f32>, ArrayViewMut3<'_, f32>), Error> {
        self.write.reshape("the sequence between layers", above)?;
        self.write.zero();
        Ok((self.read.view()?, self.write.view_mut()?))
    }

    /// Swaps the two sequences: the one above becomes the one below.
    pub(super) fn swap(&mut self) {
        std::mem::swap(&mut self.read, &mut self.write);
    }
}
