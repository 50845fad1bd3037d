//! Arrays of one element type: values of a file, borrowed, or values that were computed from them.

use std::ops::{Deref, Range};
use std::sync::Arc;

use half::{bf16, f16};

use crate::Error;
use crate::array::reserved;
use crate::io::element::Element;

/// A limit above the rank of any array of a model.
pub(super) const MOST_AXES: usize = 16;

/// Bytes of the file, or shared ones. Copying them copies no value.
#[derive(Clone, Debug)]
pub(super) enum Bytes<'t> {
    File(&'t [u8]),
    Shared(Arc<Vec<u8>>, Range<usize>),
}

impl From<Vec<u8>> for Bytes<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        let whole = 0..bytes.len();
        Bytes::Shared(Arc::new(bytes), whole)
    }
}

impl Deref for Bytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::File(bytes) => bytes,
            Bytes::Shared(bytes, range) => bytes.get(range.clone()).unwrap_or_default(),
        }
    }
}

impl<'t> Bytes<'t> {
    /// Returns a part of the bytes without a copy.
    fn part(&self, part: Range<usize>) -> Option<Self> {
        match self {
            Bytes::File(bytes) => bytes.get(part).map(Bytes::File),
            Bytes::Shared(bytes, range) => {
                let part = range.start.checked_add(part.start)?..range.start.checked_add(part.end)?;
                (part.start <= part.end && part.end <= range.end)
                    .then(|| Bytes::Shared(Arc::clone(bytes), part))
            }
        }
    }
}

/// Values in row-major order, in the little-endian bytes of their type; their number matches the shape.
#[derive(Clone, Debug)]
pub(super) struct Array<'t> {
    pub(super) shape: Vec<usize>,
    pub(super) element: Element,
    bytes: Bytes<'t>,
}

impl<'t> Array<'t> {
    /// Returns the array of these bytes. Returns none if their number does not match the shape, or the shape has more
    /// than [`MOST_AXES`] sizes.
    pub(super) fn new(shape: Vec<usize>, element: Element, bytes: impl Into<Bytes<'t>>) -> Option<Self> {
        let bytes = bytes.into();
        let size = shape.iter().try_fold(element.bytes(), |size, &dim| size.checked_mul(dim));
        (size == Some(bytes.len()) && shape.len() <= MOST_AXES).then_some(Array { shape, element, bytes })
    }

    /// Returns a vector of i64.
    pub(super) fn of_i64(values: &[i64]) -> Result<Self, Error> {
        let mut bytes = reserved("integers", values.len().saturating_mul(size_of::<i64>()))?;
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        Ok(Array { shape: vec![values.len()], element: Element::I64, bytes: bytes.into() })
    }

    /// Returns the number of values.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() / self.element.bytes()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the same values in another shape of the same size.
    pub(super) fn with_shape(&self, shape: Vec<usize>) -> Option<Self> {
        Array::new(shape, self.element, self.bytes.clone())
    }

    /// Returns consecutive values, from `start` on, in a shape, without a copy.
    pub(super) fn part(&self, start: usize, shape: Vec<usize>) -> Option<Self> {
        let count = shape.iter().try_fold(1usize, |count, &dim| count.checked_mul(dim))?;
        let size = self.element.bytes();
        let bytes = start.checked_mul(size)?..start.checked_add(count)?.checked_mul(size)?;
        Array::new(shape, self.element, self.bytes.part(bytes)?)
    }

    /// Returns the number of values from one index of an axis to the next.
    pub(super) fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.shape.len()];
        for axis in (1..strides.len()).rev() {
            // An array without values can have any sizes.
            strides[axis - 1] = usize::wrapping_mul(strides[axis], self.shape[axis]);
        }
        strides
    }

    /// Appends the values of a floating-point type at some positions in row-major order, rounded to f32. The caller
    /// reserves their memory. Returns none, and appends nothing, for another type or positions outside of the array.
    #[allow(clippy::cast_possible_truncation, reason = "rounding to f32 is the point")]
    pub(super) fn append_f32(&self, places: &Range<usize>, values: &mut Vec<f32>) -> Option<()> {
        let size = self.element.bytes();
        let bytes = self.bytes.get(places.start.checked_mul(size)?..places.end.checked_mul(size)?)?;
        match self.element {
            Element::F16 => values.extend(elements(bytes).map(|b| f16::from_le_bytes(b).to_f32())),
            Element::Bf16 => values.extend(elements(bytes).map(|b| bf16::from_le_bytes(b).to_f32())),
            Element::F32 => values.extend(elements(bytes).map(f32::from_le_bytes)),
            Element::F64 => values.extend(elements(bytes).map(|b| f64::from_le_bytes(b) as f32)),
            _ => return None,
        }
        Some(())
    }

    /// Returns the values of a floating-point type. There are none for another type.
    pub(super) fn f64s(&self) -> impl Iterator<Item = f64> {
        self.bytes.chunks_exact(self.element.bytes()).map_while(|bytes| self.element.float(bytes))
    }

    /// Returns the values of an integer type or of bool. There are none for another type.
    pub(super) fn i64s(&self) -> impl Iterator<Item = i64> {
        self.bytes.chunks_exact(self.element.bytes()).map_while(|bytes| self.element.integer(bytes))
    }

    /// Returns whether the type is a floating-point type.
    pub(super) fn is_float(&self) -> bool {
        self.element.is_float()
    }

    /// Returns whether every value is zero.
    pub(super) fn is_zero(&self) -> bool {
        match self.is_float() {
            true => self.f64s().all(|value| value == 0.0),
            false => self.bytes.iter().all(|&byte| byte == 0),
        }
    }
}

