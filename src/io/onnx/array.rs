//! Arrays of one element type: values of a file, borrowed, or values that were computed from them.

use std::ops::{Deref, Range};
use std::sync::Arc;

use half::{bf16, f16};

use crate::io::element::Element;

/// The number of values that are converted at a time, so that a large tensor is not in memory twice.
const BLOCK: usize = 4096;

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
    /// Returns the array of these bytes. Returns none if their number does not match the shape.
    pub(super) fn new(shape: Vec<usize>, element: Element, bytes: impl Into<Bytes<'t>>) -> Option<Self> {
        let bytes = bytes.into();
        let size = shape.iter().try_fold(element.bytes(), |size, &dim| size.checked_mul(dim));
        (size == Some(bytes.len())).then_some(Array { shape, element, bytes })
    }

    /// Returns a vector of i64.
    pub(super) fn of_i64(values: &[i64]) -> Self {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Array { shape: vec![values.len()], element: Element::I64, bytes: bytes.into() }
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

    /// Appends the values of a floating-point type at some positions in row-major order, rounded to f32.
    pub(super) fn append_f32(&self, places: &Range<usize>, values: &mut Vec<f32>) -> Option<()> {
        let size = self.element.bytes();
        let bytes = self.bytes.get(places.start.checked_mul(size)?..places.end.checked_mul(size)?)?;
        for block in bytes.chunks(size * BLOCK) {
            values.extend(self.element.to_f32(block, false)?.ok()?);
        }
        Some(())
    }

    /// Returns the values of a floating-point type. There are none for another type.
    pub(super) fn f64s(&self) -> impl Iterator<Item = f64> {
        self.blocks()
            .flat_map(|block| self.element.to_f64(block, false).and_then(Result::ok).unwrap_or_default())
    }

    /// Returns the values of an integer type or of bool. There are none for another type.
    pub(super) fn i64s(&self) -> impl Iterator<Item = i64> {
        self.blocks()
            .flat_map(|block| self.element.to_i64(block, false).and_then(Result::ok).unwrap_or_default())
    }

    fn blocks(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks(self.element.bytes() * BLOCK)
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

impl Element {
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
