//! safetensors: a length, a JSON header, and the values, all little-endian.

use std::collections::BTreeMap;

use ndarray::ArrayViewD;
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo};

use super::{Data, Element, Entry, Tensors, format_error, twice};
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::array::{probe, reserved};

/// The number of bytes before the header, which hold its length.
const PREFIX: usize = 8;
/// The longest header that readers accept, in bytes.
const LONGEST_HEADER: usize = 100_000_000;
/// The bytes that the parsed header takes for each of its bytes.
const OF_HEADER: usize = 64;
/// The key of the metadata in the header, where tensors have their name.
const METADATA: &str = "__metadata__";

impl<'a> Tensors<'a> {
    /// Reads the tensors of a safetensors file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] if the bytes are not one complete safetensors file.
    pub(super) fn safetensors(bytes: &'a [u8]) -> Result<Self, Error> {
        let broken = |found: String| format_error("safetensors", "a complete safetensors file", found);
        check_numbers(bytes)?;
        // The crate aborts if there is not enough memory for the header.
        probe("a safetensors header", header_length(bytes).min(bytes.len()).saturating_mul(OF_HEADER))?;
        let (header, metadata) =
            SafeTensors::read_metadata(bytes).map_err(|error| broken(error.to_string()))?;
        let start = PREFIX + header;
        let mut entries = BTreeMap::new();
        for (name, info) in metadata.tensors() {
            let element = element(info.dtype);
            let dtype =
                element.map_or_else(|| info.dtype.to_string().to_lowercase(), |e| e.name().to_owned());
            let (from, to) = info.data_offsets;
            let data = Data::Bytes(start + from..start + to);
            let shape = info.shape.clone();
            let entry =
                Entry { shape, dtype, element, big_endian: false, fortran: false, strides: None, data };
            entries.insert(name, entry);
        }
        let mut tensors = Tensors::new(bytes, entries);
        tensors.metadata =
            metadata.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        Ok(tensors)
    }
}

fn element(dtype: Dtype) -> Option<Element> {
    match dtype {
        Dtype::F16 => Some(Element::F16),
        Dtype::BF16 => Some(Element::Bf16),
        Dtype::F32 => Some(Element::F32),
        Dtype::F64 => Some(Element::F64),
        Dtype::I8 => Some(Element::I8),
        Dtype::I16 => Some(Element::I16),
        Dtype::I32 => Some(Element::I32),
        Dtype::I64 => Some(Element::I64),
        Dtype::BOOL => Some(Element::Bool),
        Dtype::U8 => Some(Element::U8),
        Dtype::U16 => Some(Element::U16),
        Dtype::U32 => Some(Element::U32),
        Dtype::U64 => Some(Element::U64),
        _ => None,
    }
}

/// Returns the length that a file states for its header.
fn header_length(bytes: &[u8]) -> usize {
    let length = bytes.first_chunk::<PREFIX>().map_or(0, |length| u64::from_le_bytes(*length));
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// The smallest size that the reader rejects. Only a tensor without elements can have it.
const TOO_LONG: u64 = 10u64.pow(18);

/// Rejects numbers of 19 digits, whose sums overflow in `read_metadata`.
fn check_numbers(bytes: &[u8]) -> Result<(), Error> {
    let (length, rest) = (header_length(bytes), bytes.get(PREFIX..).unwrap_or_default());
    let (mut in_string, mut escaped, mut digits) = (false, false, 0);
    for &byte in rest.iter().take(length) {
        digits = if !in_string && byte.is_ascii_digit() { digits + 1 } else { 0 };
        if digits > 18 {
            return Err(format_error("safetensors header", "sizes below 10^18", "a larger one"));
        }
        in_string ^= byte == b'"' && !escaped;
        escaped = in_string && byte == b'\\' && !escaped;
    }
    Ok(())
}

/// Returns a safetensors file of f32 tensors.
///
/// ```
/// use wgpu_rnn::{io, ndarray::array};
///
/// let values = array![[1.0f32, 2.0], [3.0, 4.0]].into_dyn();
/// let file = io::to_safetensors([("output", values.view())])?;
/// let tensors = io::Tensors::from_bytes(&file)?;
/// assert_eq!(tensors.f32("output")?, values);
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
///
/// # Errors
///
/// [`ErrorKind::File`] if two tensors have the same name, a tensor has the name that the format reserves for
/// metadata (`__metadata__`), a size is 10^18 or more, or the header would be too long for the format (100 MB);
/// [`ErrorKind::OutOfMemory`].
pub fn to_safetensors<'v>(
    tensors: impl IntoIterator<Item = (&'v str, ArrayViewD<'v, f32>)>,
) -> Result<Vec<u8>, Error> {
    with_metadata(tensors, &[])
}

/// Like [`to_safetensors`], with metadata at the start of the header. The safetensors crate would write it in
/// the random order of a hash map, and the whole file into memory that it takes without asking.
///
/// Keys and values must need no escapes in JSON.
pub(super) fn with_metadata<'v>(
    tensors: impl IntoIterator<Item = (&'v str, ArrayViewD<'v, f32>)>,
    metadata: &[(&str, String)],
) -> Result<Vec<u8>, Error> {
    let mut named = BTreeMap::new();
    for (name, values) in tensors {
        if name == METADATA {
            return Err(format_error(name, "another name", "the one of a header's metadata"));
        }
        if named.insert(name, values).is_some() {
            return Err(twice(name));
        }
    }
    let (header, values) = header(&named, metadata)?;
    let mut file = reserved("safetensors", PREFIX.saturating_add(header.len()).saturating_add(values))?;
    file.extend_from_slice(&(header.len() as u64).to_le_bytes());
    file.extend_from_slice(header.as_bytes());
    for value in named.values().flatten() {
        file.extend_from_slice(&value.to_le_bytes());
    }
    Ok(file)
}

/// Returns the header, padded to whole words, and the number of bytes of the values.
fn header(
    named: &BTreeMap<&str, ArrayViewD<'_, f32>>,
    metadata: &[(&str, String)],
) -> Result<(String, usize), Error> {
    let refused = |found: String| format_error("safetensors", "tensors that the format can hold", found);
    let mut end = 0usize;
    let mut infos = Vec::new();
    for (name, values) in named {
        let start = end;
        end = values
            .len()
            .checked_mul(size_of::<f32>())
            .and_then(|size| size.checked_add(end))
            .ok_or_else(|| refused("more bytes than can be counted".into()))?;
        if values.shape().iter().any(|&size| size as u64 >= TOO_LONG) {
            return Err(refused(format!("a size of 10^18 or more in {name:?}")));
        }
        let (dtype, shape) = (Dtype::F32, values.shape().to_vec());
        infos.push(((*name).to_owned(), TensorInfo { dtype, shape, data_offsets: (start, end) }));
    }
    let infos = Metadata::new(None, infos).map_err(|error| refused(error.to_string()))?;
    let mut text = serde_json::to_string(&infos).map_err(|error| refused(error.to_string()))?;
    if !metadata.is_empty() {
        let entries: Vec<String> =
            metadata.iter().map(|(key, value)| format!("\"{key}\":\"{value}\"")).collect();
        let comma = if named.is_empty() { "" } else { "," };
        text.insert_str(1, &format!("\"{METADATA}\":{{{}}}{comma}", entries.join(",")));
    }
    while !text.len().is_multiple_of(PREFIX) {
        text.push(' ');
    }
    match text.len() <= LONGEST_HEADER {
        true => Ok((text, end)),
        false => Err(refused(format!("a header of {} bytes", text.len()))),
    }
}
