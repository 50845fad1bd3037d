//! Addresses in a file, and what keeps a broken file from being read without an end.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::Error;
use crate::io::bytes::Bytes;
use crate::io::format_error;

const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";
/// An address that stands for none.
pub(super) const UNDEFINED: usize = usize::MAX;
/// The largest length of a dataset's path in bytes.
pub(super) const LONGEST: usize = 1024;
/// The most bytes that a filter makes of one byte.
pub(super) const DEFLATE: usize = 1032;

pub(super) fn error(expected: &str, found: impl std::fmt::Display) -> Error {
    format_error("HDF5 file", expected, found)
}

/// Returns the range of bytes at an address.
pub(super) fn range(address: usize, length: usize) -> Range<usize> {
    address..address.saturating_add(length)
}

/// A file while it is read.
pub(super) struct File<'a> {
    pub(super) bytes: &'a [u8],
    /// The objects and nodes that were read. A file may link them in a circle.
    pub(super) visited: BTreeSet<usize>,
    /// How many links, messages and nodes may still be read. Each takes eight bytes or more, but a broken file
    /// may let them overlap.
    steps: usize,
}

impl<'a> File<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        File { bytes, visited: BTreeSet::new(), steps: bytes.len() / 8 + 8 }
    }

    /// Returns the address of the root group.
    pub(super) fn root(&self) -> Result<usize, Error> {
        let rest = self
            .bytes
            .strip_prefix(SIGNATURE)
            .ok_or_else(|| error("the signature of HDF5", "other bytes"))?;
        let broken = || error("a superblock", "the end of the file");
        let mut bytes = Bytes { rest };
        let version = bytes.u8().ok_or_else(broken)?;
        // The sizes of addresses and lengths come behind three versions and a blank, or at once.
        let skipped = match version {
            0 | 1 => 4,
            2 | 3 => 0,
            other => return Err(error("a superblock of version 0 to 3", other)),
        };
        bytes.take(skipped).ok_or_else(broken)?;
        if bytes.take(2).ok_or_else(broken)? != [8, 8] {
            return Err(error("addresses and lengths of 8 bytes", "other sizes"));
        }
        // Up to the base address. Behind it are three other addresses; in old versions the root's name, too.
        bytes
            .take(match version {
                0 => 9,
                1 => 13,
                _ => 1,
            })
            .ok_or_else(broken)?;
        let base = bytes.count::<8>().ok_or_else(broken)?;
        if base != 0 {
            return Err(error(
                "no block of a user's data before HDF5's",
                format_args!("one of {base} bytes"),
            ));
        }
        bytes.take(if version < 2 { 32 } else { 16 }).ok_or_else(broken)?;
        bytes.count::<8>().ok_or_else(broken)
    }

    /// Returns the bytes from an address on.
    pub(super) fn at(&self, address: usize) -> Result<Bytes<'a>, Error> {
        let rest = self.bytes.get(address..);
        let rest =
            rest.ok_or_else(|| error("addresses inside the file", format_args!("address {address}")))?;
        Ok(Bytes { rest })
    }

    /// Counts a link, message or node.
    pub(super) fn step(&mut self) -> Result<(), Error> {
        let too_many = || error("links and messages that do not overlap", "too many of them");
        self.steps = self.steps.checked_sub(1).ok_or_else(too_many)?;
        Ok(())
    }
}
