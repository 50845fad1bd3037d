//! Datasets in chunks, each of which may be packed.

use std::borrow::Cow;
use std::io::Read;
use std::ops::Range;

use flate2::bufread::ZlibDecoder;

use super::reader::{DEFLATE, File, UNDEFINED, error, range};
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::array::{filled, push, reserved};
use crate::io::bytes::Bytes;
use crate::io::format_error;

/// The largest number of levels of a B-tree.
const DEEPEST: usize = 16;

/// A filter of a dataset, which was applied to each chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    Deflate,
    /// The first bytes of all elements, then the second ones, and so on.
    Shuffle,
    /// A checksum behind the values.
    Fletcher,
    Other(usize),
}

impl Filter {
    /// Reads the message that lists the filters, the first one first.
    pub(super) fn pipeline(bytes: &mut Bytes<'_>) -> Option<Vec<Self>> {
        let version = bytes.u8()?;
        let count = bytes.u8()?;
        bytes.take(if version == 1 { 6 } else { 0 })?;
        let mut filters = Vec::new();
        for _ in 0..count {
            let id = bytes.count::<2>()?;
            let name = if version == 1 || id >= 256 { bytes.count::<2>()? } else { 0 };
            bytes.take(2)?;
            let values = bytes.count::<2>()?;
            bytes.take(if version == 1 { name.next_multiple_of(8) } else { name })?;
            bytes.take(4 * values)?;
            bytes.take(if version == 1 && values % 2 == 1 { 4 } else { 0 })?;
            filters.push(match id {
                1 => Filter::Deflate,
                2 => Filter::Shuffle,
                3 => Filter::Fletcher,
                other => Filter::Other(other),
            });
        }
        Some(filters)
    }
}

/// The chunks of a dataset.
#[derive(Clone, Debug)]
pub(crate) struct Chunks {
    /// The size of a chunk in each dimension.
    sizes: Vec<usize>,
    element: usize,
    filters: Vec<Filter>,
    chunks: Vec<Chunk>,
}

/// A chunk: its first element in the dataset, and its bytes in the file.
#[derive(Clone, Debug)]
struct Chunk {
    first: Vec<usize>,
    range: Range<usize>,
    /// A bit for each filter that was left out.
    skipped: usize,
}

impl Chunks {
    /// Reads the B-tree that lists the chunks.
    pub(super) fn read(
        file: &mut File<'_>,
        path: &str,
        tree: usize,
        sizes: &[usize],
        element: usize,
        filters: &[Filter],
    ) -> Result<Self, Error> {
        if let Some(Filter::Other(id)) = filters.iter().find(|filter| matches!(filter, Filter::Other(_))) {
            let expected = "chunks without a filter, or deflated (gzip), shuffled or with a checksum";
            return Err(format_error(path, expected, format_args!("filter {id}")));
        }
        let mut chunks = Vec::new();
        if tree != UNDEFINED {
            node(file, tree, sizes.len(), &mut chunks, 0)?;
        }
        Ok(Chunks { sizes: sizes.to_vec(), element, filters: filters.to_vec(), chunks })
    }

    /// Returns the dataset's values in row-major order. Chunks that are not in the file are zero.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] if a chunk cannot be unpacked or is outside of the dataset.
    pub(crate) fn values(&self, file: &[u8], name: &str, shape: &[usize]) -> Result<Vec<u8>, Error> {
        let broken =
            |found: &dyn std::fmt::Display| format_error(name, "chunks of the dataset's shape", found);
        let size = |sizes: &[usize]| {
            sizes
                .iter()
                .try_fold(self.element, |product, &size| product.checked_mul(size))
                .unwrap_or(usize::MAX)
        };
        if self.sizes.len() != shape.len() {
            return Err(broken(&format_args!("{} dimensions", self.sizes.len())));
        }
        let mut values = filled(name, size(shape), 0)?;
        // Chunks at the end of a dimension go beyond it.
        let most = shape.iter().zip(&self.sizes).map(|(&size, &chunk)| size.max(chunk)).collect::<Vec<_>>();
        let length = size(&self.sizes);
        if length > file.len().saturating_mul(DEFLATE) || size(&most) < length {
            return Err(broken(&format_args!("a chunk of {length} bytes")));
        }
        // Each chunk is there once.
        let count: usize =
            shape.iter().zip(&self.sizes).map(|(&size, &chunk)| size.div_ceil(chunk.max(1))).product();
        if self.chunks.len() > count {
            return Err(broken(&format_args!("{} chunks", self.chunks.len())));
        }
        for chunk in &self.chunks {
            let packed =
                file.get(chunk.range.clone()).ok_or_else(|| broken(&"a chunk outside of the file"))?;
            let unpacked = self.unpacked(name, packed, chunk.skipped, length)?;
            self.place(&unpacked, &chunk.first, shape, &mut values);
        }
        Ok(values)
    }

