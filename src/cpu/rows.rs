//! The rows of a batch, sorted by length.

use std::cmp::Reverse;

/// Rows, the longest first. The rows that still have steps left are therefore always the first ones.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// The index of each row in the batch.
    pub(super) order: Vec<usize>,
    lengths: Vec<usize>,
}

impl Sorted {
    pub(super) fn sort(&mut self, lengths: &[usize]) {
        self.order.clear();
        self.order.extend(0..lengths.len());
        self.order.sort_unstable_by_key(|&row| (Reverse(lengths[row]), row));
        self.lengths.clear();
        self.lengths.extend(self.order.iter().map(|&row| lengths[row]));
    }

    /// Returns the number of rows.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Returns the number of rows that have a step `step`.
    pub(super) fn live(&self, step: usize) -> usize {
        self.lengths.partition_point(|&length| length > step)
    }

    /// Returns the position in time of step `step` of a row.
    pub(super) fn time(&self, row: usize, step: usize, reverse: bool) -> usize {
        if reverse { self.lengths[row] - 1 - step } else { step }
    }
}
