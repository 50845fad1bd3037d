//! npz: a zip archive of npy files.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::ArrayViewD;
use rawzip::ZipArchiveWriter;
use rawzip::path::{EntryPath, ZipFilePath};

use super::archive;
use super::kind::Kind;
use super::npy::{self, read_header};
use super::{Data, Tensors, format_error, twice};
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::array::reserved;

/// The end of the name of a file in the archive.
const SUFFIX: &str = ".npy";
/// The largest length of a member's name in bytes.
const LONGEST_NAME: usize = u16::MAX as usize;
/// The bytes that an archive takes at most for an array besides its values and twice its name.
const OVERHEAD: usize = 1024;

impl<'a> Tensors<'a> {
    /// Reads the arrays of an npz file. Values are unpacked on request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] if the bytes are not an npz file, one of its arrays is not an npy file, or two have the
    /// same name.
    pub(super) fn npz(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut entries = BTreeMap::new();
        let members = archive::members(bytes, "npz")?;
        let is_empty = members.is_empty();
        for (path, member) in members {
            let Some(name) = array_of(&path) else { continue };
            let (header, start) = read_header(member.reader(bytes), name)?;
            if let Some(size) = header.data_size() {
                let found = member.size.saturating_sub(start);
                if size != found {
                    return Err(header.wrong_size(name, size, found));
                }
            }
            let data = Data::Member { member: Box::new(member), start };
            // NumPy ends a path at its first NUL character, so other paths can have the same name.
            if entries.insert(name.to_owned(), header.entry(data)).is_some() {
                return Err(twice(name));
            }
        }
        match entries.is_empty() && !is_empty {
            true => Err(format_error("npz", "npy files", Kind::Zip)),
            false => Ok(Tensors::new(bytes, entries)),
        }
    }
}

/// Returns the name of the array in a file of the archive, as NumPy does: without the suffix, and without what follows
/// a NUL character. Returns none for another file.
fn array_of(path: &str) -> Option<&str> {
    path.split('\0').next()?.strip_suffix(SUFFIX)
}

/// Returns the name of the archive's file that is read as an array of that name.
fn member_of(name: &str) -> Result<String, Error> {
    let member = format!("{name}{SUFFIX}");
    if member.len() > LONGEST_NAME {
        let expected = format_args!("a name of at most {LONGEST_NAME} bytes with its suffix").to_string();
        return Err(format_error(name, expected, format_args!("{} bytes", member.len())));
    }
    match array_of(&member) == Some(name) {
        true if is_kept(&member) => Ok(member),
        true => {
            Err(format_error(name, "a name in ASCII or one that is no path to another folder", "another"))
        }
        false => Err(format_error(name, "a name without a NUL character", "one")),
    }
}

/// Returns whether the archive's writer keeps a path. It changes the paths that need its flag for UTF-8.
fn is_kept(member: &str) -> bool {
    member.is_ascii() || ZipFilePath::from_str(member).as_str() == member
}

/// Returns an uncompressed npz file of f32 arrays, as `numpy.savez` writes it.
///
/// ```
/// use wgpu_rnn::{io, ndarray::array};
///
/// let values = array![1.0f32, 2.0].into_dyn();
/// let file = io::to_npz([("output", values.view()), ("h_n", values.view())])?;
/// let tensors = io::Tensors::from_bytes(&file)?;
/// assert_eq!(tensors.shapes().map(|(name, _)| name).collect::<Vec<_>>(), ["h_n", "output"]);
/// assert_eq!(tensors.f32("output")?, values);
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
///
/// # Errors
///
/// [`ErrorKind::File`] if two arrays have the same name, or a name is not possible in an archive: it contains
/// a NUL character, has more than 65531 bytes, or is not ASCII and a path such as `../é`;
/// [`ErrorKind::OutOfMemory`].
pub fn to_npz<'v>(
    tensors: impl IntoIterator<Item = (&'v str, ArrayViewD<'v, f32>)>,
) -> Result<Vec<u8>, Error> {
    let tensors: Vec<_> = tensors.into_iter().collect();
    let size = |(name, values): &(&str, ArrayViewD<'_, f32>)| {
        values.len().saturating_mul(size_of::<f32>()).saturating_add(2 * name.len() + OVERHEAD)
    };
    let all = tensors.iter().map(size).fold(OVERHEAD, usize::saturating_add);
    let mut writer = ZipArchiveWriter::new(reserved("npz", all)?);
    let mut names = BTreeSet::new();
    for (name, values) in tensors {
        let member = member_of(name)?;
        if !names.insert(name) {
            return Err(twice(name));
        }
        let error = |error: &dyn std::fmt::Display| format_error(name, "an array that npz can hold", error);
        let (mut file, config) = writer.new_file(path_of(&member)).start().map_err(|e| error(&e))?;
        let mut data = config.wrap(&mut file);
        npy::write(&mut data, &values).map_err(|e| error(&e))?;
        let (_, end) = data.finish().map_err(|e| error(&e))?;
        file.finish(end).map_err(|e| error(&e))?;
    }
    writer.finish().map_err(|error| format_error("npz", "arrays that npz can hold", error))
}

/// Returns a path that is written as it is.
fn path_of(member: &str) -> EntryPath<'_> {
    match member.is_ascii() {
        true => EntryPath::verbatim(member.as_bytes()),
        false => EntryPath::conformant(member),
    }
}
