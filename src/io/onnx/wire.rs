//! The fields of a protobuf message, borrowed from the file's bytes.

use std::borrow::Cow;

use buffa::DecodeError;
use buffa::encoding::{Tag, WireType, check_wire_type, decode_varint, skip_field};
use buffa::types::{borrow_bytes, borrow_str, decode_int64};

/// Why a message could not be read.
#[derive(Debug)]
pub(super) enum Broken {
    Wire(DecodeError),
    /// There is not enough memory for what the message has.
    Memory,
}

impl From<DecodeError> for Broken {
    fn from(error: DecodeError) -> Self {
        Broken::Wire(error)
    }
}

pub(super) type Result<T> = std::result::Result<T, Broken>;

/// Appends an element.
pub(super) fn push<T>(values: &mut Vec<T>, value: T) -> Result<()> {
    values.try_reserve(1).map_err(|_| Broken::Memory)?;
    values.push(value);
    Ok(())
}

/// One field of a message: its tag, and the rest of the message after it.
pub(super) struct Field<'a> {
    tag: Tag,
    rest: &'a [u8],
}

/// Passes each field of a message to `take`, which reads or skips it.
pub(super) fn each_field<'a>(
    mut message: &'a [u8],
    mut take: impl FnMut(u32, &mut Field<'a>) -> Result<()>,
) -> Result<()> {
    while !message.is_empty() {
        let tag = Tag::decode(&mut message)?;
        let mut field = Field { tag, rest: message };
        take(tag.field_number(), &mut field)?;
        message = field.rest;
    }
    Ok(())
}

impl<'a> Field<'a> {
    pub(super) fn skip(&mut self) -> Result<()> {
        Ok(skip_field(self.tag, &mut self.rest)?)
    }

    /// Reads a `string`.
    pub(super) fn text(&mut self) -> Result<&'a str> {
        check_wire_type(self.tag, WireType::LengthDelimited)?;
        Ok(borrow_str(&mut self.rest)?)
    }

    /// Reads a `bytes`, or an embedded message.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8]> {
        check_wire_type(self.tag, WireType::LengthDelimited)?;
        Ok(borrow_bytes(&mut self.rest)?)
    }

    /// Reads an `int32`, an `int64` or an `enum`.
    pub(super) fn int(&mut self) -> Result<i64> {
        check_wire_type(self.tag, WireType::Varint)?;
        Ok(decode_int64(&mut self.rest)?)
    }

    /// Reads a `float`.
    pub(super) fn float(&mut self) -> Result<f32> {
        let mut values = Cow::Borrowed(&[][..]);
        check_wire_type(self.tag, WireType::Fixed32)?;
        self.fixed::<4>(&mut values)?;
        Ok(values.first_chunk().map_or(0.0, |bytes| f32::from_le_bytes(*bytes)))
    }

    /// Reads one `int32` or `int64` of a repeated field, or all of them if they are packed.
    pub(super) fn ints(&mut self, values: &mut Vec<i64>) -> Result<()> {
        if self.tag.wire_type() != WireType::LengthDelimited {
            return push(values, self.int()?);
        }
        let mut packed = borrow_bytes(&mut self.rest)?;
        // The last byte of a varint has no flag that another one follows.
        let count = packed.iter().filter(|&&byte| byte < 0x80).count();
        values.try_reserve(count).map_err(|_| Broken::Memory)?;
        while !packed.is_empty() {
            // A varint holds an i64 in two's complement.
            values.push(decode_varint(&mut packed)?.cast_signed());
        }
        Ok(())
    }

    /// Reads one `float` or `double` of a repeated field, or all of them if they are packed, as
    /// little-endian bytes.
    pub(super) fn fixed<const BYTES: usize>(&mut self, values: &mut Cow<'a, [u8]>) -> Result<()> {
        let found = match self.tag.wire_type() {
            WireType::LengthDelimited => borrow_bytes(&mut self.rest)?,
            _ => {
                let wire_type = if BYTES == 4 { WireType::Fixed32 } else { WireType::Fixed64 };
                check_wire_type(self.tag, wire_type)?;
                let (value, rest) = self.rest.split_at_checked(BYTES).ok_or(DecodeError::UnexpectedEof)?;
                self.rest = rest;
                value
            }
        };
        if values.is_empty() {
            *values = Cow::Borrowed(found);
            return Ok(());
        }
        let mut all = match std::mem::take(values) {
            Cow::Owned(all) => all,
            Cow::Borrowed(first) => {
                let mut all = Vec::new();
                all.try_reserve(first.len() + found.len()).map_err(|_| Broken::Memory)?;
                all.extend_from_slice(first);
                all
            }
        };
        all.try_reserve(found.len()).map_err(|_| Broken::Memory)?;
        all.extend_from_slice(found);
        *values = Cow::Owned(all);
        Ok(())
    }
}