impl PartialEq for Array<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.element == other.element && self.shape == other.shape && self.bytes() == other.bytes()
    }
}

impl<'t> From<&'t [u8]> for Bytes<'t> {
    fn from(bytes: &'t [u8]) -> Self {
        Bytes::File(bytes)
    }
}

/// Returns the elements in their bytes.
fn elements<const BYTES: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; BYTES]> {
    bytes.as_chunks().0.iter().copied()
}

impl Element {
    /// Returns the floating-point value of these bytes, or none for another type.
    fn float(self, bytes: &[u8]) -> Option<f64> {
        Some(match (self, bytes) {
            (Element::F16, &[a, b]) => f16::from_le_bytes([a, b]).to_f64(),
            (Element::Bf16, &[a, b]) => bf16::from_le_bytes([a, b]).to_f64(),
            (Element::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]).into(),
            (Element::F64, bytes) => f64::from_le_bytes(*bytes.first_chunk()?),
            _ => return None,
        })
    }

    /// Returns the integer of these bytes, or none for another type. One beyond the range of i64 is `i64::MAX`.
    fn integer(self, bytes: &[u8]) -> Option<i64> {
        let mut wide = [0; 8];
        wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
        let unsigned = u64::from_le_bytes(wide);
        // The bits above the value's own are copies of its sign.
        let above = 64 - 8 * u32::try_from(bytes.len()).ok()?;
        Some(match self {
            Element::I8 | Element::I16 | Element::I32 | Element::I64 => {
                unsigned.unbounded_shl(above).cast_signed() >> above
            }
            Element::U8 | Element::U16 | Element::U32 | Element::U64 => {
                i64::try_from(unsigned).unwrap_or(i64::MAX)
            }
            Element::Bool => i64::from(unsigned != 0),
            _ => return None,
        })
    }

    pub(super) fn is_float(self) -> bool {
        matches!(self, Element::F16 | Element::Bf16 | Element::F32 | Element::F64)
    }

    /// Returns the type of ONNX's `TensorProto.DataType`. Types of four bits are none of them.
    pub(super) fn of_onnx(data_type: i64) -> Option<Self> {
        Some(match data_type {
            1 => Element::F32,
            2 => Element::U8,
            3 => Element::I8,
            4 => Element::U16,
            5 => Element::I16,
            6 => Element::I32,
            7 => Element::I64,
            9 => Element::Bool,
            10 => Element::F16,
            11 => Element::F64,
            12 => Element::U32,
            13 => Element::U64,
            16 => Element::Bf16,
            _ => return None,
        })
    }

    /// Appends a value, rounded to a floating-point type or cut off to an integer type.
    #[allow(clippy::cast_possible_truncation, reason = "rounding and cutting off are the point")]
    pub(super) fn push_f64(self, value: f64, bytes: &mut Vec<u8>) {
        match self {
            Element::F16 => bytes.extend(f16::from_f64(value).to_le_bytes()),
            Element::Bf16 => bytes.extend(bf16::from_f64(value).to_le_bytes()),
            Element::F32 => bytes.extend((value as f32).to_le_bytes()),
            Element::F64 => bytes.extend(value.to_le_bytes()),
            Element::Bool => bytes.push(u8::from(value != 0.0)),
            _ => self.push_i64(value as i64, bytes),
        }
    }

    /// Appends a value, of which an integer type keeps its lowest bits.
    #[allow(clippy::cast_precision_loss, reason = "rounding is the point")]
    pub(super) fn push_i64(self, value: i64, bytes: &mut Vec<u8>) {
        match self {
            Element::Bool => bytes.push(u8::from(value != 0)),
            Element::F32 => bytes.extend((value as f32).to_le_bytes()),
            _ if self.is_float() => self.push_f64(value as f64, bytes),
            _ => bytes.extend(value.to_le_bytes().iter().take(self.bytes())),
        }
    }
}
