//! Counts of a device's buffers, submissions and queries, for the tests.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Mutex, PoisonError};

/// The counts since the last [`Counts::take`].
#[derive(Debug, Default)]
pub(super) struct Counts(Mutex<Counted>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// The total size of the buffers with each label, in bytes.
    pub(super) buffers: BTreeMap<String, u64>,
    pub(super) submissions: usize,
    /// The number of timestamp queries.
    pub(super) queries: u32,
}

impl Counts {
    pub(super) fn buffer(&self, label: &str, size: u64) {
        self.change(|counted| *counted.buffers.entry(label.to_owned()).or_default() += size);
    }

    pub(super) fn submission(&self) {
        self.change(|counted| counted.submissions += 1);
    }

    pub(super) fn queries(&self, count: u32) {
        self.change(|counted| counted.queries += count);
    }

    pub(super) fn take(&self) -> Counted {
        self.change(mem::take)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Counted) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
