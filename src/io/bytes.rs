//! Reading numbers and strings from the front of bytes.

/// The bytes that were not yet read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Bytes<'a> {
    /// Takes the next bytes, or none if there are fewer.
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// Takes an array of bytes.
    pub(super) fn array<const COUNT: usize>(&mut self) -> Option<[u8; COUNT]> {
        let (taken, rest) = self.rest.split_first_chunk::<COUNT>()?;
        self.rest = rest;
        Some(*taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    /// Takes an unsigned little-endian number of one to eight bytes, as a count.
    pub(super) fn count<const BYTES: usize>(&mut self) -> Option<usize> {
        let bytes = self.array::<BYTES>()?;
        let wide = bytes.iter().rev().fold(0u64, |sum, &byte| sum << 8 | u64::from(byte));
        usize::try_from(wide).ok()
    }

    #[cfg(feature = "pytorch")]
    /// Takes a string whose length is the number of `BYTES` bytes before it.
    pub(super) fn counted<const BYTES: usize>(&mut self) -> Option<&'a [u8]> {
        let count = self.count::<BYTES>()?;
        self.take(count)
    }

    /// Takes a line, without its end.
    #[cfg(feature = "pytorch")]
    pub(super) fn line(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|&byte| byte == b'\n')?;
        let line = self.take(end)?;
        self.take(1)?;
        Some(line)
    }

    #[cfg(feature = "pytorch")]
    /// Takes a signed little-endian number of any length. One that does not fit is none.
    pub(super) fn long(&mut self, count: usize) -> Option<Option<i64>> {
        let bytes = self.take(count)?;
        let negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
        let fill = if negative { 0xFF } else { 0 };
        let mut wide = [fill; 8];
        for (place, &byte) in bytes.iter().enumerate() {
            match wide.get_mut(place) {
                Some(digit) => *digit = byte,
                None if byte == fill => {}
                None => return Some(None),
            }
        }
        let value = i64::from_le_bytes(wide);
        Some(Some(value).filter(|value| (*value < 0) == negative))
    }
}
