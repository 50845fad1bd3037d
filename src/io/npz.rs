//! npz: a zip archive of npy files.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read, Write};

use ndarray::ArrayViewD;
use npyz::zip::read::ZipFile;
use npyz::zip::write::FileOptions;
use npyz::zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::kind::{Kind, explained};
use super::npy::{self, read_header};
use super::{Data, Tensors, format_error, twice};
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;

pub(super) type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

/// The largest length of a member's name in bytes. The zip crate would write a larger length modulo 2¹⁶.
const LONGEST_NAME: usize = u16::MAX as usize;
/// Archives below this size in bytes need no zip64 end record.
const ZIP64: usize = u32::MAX as usize;

impl<'a> Tensors<'a> {
    /// Reads the arrays of an npz file. Values are unpacked on request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] if the bytes are not an npz file, or one of its arrays is not an npy file.
    pub fn from_npz(bytes: &'a [u8]) -> Result<Self, Error> {
        let tensors = Tensors::npz(bytes).map_err(|error| explained(error, bytes, Kind::Npz))?;
        // An archive without arrays may be one of another format.
        match (tensors.entries.is_empty(), Kind::of(bytes)) {
            (true, Some(kind @ (Kind::Pytorch | Kind::Keras))) => Err(format_error("npz", "npy files", kind)),
            _ => Ok(tensors),
        }
    }

    fn npz(bytes: &'a [u8]) -> Result<Self, Error> {
        check_end(bytes)?;
        let archive = ZipArchive::new(Cursor::new(bytes))
            .map_err(|error| format_error("npz", "a complete zip archive", error))?;
        let mut entries = BTreeMap::new();
        for member in archive.file_names() {
            if let Some(name) = npyz::npz::array_name_from_file_name(member) {
                let mut archive = archive.clone();
                let (header, _) = read_header(open(&mut archive, name, member)?, name)?;
                header.data_size(name)?;
                entries.insert(name.to_owned(), header.entry(Data::Member(member.to_owned())));
            }
        }
        let mut tensors = Tensors::new(bytes, entries);
        tensors.archive = Some(archive);
        Ok(tensors)
    }
}

/// Checks the end records. The zip crate reserves memory for the number of files in a zip64 record before it
/// reads them.
fn check_end(bytes: &[u8]) -> Result<(), Error> {
    let tail = &bytes[bytes.len().saturating_sub(22 + usize::from(u16::MAX))..];
    let end = tail.windows(4).rposition(|signature| signature == b"PK\x05\x06");
    let locator = end.and_then(|end| tail.get(end.checked_sub(20)?..)).unwrap_or_default();
    match locator.starts_with(b"PK\x06\x07") && bytes.len() < ZIP64 {
        true => Err(format_error("npz", "no zip64 record in a file below 4 GiB", "one")),
        false => Ok(()),
    }
}

/// Returns the name of the archive's file that is read as an array of that name.
fn member_of(name: &str) -> Result<String, Error> {
    let member = npyz::npz::file_name_from_array_name(name);
    if member.len() > LONGEST_NAME {
        let expected = format_args!("a name of at most {LONGEST_NAME} bytes with its suffix").to_string();
        return Err(format_error(name, expected, format_args!("{} bytes", member.len())));
    }
    match npyz::npz::array_name_from_file_name(&member) == Some(name) {
        true => Ok(member),
        false => Err(format_error(name, "a name without a NUL character", "one")),
    }
}

/// Opens a file of the archive that the zip crate can unpack without a panic.
fn open<'z>(archive: &'z mut Archive<'_>, name: &str, member: &str) -> Result<ZipFile<'z>, Error> {
    // Plain `by_name` panics on some encrypted files.
    let file = archive
        .by_name_decrypt(member, b"")
        .map_err(|error| format_error(name, "a member of a zip archive", error))?
        .map_err(|error| format_error(name, "no encryption", error))?;
    match file.compression() {
        CompressionMethod::Stored | CompressionMethod::Deflated => Ok(file),
        other => Err(format_error(name, "a stored or deflated file", format_args!("method {other}"))),
    }
}

/// Unpacks an array's values, but never more bytes than its header states.
pub(super) fn values(archive: &Archive<'_>, name: &str, member: &str) -> Result<Vec<u8>, Error> {
    let mut archive = archive.clone();
    let mut file = open(&mut archive, name, member)?;
    let promised = file.size();
    let (header, start) = read_header(&mut file, name)?;
    let size = header.data_size(name)?.unwrap_or(0);
    let promised = usize::try_from(promised).unwrap_or(usize::MAX).saturating_sub(start);
    if promised != size {
        return Err(header.wrong_size(name, size, promised));
    }
    let mut values = Vec::new();
    let limit = (size as u64).saturating_add(1);
    file.take(limit)
        .read_to_end(&mut values)
        .map_err(|error| format_error(name, format_args!("{size} bytes of values"), error))?;
    if values.len() != size {
        return Err(header.wrong_size(name, size, values.len()));
    }
    Ok(values)
}

/// Returns an uncompressed npz file of f32 arrays, as `numpy.savez` writes it.
///
/// ```
/// use wgpu_rnn::{io, ndarray::array};
///
/// let values = array![1.0f32, 2.0].into_dyn();
/// let file = io::to_npz([("output", values.view()), ("h_n", values.view())])?;
/// let tensors = io::Tensors::from_npz(&file)?;
/// assert_eq!(tensors.shapes().map(|(name, _)| name).collect::<Vec<_>>(), ["h_n", "output"]);
/// assert_eq!(tensors.f32("output")?, values);
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
///
/// # Errors
///
/// [`ErrorKind::File`] if two arrays have the same name, or a name is not possible in an archive: it contains
/// a NUL character or has more than 65531 bytes.
pub fn to_npz<'v>(
    tensors: impl IntoIterator<Item = (&'v str, ArrayViewD<'v, f32>)>,
) -> Result<Vec<u8>, Error> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let mut names = BTreeSet::new();
    for (name, values) in tensors {
        let member = member_of(name)?;
        if !names.insert(name) {
            return Err(twice(name));
        }
        let large = values.len() >= ZIP64 / size_of::<f32>();
        // The date is fixed, so that the same arrays give the same file.
        let options = FileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default())
            .large_file(large);
        let error = |error: &dyn std::fmt::Display| format_error(name, "an array that npz can hold", error);
        writer.start_file(member, options).map_err(|e| error(&e))?;
        npy::write(&mut writer, &values).map_err(|e| error(&e))?;
        writer.flush().map_err(|e| error(&e))?;
    }
    let file = writer.finish().map_err(|error| format_error("npz", "arrays that npz can hold", error))?;
    Ok(file.into_inner())
}
