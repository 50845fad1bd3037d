//! External data: values that a model has in files beside it.

#[cfg(not(target_arch = "wasm32"))]
mod folder;

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Component, Path};

use super::budget::Budget;
use super::proto::External;
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::error::Fault;
use crate::io::format_error;
#[cfg(not(target_arch = "wasm32"))]
pub(super) use folder::Folder;

/// The place of a tensor's values in another file than the model's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// The file, as a path below the model's folder. It is not absolute and has no `..`.
    location: &'a str,
    /// The first byte.
    offset: u64,
    /// The number of bytes.
    length: usize,
}

impl Place<'_> {
    /// Returns the place in a file that memory can hold.
    fn range(&self) -> Option<Range<usize>> {
        let start = usize::try_from(self.offset).ok()?;
        Some(start..start.checked_add(self.length)?)
    }
}

/// A source of external data.
pub(super) trait Files: fmt::Debug + Send + Sync {
    fn read(&self, place: &Place<'_>) -> io::Result<Cow<'_, [u8]>>;
}

/// No source: the model was read from bytes alone.
#[derive(Debug)]
pub(super) struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &Place<'_>) -> io::Result<Cow<'_, [u8]>> {
        let reason =
            "only the model's own bytes (OnnxModel::with_folder and OnnxModel::with_data read external data)";
        Err(io::Error::other(reason))
    }
}

/// The caller's function.
pub(super) struct Callback<'a>(pub(super) Box<Read<'a>>);

/// A function that returns external data.
pub(super) type Read<'a> = dyn Fn(&str, Range<usize>) -> io::Result<Cow<'a, [u8]>> + Send + Sync + 'a;

impl fmt::Debug for Callback<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Callback")
    }
}

impl Files for Callback<'_> {
    fn read(&self, place: &Place<'_>) -> io::Result<Cow<'_, [u8]>> {
        let range = place.range().ok_or_else(|| {
            let Place { offset, length, .. } = place;
            io::Error::other(format!("{length} bytes from byte {offset} on, which no memory can hold"))
        })?;
        let values = (self.0)(place.location, range)?;
        match values.len() == place.length {
            true => Ok(values),
            false => Err(io::Error::other(format!("{} bytes instead of {}", values.len(), place.length))),
        }
    }
}

impl<'a> External<'a> {
    /// Reads the values of a tensor that has that size.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] if the place is wrong or the file cannot be read; [`ErrorKind::TooLarge`] if the budget
    /// has no room for it; [`ErrorKind::OutOfMemory`]. `what` names the tensor.
    pub(super) fn read<'f>(
        &self,
        size: Option<usize>,
        what: &str,
        files: &'f dyn Files,
        budget: &Budget,
    ) -> Result<Cow<'f, [u8]>, Error> {
        let location = self.location(what)?;
        let number = |name: &str, text: &str| {
            let wrong =
                |_| format_error(&format!("{what}: {name}"), "a number of bytes", format_args!("{text:?}"));
            text.parse::<u64>().map_err(wrong)
        };
        let offset = self.offset.map_or(Ok(0), |text| number("offset", text))?;
        let length = size.ok_or_else(|| format_error(what, "a size that memory can hold", "a larger one"))?;
        if let Some(text) = self.length {
            let stated = number("length", text)?;
            if stated != length as u64 {
                let expected = format!("the {length} bytes of its shape");
                return Err(format_error(&format!("{what}: length"), expected, stated));
            }
        }
        budget.read(length, what)?;
        files.read(&Place { location, offset, length }).map_err(|error| {
            if error.kind() == io::ErrorKind::OutOfMemory {
                return Error::from(Fault::OutOfMemory { found: format!("{what}, {length} bytes") });
            }
            let expected = format!("its values in {location:?}, a file beside the model");
            format_error(what, expected, error)
        })
    }

    /// Returns the file's name if it is below the model's folder.
    pub(super) fn location(&self, what: &str) -> Result<&'a str, Error> {
        let is_below = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        let inside = Path::new(self.location).components().all(is_below) && !self.location.is_empty();
        match inside && !self.location.contains('\0') {
            true => Ok(self.location),
            false => {
                let expected = "a file below the model's folder, without .. in its path";
                Err(format_error(&format!("{what}: location"), expected, format_args!("{:?}", self.location)))
            }
        }
    }
}
