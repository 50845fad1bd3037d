//! The fields of a protobuf message, borrowed from the file's bytes.

use std::borrow::Cow;

use buffa::DecodeError;
use buffa::encoding::{Tag, WireType, check_wire_type, decode_varint, skip_field};
use buffa::types::{borrow_bytes, borrow_str, decode_int64};

pub(super) type Result<T> = std::result::Result<T, DecodeError>;

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
        skip_field(self.tag, &mut self.rest)
    }

    /// Reads a `string`.
    pub(super) fn text(&mut self) -> Result<&'a str> {
        check_wire_type(self.tag, WireType::LengthDelimited)?;
        borrow_str(&mut self.rest)
    }

    /// Reads a `bytes`, or an embedded message.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8]> {
        check_wire_type(self.tag, WireType::LengthDelimited)?;
        borrow_bytes(&mut self.rest)
    }

    /// Reads an `int32`, an `int64` or an `enum`.
    pub(super) fn int(&mut self) -> Result<i64> {
        check_wire_type(self.tag, WireType::Varint)?;
        decode_int64(&mut self.rest)
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
            values.push(self.int()?);
            return Ok(());
        }
        let mut packed = borrow_bytes(&mut self.rest)?;
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
        } else {
            values.to_mut().extend_from_slice(found);
        }
        Ok(())
    }
}