    /// Undoes the filters, the last one first.
    fn unpacked<'c>(
        &self,
        name: &str,
        packed: &'c [u8],
        skipped: usize,
        length: usize,
    ) -> Result<Cow<'c, [u8]>, Error> {
        let broken = |found: String| format_error(name, "chunks of the dataset's shape", found);
        let mut bytes = Cow::Borrowed(packed);
        for (place, filter) in self.filters.iter().enumerate().rev() {
            if skipped >> place.min(31) & 1 == 1 {
                continue;
            }
            bytes = match filter {
                Filter::Deflate => {
                    // A checksum may be behind the values. One byte more than that is too much.
                    let limit = length.saturating_add(5);
                    // Room to read into, so that the end is found without more memory.
                    let mut unpacked = reserved(name, limit.saturating_add(32))?;
                    let mut decoder = ZlibDecoder::new(&bytes[..]).take(limit as u64);
                    decoder.read_to_end(&mut unpacked).map_err(|error| broken(error.to_string()))?;
                    Cow::Owned(unpacked)
                }
                Filter::Shuffle => Cow::Owned(unshuffled(name, &bytes, self.element)?),
                Filter::Fletcher => {
                    let length = bytes.len().saturating_sub(4);
                    match bytes {
                        Cow::Borrowed(bytes) => Cow::Borrowed(bytes.get(..length).unwrap_or_default()),
                        Cow::Owned(mut bytes) => {
                            bytes.truncate(length);
                            Cow::Owned(bytes)
                        }
                    }
                }
                Filter::Other(id) => return Err(broken(format!("filter {id}"))),
            };
        }
        match bytes.len() == length {
            true => Ok(bytes),
            false => Err(broken(format!("a chunk of {} bytes in place of {length}", bytes.len()))),
        }
    }

    /// Copies the part of a chunk that is inside of the dataset, row by row.
    fn place(&self, chunk: &[u8], first: &[usize], shape: &[usize], values: &mut [u8]) {
        let Some((&columns, rows)) = self.sizes.split_last() else {
            values.copy_from_slice(chunk.get(..values.len()).unwrap_or_default());
            return;
        };
        let (Some(&column), Some(&width)) = (first.last(), shape.last()) else { return };
        let taken = columns.min(width.saturating_sub(column));
        let mut index = vec![0; rows.len()];
        for row in chunk.chunks_exact((columns * self.element).max(1)) {
            let position = index.iter().zip(first).map(|(place, first)| place + first);
            let is_inside = position.clone().zip(shape).all(|(position, &size)| position < size);
            if is_inside {
                // What cannot be counted is outside of the values.
                let place = |sum: usize, (position, size): (usize, usize)| {
                    sum.saturating_mul(size).saturating_add(position)
                };
                let before = position.zip(shape.iter().copied()).fold(0, place);
                let start = place(before, (column, width)).saturating_mul(self.element);
                let length = taken * self.element;
                if let Some(target) = values.get_mut(start..start.saturating_add(length)) {
                    target.copy_from_slice(row.get(..length).unwrap_or_default());
                }
            }
            for (place, &end) in index.iter_mut().zip(rows).rev() {
                *place += 1;
                if *place < end {
                    break;
                }
                *place = 0;
            }
        }
    }
}

fn unshuffled(name: &str, bytes: &[u8], element: usize) -> Result<Vec<u8>, Error> {
    let count = bytes.len() / element.max(1);
    let mut plain = reserved(name, bytes.len())?;
    for place in 0..count {
        plain.extend((0..element).filter_map(|byte| bytes.get(byte * count + place)));
    }
    plain.extend_from_slice(bytes.get(count * element..).unwrap_or_default());
    Ok(plain)
}

fn node(
    file: &mut File<'_>,
    address: usize,
    rank: usize,
    chunks: &mut Vec<Chunk>,
    depth: usize,
) -> Result<(), Error> {
    let cut_off = || error("a complete list of chunks", "the end of the file");
    if depth > DEEPEST || !file.visited.insert(address) {
        return Err(error("a tree of chunks", "a circle"));
    }
    let mut bytes = file.at(address)?;
    let head = bytes.take(6).filter(|head| head.starts_with(b"TREE\x01")).ok_or_else(cut_off)?;
    let is_leaf = head.ends_with(&[0]);
    let count = bytes.count::<2>().ok_or_else(cut_off)?;
    bytes.take(16).ok_or_else(cut_off)?;
    for _ in 0..count {
        file.step()?;
        let length = bytes.count::<4>().ok_or_else(cut_off)?;
        let skipped = bytes.count::<4>().ok_or_else(cut_off)?;
        let first: Option<Vec<usize>> = (0..rank).map(|_| bytes.count::<8>()).collect();
        // The last offset is that inside of an element.
        bytes.take(8).ok_or_else(cut_off)?;
        let child = bytes.count::<8>().ok_or_else(cut_off)?;
        match is_leaf {
            true => {
                let first = first.ok_or_else(cut_off)?;
                push("chunks", chunks, Chunk { first, range: range(child, length), skipped })?;
            }
            false => node(file, child, rank, chunks, depth + 1)?,
        }
    }
    Ok(())
}
