//! Files that `torch.save` and `torch.jit.save` write: a pickle that names storages, and the storages' bytes.
//! Since PyTorch 1.6 they are files of a zip archive, before that they followed each other.
//!
//! A pickle is a program for Python's pickle machine, which may call any function. Here it is data: a small
//! machine knows the opcodes that PyTorch writes and turns the names of a few callables into plain values, and
//! every other opcode or callable is an error. (The crates for pickles were looked at: `serde-pickle` has no
//! persistent ids, without which there are no tensors; the one inside `candle-core` needs all of it;
//! `repugnant-pickle` rests since 2023.)

mod callable;
mod names;
mod pickle;
mod value;

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Data, Entry, Tensors, archive, format_error, view};
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use value::{Storage, Tensor, Value, Values};

/// The first pickle of a file of PyTorch before 1.6: a number by which it is known.
const MAGIC: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";

impl<'a> Tensors<'a> {
    /// Reads the tensors of a file that `torch.save` or `torch.jit.save` wrote.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] if the bytes are no such file, if the pickle has an opcode or a callable that is not
    /// known, or if a tensor's storage is not in the file.
    pub(super) fn pytorch(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut file = match bytes.starts_with(MAGIC) {
            true => Contents::legacy(bytes)?,
            false => Contents::archive(bytes)?,
        };
        let mut entries = BTreeMap::new();
        for (name, tensor) in names::tensors(&mut file.values, file.root)? {
            if let Some(tensor) = file.values.tensors.get(tensor) {
                let entry = file.entry(&name, tensor)?;
                entries.insert(name, entry);
            }
        }
        Ok(Tensors::new(bytes, entries))
    }
}

/// What a file's pickle has made, and where its storages are.
struct Contents<'a> {
    values: Values<'a>,
    root: Value<'a>,
    storages: BTreeMap<&'a [u8], Range<usize>>,
    big_endian: bool,
}

impl<'a> Contents<'a> {
    /// Reads an archive of PyTorch 1.6 or later.
    fn archive(bytes: &'a [u8]) -> Result<Self, Error> {
        let members = archive::members(bytes, "PyTorch file")?;
        let is_pickle = |name: &&String| *name == "data.pkl" || name.ends_with("/data.pkl");
        let name = members.keys().filter(is_pickle).min_by_key(|name| name.matches('/').count());
        let name = name.ok_or_else(|| {
            let found = members.keys().take(4).cloned().collect::<Vec<_>>().join(", ");
            format_error("PyTorch file", "an archive with data.pkl", format_args!("one with {found}"))
        })?;
        let root = name.strip_suffix("data.pkl").unwrap_or_default();
        let range_of = |name: &str| match members.get(name) {
            Some(member) if member.deflated => {
                Err(format_error(name, "a file that is stored as PyTorch does", "a deflated one"))
            }
            member => Ok(member.map(|member| member.range.clone())),
        };
        let pickle = range_of(name)?.and_then(|range| bytes.get(range)).unwrap_or_default();
        let mut values = Values::default();
        let (value, _) = pickle::read(pickle, &mut values)?;
        let mut storages = BTreeMap::new();
        for storage in &values.storages {
            let member = format!("{root}data/{}", String::from_utf8_lossy(storage.key));
            if let Some(range) = range_of(&member)? {
                storages.insert(storage.key, range);
            }
        }
        let order = range_of(&format!("{root}byteorder"))?.and_then(|range| bytes.get(range));
        Ok(Contents { values, root: value, storages, big_endian: order == Some(b"big") })
    }

