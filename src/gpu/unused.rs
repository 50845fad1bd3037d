//! Items that calls take, use alone, and put back for the next call.
//!
//! `tools/interleavings` compiles this file with loom's threads and tries every order of them.

use super::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The unused items, the one that is unused for longest first.
pub(super) struct Unused<T> {
    items: Mutex<Vec<Arc<T>>>,
    /// The largest number of items. Up to this many concurrent calls of known shapes allocate nothing.
    most: usize,
}

impl<T> Unused<T> {
    pub(super) fn new(most: usize) -> Self {
        Unused { items: Mutex::new(Vec::new()), most }
    }

    /// Returns the largest number of items.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Locks the items. They are valid at any time, even after a panic elsewhere.
    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<Arc<T>>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether there is an item that fits.
    pub(super) fn has(&self, fits: impl Fn(&T) -> bool) -> bool {
        self.lock().iter().any(|item| fits(item))
    }

    /// Takes an item that fits. No other call can take it until it is put back.
    pub(super) fn take(&self, fits: impl Fn(&T) -> bool) -> Option<Arc<T>> {
        let mut items = self.lock();
        let place = items.iter().position(|item| fits(item))?;
        Some(items.remove(place))
    }

    /// Keeps an item for the next call. If there is no room, the one unused for longest is dropped.
    pub(super) fn put_back(&self, item: Arc<T>) {
        let mut items = self.lock();
        let oldest = if items.len() >= self.most && !items.is_empty() { Some(items.remove(0)) } else { None };
        items.push(item);
        drop(items);
        // An item may take long to drop.
        drop(oldest);
    }

    /// Removes the items that fit.
    pub(super) fn clear(&self, fits: impl Fn(&T) -> bool) {
        self.lock().retain(|item| !fits(item));
    }
}
