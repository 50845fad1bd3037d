//! The arrays that a task works in, kept from call to call.

use std::sync::{Mutex, PoisonError};

use ndarray::{ArrayView3, ArrayViewMut3};

use super::pack::PANEL;
use super::product;
use super::task::Sorted;
use crate::Error;
use crate::array::{Reused, resize};

/// A vector of units for each row, padded to whole blocks.
#[derive(Debug, Default)]
pub(super) struct Units {
    pub(super) values: Vec<f32>,
    pub(super) width: usize,
}

impl Units {
    fn resize(&mut self, what: &str, rows: usize, units: usize) -> Result<(), Error> {
        self.width = units.next_multiple_of(PANEL);
        resize(what, &mut self.values, [1, rows, self.width])
    }

    pub(super) fn rows(&self) -> product::Rows<'_> {
        product::Rows { values: &self.values, stride: self.width }
    }

    pub(super) fn first(&mut self, rows: usize) -> &mut [f32] {
        &mut self.values[..rows * self.width]
    }
}

/// What a workspace must have room for.
pub(super) struct Sizes {
    pub(super) chunk: usize,
    pub(super) rows: usize,
    /// I, or the width of the layer below.
    pub(super) terms: usize,
    /// Of the task's share of the gates.
    pub(super) columns: usize,
    /// Of the hidden state that the recurrent product reads.
    pub(super) h: usize,
    /// Of the task's share of the next hidden state.
    pub(super) next: usize,
    /// Of the task's share of the cell state.
    pub(super) c: usize,
    /// Of what one product of a step leaves for the other, where there are two.
    pub(super) kept: usize,
}

/// Rows are in the order of the task. What the arrays hold before they are written has no meaning.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    pub(super) rows: Sorted,
    /// `[chunk, rows, in]`.
    pub(super) x: Vec<f32>,
    /// `[chunk, rows, columns]`: the input's share of the gates.
    pub(super) of_input: Vec<f32>,
    /// The sums that the recurrent product leaves for the elementwise part.
    pub(super) sums: Vec<f32>,
    /// The hidden state after a step, before a projection.
    pub(super) next: Units,
    pub(super) h: Units,
    pub(super) c: Units,
    /// A GRU's z and r h, where it resets before the product.
    pub(super) z: Units,
    pub(super) reset: Units,
}

impl Workspace {
    fn resize(&mut self, sizes: &Sizes) -> Result<(), Error> {
        let &Sizes { chunk, rows, terms, columns, h, next, c, kept } = sizes;
        resize("a chunk of the input", &mut self.x, [chunk, rows, terms])?;
        resize("a chunk of the gates", &mut self.of_input, [chunk, rows, columns])?;
        resize("the sums of a group", &mut self.sums, [1, 1, super::cell::SUMS])?;
        self.next.resize("the next hidden state", rows, next)?;
        self.h.resize("the hidden state", rows, h)?;
        self.c.resize("the cell state", rows, c)?;
        self.z.resize("the update gate", rows, kept)?;
        self.reset.resize("the reset hidden state", rows, kept)
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
