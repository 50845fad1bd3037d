//! `TensorProto`.

use std::borrow::Cow;
use std::sync::OnceLock;

use crate::io::onnx::wire::{Result, each_field};

/// `TensorProto`.
#[derive(Debug, Default)]
pub(in crate::io::onnx) struct Tensor<'a> {
    pub(in crate::io::onnx) name: &'a str,
    pub(in crate::io::onnx) dims: Vec<i64>,
    pub(in crate::io::onnx) data_type: i64,
    pub(in crate::io::onnx) raw: Option<&'a [u8]>,
    /// Little-endian.
    pub(in crate::io::onnx) floats: Cow<'a, [u8]>,
    /// Little-endian.
    pub(in crate::io::onnx) doubles: Cow<'a, [u8]>,
    pub(in crate::io::onnx) int32s: Vec<i64>,
    /// The values of `int64_data`, and the bits of those of `uint64_data`.
    pub(in crate::io::onnx) int64s: Vec<i64>,
    /// The place of the values, if they are in another file.
    pub(in crate::io::onnx) external: Option<External<'a>>,
    /// Whether this is a part of a larger tensor.
    pub(in crate::io::onnx) segment: bool,
    /// Whether every value is zero; computed on the first request.
    pub(in crate::io::onnx) zero: OnceLock<bool>,
}

/// The entries of `external_data`, as text.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::io::onnx) struct External<'a> {
    pub(in crate::io::onnx) location: &'a str,
    pub(in crate::io::onnx) offset: Option<&'a str>,
    pub(in crate::io::onnx) length: Option<&'a str>,
}

impl<'a> Tensor<'a> {
    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self> {
        const EXTERNAL: i64 = 1;
        let mut tensor = Tensor::default();
        each_field(bytes, |number, field| {
            match number {
                1 => field.ints(&mut tensor.dims)?,
                2 => tensor.data_type = field.int()?,
                3 => {
                    tensor.segment = true;
                    field.skip()?;
                }
                4 => field.fixed::<4>(&mut tensor.floats)?,
                5 => field.ints(&mut tensor.int32s)?,
                7 | 11 => field.ints(&mut tensor.int64s)?,
                8 => tensor.name = field.text()?,
                9 => tensor.raw = Some(field.bytes()?),
                10 => field.fixed::<8>(&mut tensor.doubles)?,
                13 => tensor.external.get_or_insert_default().add(entry(field.bytes()?)?),
                14 if field.int()? == EXTERNAL => _ = tensor.external.get_or_insert_default(),
                14 => {}
                _ => field.skip()?,
            }
            Ok(())
        })?;
        Ok(tensor)
    }
}

impl<'a> External<'a> {
    fn add(&mut self, (key, value): (&'a str, &'a str)) {
        match key {
            "location" => self.location = value,
            "offset" => self.offset = Some(value),
            "length" => self.length = Some(value),
            // A checksum, which no exporter writes.
            _ => {}
        }
    }
}

/// `StringStringEntryProto`.
fn entry(bytes: &[u8]) -> Result<(&str, &str)> {
    let (mut key, mut value) = ("", "");
    each_field(bytes, |number, field| {
        match number {
            1 => key = field.text()?,
            2 => value = field.text()?,
            _ => field.skip()?,
        }
        Ok(())
    })?;
    Ok((key, value))
}
