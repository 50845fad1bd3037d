//! The files of a zip archive, borrowed from the archive's bytes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;

use flate2::bufread::DeflateDecoder;
use rawzip::{CompressionMethod, ZipArchive};

use super::format_error;
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::array::reserved;

/// The most bytes that deflate makes of one byte.
const DEFLATE: usize = 1032;

/// A file of an archive.
#[cfg_attr(
    not(any(feature = "keras", feature = "npz")),
    allow(dead_code, reason = "torch.save compresses nothing")
)]
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// The file's bytes in the archive.
    pub(super) range: Range<usize>,
    pub(super) deflated: bool,
    /// The number of bytes of the unpacked file.
    pub(super) size: usize,
    checksum: u32,
}

#[cfg_attr(
    not(any(feature = "keras", feature = "npz")),
    allow(dead_code, reason = "torch.save compresses nothing")
)]
impl Member {
    /// Returns the file's contents, unpacked if they are deflated. `name` is the name in an error.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] if the contents cannot be unpacked, or have another size or checksum than the archive
    /// states; [`ErrorKind::OutOfMemory`].
    pub(super) fn contents<'a>(&self, archive: &'a [u8], name: &str) -> Result<Cow<'a, [u8]>, Error> {
        let broken =
            |found: String| format_error(name, format_args!("{} bytes in the archive", self.size), found);
        let contents = match self.deflated {
            false => Cow::Borrowed(self.packed(archive).ok_or_else(|| broken("the end of the file".into()))?),
            true => {
                // The size is one that so many packed bytes can have.
                let mut contents = reserved(name, self.size)?;
                let mut reader = self.reader(archive);
                let mut unpacked = Read::by_ref(&mut reader).take(self.size as u64);
                unpacked.read_to_end(&mut contents).map_err(|error| broken(error.to_string()))?;
                if reader.read(&mut [0]).map_err(|error| broken(error.to_string()))? > 0 {
                    return Err(broken("more".into()));
                }
                Cow::Owned(contents)
            }
        };
        if contents.len() != self.size {
            return Err(broken(contents.len().to_string()));
        }
        match rawzip::crc32(&contents) == self.checksum {
            true => Ok(contents),
            false => Err(broken("bytes with another checksum".into())),
        }
    }

    /// Returns a reader of the file's contents, unpacked if they are deflated.
    pub(super) fn reader<'a>(&self, archive: &'a [u8]) -> Box<dyn Read + 'a> {
        let packed = self.packed(archive).unwrap_or_default();
        if self.deflated { Box::new(DeflateDecoder::new(packed)) } else { Box::new(packed) }
    }

    fn packed<'a>(&self, archive: &'a [u8]) -> Option<&'a [u8]> {
        archive.get(self.range.clone())
    }
}

/// Returns the files of an archive by their names. Names that are not UTF-8 are left out.
///
/// # Errors
///
/// [`ErrorKind::File`], with `what` as the name, if the bytes are not a complete archive, or if one of its files
/// is encrypted, is neither stored nor deflated, or states a size that it cannot have.
pub(super) fn members(bytes: &[u8], what: &str) -> Result<BTreeMap<String, Member>, Error> {
    let broken = |error: rawzip::Error| format_error(what, "a complete zip archive", error);
    let archive = ZipArchive::from_slice(bytes).map_err(broken)?;
    let mut entries = archive.entries();
    let mut members = BTreeMap::new();
    while let Some(header) = entries.next_entry().map_err(broken)? {
        let Ok(name) = str::from_utf8(header.file_path().as_bytes()) else { continue };
        let entry = archive.get_entry(header.wayfinder()).map_err(broken)?;
        let (start, end) = entry.compressed_data_range();
        let range = count(start)..count(end);
        let size = count(header.uncompressed_size_hint());
        let method = header.compression_method();
        let refused = |expected: &str, found: String| Err(format_error(name, expected, found));
        if header.flags().is_encrypted() {
            return refused("a file without encryption", "an encrypted one".into());
        }
        let (deflated, most) = match method {
            CompressionMethod::STORE => (false, range.len()),
            CompressionMethod::DEFLATE => (true, range.len().saturating_mul(DEFLATE)),
            other => return refused("a stored or deflated file", format!("{other:?}")),
        };
        if size > most || !deflated && size != most {
            return refused(&format!("a size of at most {most} bytes"), size.to_string());
        }
        let member = Member { range, deflated, size, checksum: header.crc32() };
        if members.insert(name.to_owned(), member).is_some() {
            return refused("one file of that name in the archive", "two".into());
        }
    }
    Ok(members)
}

fn count(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
