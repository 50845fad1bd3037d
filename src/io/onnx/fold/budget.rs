//! The work that constants may cost.

use std::cell::Cell;

use crate::Error;
use crate::array::reserved;
use crate::io::format_error;

/// Bytes that may be read and written for each byte of the file, and in any case.
const BUDGET: u64 = 256;
const LEAST_BUDGET: u64 = 4 << 20;

/// The bytes that may still be read and written.
#[derive(Debug)]
pub(super) struct Budget(Cell<u64>);

impl Budget {
    /// Creates the budget for a file of that many bytes.
    pub(super) fn new(size: usize) -> Self {
        Budget(Cell::new(BUDGET.saturating_mul(size as u64).saturating_add(LEAST_BUDGET)))
    }

    /// Adds what further bytes of the file allow.
    pub(super) fn add(&self, size: usize) {
        self.0.set(self.0.get().saturating_add(BUDGET.saturating_mul(size as u64)));
    }

    /// Takes an amount, or fails if it is more than what is left.
    pub(super) fn take(&self, amount: usize, what: &str) -> Result<(), Error> {
        let left = self.0.get().checked_sub(amount as u64);
        let left = left.ok_or_else(|| {
            let expected = format!("constants of at most {BUDGET} bytes of work for each byte of the file");
            format_error(what, expected, "more")
        })?;
        self.0.set(left);
        Ok(())
    }

    /// Returns an empty vector for that many bytes.
    pub(super) fn bytes(&self, size: Option<usize>, what: &str) -> Result<Vec<u8>, Error> {
        let size = size.unwrap_or(usize::MAX);
        self.take(size, what)?;
        reserved(what, size)
    }
}
