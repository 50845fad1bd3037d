//! What the elementwise parts must keep to.

use crate::symbols::Set;
use crate::turn::Turn;

/// A cell, by its type's name, and the tanh and sigmoids of a step. Each divides once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) name: &'static str,
    activations: usize,
}

/// Those whose activations the library chooses itself.
pub(crate) const CELLS: [Cell; 3] = [
    Cell { name: "Lstm", activations: 5 },
    Cell { name: "Gru", activations: 3 },
    Cell { name: "Tanh", activations: 1 },
];

impl Cell {
    /// Divisions of one block of units.
    pub(crate) fn divisions(&self, set: Set) -> usize {
        self.activations * set.registers() as usize
    }

    /// Blocks of a turn of the cell's loop, if all its divisions are part of one.
    pub(crate) fn blocks(&self, set: Set, turn: &Turn<'_>) -> Option<usize> {
        let (count, each) = (turn.divs.len(), self.divisions(set));
        (count > 0 && count.is_multiple_of(each)).then(|| count / each)
    }
}
