//! The element types of files, and the conversion of their values.

use half::{bf16, f16};

use crate::Error;
use crate::array::reserved;

/// The element types that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "safetensors"), allow(dead_code, reason = "npy has no bf16"))]
pub(super) enum Element {
    F16,
    Bf16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    /// A byte that is zero or one.
    Bool,
}

impl Element {
    /// Returns the type's name, as in Rust.
    pub(super) fn name(self) -> &'static str {
        match self {
            Element::F16 => "f16",
            Element::Bf16 => "bf16",
            Element::F32 => "f32",
            Element::F64 => "f64",
            Element::I8 => "i8",
            Element::I16 => "i16",
            Element::I32 => "i32",
            Element::I64 => "i64",
            Element::U8 => "u8",
            Element::U16 => "u16",
            Element::U32 => "u32",
            Element::U64 => "u64",
            Element::Bool => "bool",
        }
    }

    /// Returns the number of bytes of one value.
    pub(super) fn bytes(self) -> usize {
        match self {
            Element::I8 | Element::U8 | Element::Bool => 1,
            Element::F16 | Element::Bf16 | Element::I16 | Element::U16 => 2,
            Element::F32 | Element::I32 | Element::U32 => 4,
            Element::F64 | Element::I64 | Element::U64 => 8,
        }
    }

    /// Converts floating-point values to f32, with rounding; `None` for another type.
    #[allow(clippy::cast_possible_truncation, reason = "rounding to f32 is the point")]
    pub(super) fn to_f32(self, bytes: &[u8], big_endian: bool) -> Option<Result<Vec<f32>, Error>> {
        match self {
            Element::F16 => Some(decode(bytes, big_endian, |b| f16::from_le_bytes(b).to_f32())),
            Element::Bf16 => Some(decode(bytes, big_endian, |b| bf16::from_le_bytes(b).to_f32())),
            Element::F32 => Some(decode(bytes, big_endian, f32::from_le_bytes)),
            Element::F64 => Some(decode(bytes, big_endian, |b| f64::from_le_bytes(b) as f32)),
            _ => None,
        }
    }

    /// Converts floating-point values to f64; `None` for another type.
    pub(super) fn to_f64(self, bytes: &[u8], big_endian: bool) -> Option<Result<Vec<f64>, Error>> {
        match self {
            Element::F16 => Some(decode(bytes, big_endian, |b| f16::from_le_bytes(b).to_f64())),
            Element::Bf16 => Some(decode(bytes, big_endian, |b| bf16::from_le_bytes(b).to_f64())),
            Element::F32 => Some(decode(bytes, big_endian, |b| f32::from_le_bytes(b).into())),
            Element::F64 => Some(decode(bytes, big_endian, f64::from_le_bytes)),
            _ => None,
        }
    }

    /// Converts integers, or true and false as one and zero, to i64; `None` for another type.
    pub(super) fn to_i64(self, bytes: &[u8], big_endian: bool) -> Option<Result<Vec<i64>, Error>> {
        match self {
            Element::I8 => Some(decode(bytes, big_endian, |b| i8::from_le_bytes(b).into())),
            Element::I16 => Some(decode(bytes, big_endian, |b| i16::from_le_bytes(b).into())),
            Element::I32 => Some(decode(bytes, big_endian, |b| i32::from_le_bytes(b).into())),
            Element::I64 => Some(decode(bytes, big_endian, i64::from_le_bytes)),
            Element::U8 => Some(decode(bytes, big_endian, |b| u8::from_le_bytes(b).into())),
            Element::U16 => Some(decode(bytes, big_endian, |b| u16::from_le_bytes(b).into())),
            Element::U32 => Some(decode(bytes, big_endian, |b| u32::from_le_bytes(b).into())),
            Element::U64 => {
                let saturated = |b| i64::try_from(u64::from_le_bytes(b)).unwrap_or(i64::MAX);
                Some(decode(bytes, big_endian, saturated))
            }
            Element::Bool => Some(decode(bytes, big_endian, |[byte]| i64::from(byte != 0))),
            Element::F16 | Element::Bf16 | Element::F32 | Element::F64 => None,
        }
    }
}

/// Converts values.
///
/// # Errors
///
/// [`ErrorKind::OutOfMemory`](crate::ErrorKind::OutOfMemory) if there is not enough memory for them.
fn decode<const BYTES: usize, T>(
    bytes: &[u8],
    big_endian: bool,
    from_le_bytes: impl Fn([u8; BYTES]) -> T,
) -> Result<Vec<T>, Error> {
    let (elements, _) = bytes.as_chunks::<BYTES>();
    let swapped = |mut element: [u8; BYTES]| {
        element.reverse();
        element
    };
    let mut values = reserved("the values of a tensor", elements.len())?;
    match big_endian {
        false => values.extend(elements.iter().map(|&element| from_le_bytes(element))),
        true => values.extend(elements.iter().map(|&element| from_le_bytes(swapped(element)))),
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn every_type_in_both_byte_orders() {
        let floats: [(Element, Vec<u8>, Vec<u8>); 4] = [
            (
                Element::F16,
                f16::from_f32(-1.5).to_le_bytes().into(),
                f16::from_f32(-1.5).to_be_bytes().into(),
            ),
            (
                Element::Bf16,
                bf16::from_f32(-1.5).to_le_bytes().into(),
                bf16::from_f32(-1.5).to_be_bytes().into(),
            ),
            (Element::F32, (-1.5f32).to_le_bytes().into(), (-1.5f32).to_be_bytes().into()),
            (Element::F64, (-1.5f64).to_le_bytes().into(), (-1.5f64).to_be_bytes().into()),
        ];
        for (element, little, big) in floats {
            for (bytes, big_endian) in [(&little, false), (&big, true)] {
                assert_eq!(
                    element.to_f32(bytes, big_endian).map(Result::unwrap),
                    Some(vec![-1.5]),
                    "{element:?}"
                );
                assert_eq!(
                    element.to_f64(bytes, big_endian).map(Result::unwrap),
                    Some(vec![-1.5]),
                    "{element:?}"
                );
                assert_eq!(element.to_i64(bytes, big_endian).map(Result::unwrap), None, "{element:?}");
            }
        }
        macro_rules! integers {
            ($($element:ident $type:ty: $value:expr),*) => {$(
                let value: $type = $value;
                for (bytes, big_endian) in [(value.to_le_bytes(), false), (value.to_be_bytes(), true)] {
                    let found = Element::$element.to_i64(&bytes, big_endian).map(Result::unwrap);
                    assert_eq!(found, Some(vec![i64::try_from(value).unwrap()]));
                    assert!(Element::$element.to_f32(&bytes, big_endian).is_none());
                }
            )*};
        }
        integers!(I8 i8: -3, I16 i16: -300, I32 i32: -70_000, I64 i64: i64::MIN);
        integers!(U8 u8: 200, U16 u16: 60_000, U32 u32: 4_000_000_000, U64 u64: 1 << 40);
        assert_eq!(Element::U64.to_i64(&[0xFF; 8], false).map(Result::unwrap), Some(vec![i64::MAX]));
    }

    #[test]
    fn f64_keeps_its_digits_and_f32_overflows_to_infinity() {
        let bytes = [0.1f64.to_le_bytes(), 1e300f64.to_le_bytes()].concat();
        assert_eq!(Element::F64.to_f64(&bytes, false).map(Result::unwrap), Some(vec![0.1, 1e300]));
        assert_eq!(Element::F64.to_f32(&bytes, false).map(Result::unwrap), Some(vec![0.1, f32::INFINITY]));
    }
}