    /// Reads a file of PyTorch before 1.6: pickles, and then each storage behind the number of its elements.
    fn legacy(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut values = Values::default();
        let rest = bytes.get(MAGIC.len()..).unwrap_or_default();
        let (_version, rest) = pickle::read(rest, &mut values)?;
        let (_machine, rest) = pickle::read(rest, &mut values)?;
        let (root, rest) = pickle::read(rest, &mut values)?;
        let (keys, mut rest) = pickle::read(rest, &mut values)?;
        let types: BTreeMap<&[u8], &[u8]> =
            values.storages.iter().map(|storage| (storage.key, storage.dtype)).collect();
        let mut storages = BTreeMap::new();
        for item in values.sequence(keys) {
            let Value::Text(key) = item.value else { continue };
            let name = String::from_utf8_lossy(key);
            let broken = |expected: &str| format_error(&format!("storage {name}"), expected, "fewer");
            let (count, data) =
                rest.split_first_chunk::<8>().ok_or_else(|| broken("the number of its elements"))?;
            let size = types.get(key).map(|dtype| element_bytes(dtype));
            let size = size.flatten().ok_or_else(|| {
                let found = types.get(key).map_or("none".into(), |dtype| String::from_utf8_lossy(dtype));
                format_error(&format!("storage {name}"), "a type of PyTorch's storages", found)
            })?;
            let length =
                usize::try_from(u64::from_le_bytes(*count)).ok().and_then(|count| count.checked_mul(size));
            let (data, after) = length
                .and_then(|length| data.split_at_checked(length))
                .ok_or_else(|| broken("the values of all elements"))?;
            let start = bytes.len() - after.len() - data.len();
            storages.insert(key, start..start + data.len());
            rest = after;
        }
        Ok(Contents { values, root, storages, big_endian: false })
    }

    /// Returns the header of a tensor, whose storage is known to have its values.
    fn entry(&self, name: &str, tensor: &Tensor) -> Result<Entry, Error> {
        let storage = tensor.storage.and_then(|place| self.values.storages.get(place));
        let dtype = tensor.dtype.as_deref().map(str::as_bytes).or(storage.map(|storage| storage.dtype));
        let dtype = dtype.unwrap_or_default();
        let element = storage.and_then(|_| value::element(dtype));
        let (data, strides) = match (storage, element) {
            (Some(storage), Some(element)) => self.located(name, tensor, storage, element.bytes())?,
            _ => (0..0, None),
        };
        Ok(Entry {
            shape: tensor.shape.clone(),
            dtype: element.map_or_else(|| type_name(dtype), |element| element.name().to_owned()),
            element,
            big_endian: self.big_endian,
            fortran: false,
            strides,
            data: Data::Bytes(data),
        })
    }

    /// Returns the bytes in which a tensor's elements are, and its strides if they are not row-major.
    fn located(
        &self,
        name: &str,
        tensor: &Tensor,
        storage: &Storage<'_>,
        size: usize,
    ) -> Result<(Range<usize>, Option<Vec<usize>>), Error> {
        let range = self.storages.get(storage.key).ok_or_else(|| {
            let key = String::from_utf8_lossy(storage.key);
            format_error(name, format_args!("its storage {key:?} in the file"), "none")
        })?;
        let Tensor { shape, strides, .. } = tensor;
        let elements = range.len() / size;
        let outside = || {
            let expected = format_args!("a view into its storage of {elements} elements").to_string();
            let found =
                format_args!("shape {shape:?}, strides {strides:?}, offset {}", tensor.offset).to_string();
            format_error(name, expected, found)
        };
        let (count, last) = view::extent(shape, strides).ok_or_else(outside)?;
        if count == 0 {
            return Ok((range.start..range.start, None));
        }
        let first = storage.offset.checked_add(tensor.offset).ok_or_else(outside)?;
        let end = first.checked_add(last).ok_or_else(outside)?;
        // A view may repeat elements, but a few bytes must not stand for an array of any size.
        if end >= elements || count > elements {
            return Err(outside());
        }
        let data = range.start + first * size..range.start + (end + 1) * size;
        Ok((data, (!view::is_contiguous(shape, strides)).then(|| strides.clone())))
    }
}

/// Returns the bytes of one element in a storage of that type, also of a type that cannot be read.
fn element_bytes(dtype: &[u8]) -> Option<usize> {
    match dtype {
        b"QInt8Storage" | b"QUInt8Storage" => Some(1),
        b"QInt32Storage" => Some(4),
        b"ComplexFloatStorage" => Some(8),
        b"ComplexDoubleStorage" => Some(16),
        _ => value::element(dtype).map(super::Element::bytes),
    }
}

/// Returns the name of a type that cannot be read, such as `qint8` for `QInt8Storage`.
fn type_name(dtype: &[u8]) -> String {
    let name = String::from_utf8_lossy(dtype);
    name.strip_suffix("Storage").unwrap_or(&name).to_lowercase()
}
