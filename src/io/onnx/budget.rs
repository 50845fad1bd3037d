//! The work that constants may cost.

use std::cell::Cell;

use crate::Error;
use crate::array::reserved;
use crate::error::Fault;
use crate::io::format_error;

/// Bytes that may be read and written for each byte of the file, and in any case.
const BUDGET: u64 = 256;
const LEAST_BUDGET: u64 = 4 << 20;

/// The bytes that may still be read and written.
#[derive(Debug)]
pub(in crate::io::onnx) struct Budget {
    work: Cell<u64>,
    /// The bytes that were read from other files.
    read: Cell<u64>,
    /// The largest number of these bytes.
    most: u64,
}

impl Budget {
    /// Creates the budget for a file of `size` bytes that may read `most` bytes of other files.
    pub(in crate::io::onnx) fn new(size: usize, most: u64) -> Self {
        let work = BUDGET.saturating_mul(size as u64).saturating_add(LEAST_BUDGET);
        Budget { work: Cell::new(work), read: Cell::new(0), most }
    }

    /// Takes the bytes of a tensor in another file, before they are read. They then count as bytes of the model's file.
    pub(in crate::io::onnx) fn read(&self, size: usize, what: &str) -> Result<(), Error> {
        let needed = self.read.get().saturating_add(size as u64);
        if needed > self.most {
            let what = format!("{what}: bytes of values in other files");
            return Err(Error::from(Fault::TooLarge { what, needed, limit: self.most }));
        }
        self.read.set(needed);
        self.work.set(self.work.get().saturating_add(BUDGET.saturating_mul(size as u64)));
        Ok(())
    }

    /// Takes an amount, or fails if it is more than what is left.
    pub(in crate::io::onnx) fn take(&self, amount: usize, what: &str) -> Result<(), Error> {
        let left = self.work.get().checked_sub(amount as u64);
        let left = left.ok_or_else(|| {
            let expected = format!("constants of at most {BUDGET} bytes of work for each byte of the file");
            format_error(what, expected, "more")
        })?;
        self.work.set(left);
        Ok(())
    }

    /// Returns an empty vector for that many bytes.
    pub(in crate::io::onnx) fn bytes(&self, size: Option<usize>, what: &str) -> Result<Vec<u8>, Error> {
        let size = size.unwrap_or(usize::MAX);
        self.take(size, what)?;
        reserved(what, size)
    }
}
