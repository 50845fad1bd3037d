//! What the tests count of a device.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Mutex, PoisonError};

/// What was made and submitted since it was last asked.
#[derive(Debug, Default)]
pub(super) struct Counts(Mutex<Counted>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// Bytes of the buffers of each label.
    pub(super) buffers: BTreeMap<String, u64>,
    pub(super) submissions: usize,
    /// Places for timestamps.
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
