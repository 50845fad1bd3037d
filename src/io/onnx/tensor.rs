//! The values of a tensor in a file.

use std::borrow::Cow;
use std::ops::Range;

use super::proto::Tensor;
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::error::Fault;
use crate::io::element::Element;
use crate::io::format_error;

/// The number of values that are converted at a time, so that a large tensor is not in memory twice.
const BLOCK: usize = 4096;

/// Values of one type; their number matches the shape.
#[derive(Debug)]
pub(super) struct Values<'t> {
    pub(super) shape: Vec<usize>,
    element: Element,
    /// The bytes of the values, in consecutive parts.
    parts: Vec<Cow<'t, [u8]>>,
}

impl<'t> Values<'t> {
    /// Concatenates the values of several tensors.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Tensor`] if their types differ.
    pub(super) fn joined(shape: Vec<usize>, all: Vec<Self>, what: &str) -> Result<Self, Error> {
        let element = all.first().map_or(Element::F32, |values| values.element);
        match all.iter().find(|values| values.element != element) {
            None => Ok(Values {
                shape,
                element,
                parts: all.into_iter().flat_map(|values| values.parts).collect(),
            }),
            Some(other) => {
                let found = format!("{} and {}", element.name(), other.element.name());
                Err(Error::from(Fault::Dtype { name: what.to_owned(), expected: "one type", found }))
            }
        }
    }

    /// Returns the values at some positions in row-major order.
    pub(super) fn part(mut self, places: &Range<usize>) -> Self {
        let size = self.element.bytes();
        let bytes = places.start * size..places.end * size;
        for part in &mut self.parts {
            *part = match std::mem::take(part) {
                Cow::Borrowed(part) => Cow::Borrowed(part.get(bytes.clone()).unwrap_or_default()),
                Cow::Owned(part) => Cow::Owned(part.get(bytes.clone()).unwrap_or_default().to_vec()),
            };
        }
        self.shape = vec![places.len()];
        self
    }

    /// Appends the values of a floating-point type at some positions in row-major order, rounded to f32.
    pub(super) fn append_f32(&self, places: &Range<usize>, values: &mut Vec<f32>) -> Option<()> {
        let size = self.element.bytes();
        let (mut skip, mut left) = (places.start * size, places.len() * size);
        for part in &self.parts {
            let from = skip.min(part.len());
            let taken = left.min(part.len() - from);
            for block in part[from..from + taken].chunks(size * BLOCK) {
                values.extend(self.element.to_f32(block, false)?);
            }
            skip -= from;
            left -= taken;
        }
        (left == 0).then_some(())
    }

    /// Returns the values of an integer type.
    pub(super) fn i64(&self) -> Option<Vec<i64>> {
        self.element.to_i64(&self.parts.concat(), false)
    }

    /// Returns whether the type is a floating-point type.
    pub(super) fn is_float(&self) -> bool {
        self.element.to_f32(&[], false).is_some()
    }

    /// Returns whether every value is zero.
    pub(super) fn is_zero(&self) -> bool {
        let size = self.element.bytes();
        let mut blocks = self.parts.iter().flat_map(|part| part.chunks(size * BLOCK));
        blocks.all(|block| match self.element.to_f64(block, false) {
            Some(values) => values.iter().all(|&value| value == 0.0),
            None => block.iter().all(|&byte| byte == 0),
        })
    }

    /// Returns the type's name.
    pub(super) fn dtype(&self) -> &'static str {
        self.element.name()
    }
}

impl Tensor<'_> {
    /// Returns whether every value is known to be zero. The values are examined only once, however many
    /// nodes request it.
    pub(super) fn is_zero(&self) -> bool {
        *self.zero.get_or_init(|| self.values("value").is_ok_and(|values| values.is_zero()))
    }

    /// Returns the tensor's values; `what` names it in errors.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Tensor`] for a type that cannot be read; [`ErrorKind::File`] if the values are in another
    /// file, or their number does not match the shape.
    pub(super) fn values(&self, what: &str) -> Result<Values<'_>, Error> {
        if self.external {
            let found = format!("external data in {:?}", self.location);
            return Err(format_error(what, "its values in the file itself", found));
        }
        if self.segment {
            return Err(format_error(what, "a whole tensor", "a segment of one"));
        }
        let shape = self.shape(what)?;
        let (element, typed) = self.typed(what)?;
        let bytes = match self.raw {
            Some(raw) if typed.is_empty() => Cow::Borrowed(raw),
            Some(_) => return Err(format_error(what, "raw or typed values", "both")),
            None => typed,
        };
        let count = shape.iter().try_fold(element.bytes(), |size, &dim| size.checked_mul(dim));
        if count != Some(bytes.len()) {
            let expected = format!("the values of shape {shape:?}, {} bytes each", element.bytes());
            return Err(format_error(what, expected, format_args!("{} bytes", bytes.len())));
        }
        Ok(Values { shape, element, parts: vec![bytes] })
    }

    fn shape(&self, what: &str) -> Result<Vec<usize>, Error> {
        let size = |&dim: &i64| {
            usize::try_from(dim)
                .map_err(|_| format_error(what, "sizes of at least 0", format_args!("shape {:?}", self.dims)))
        };
        self.dims.iter().map(size).collect()
    }

    /// Returns the element type, and the values in the field of that type.
    fn typed(&self, what: &str) -> Result<(Element, Cow<'_, [u8]>), Error> {
        let (element, values) = match self.data_type {
            1 => (Element::F32, Cow::Borrowed(&self.floats[..])),
            6 => (
                Element::I32,
                ints(&self.int32s, |value| i32::try_from(value).ok().map(i32::to_le_bytes), what)?,
            ),
            7 => (Element::I64, ints(&self.int64s, |value| Some(value.to_le_bytes()), what)?),
            10 | 16 => {
                let element = if self.data_type == 10 { Element::F16 } else { Element::Bf16 };
                (element, ints(&self.int32s, |bits| u16::try_from(bits).ok().map(u16::to_le_bytes), what)?)
            }
            11 => (Element::F64, Cow::Borrowed(&self.doubles[..])),
            other => {
                return Err(Error::from(Fault::Dtype {
                    name: what.to_owned(),
                    expected: "f16, bf16, f32, f64, i32 or i64",
                    found: type_name(other),
                }));
            }
        };
        let fields = [self.floats.len(), self.doubles.len(), self.int32s.len(), self.int64s.len()];
        if values.is_empty() && fields.iter().any(|&values| values > 0) {
            let expected = format!("values of dtype {}", element.name());
            return Err(format_error(what, expected, "those of another type"));
        }
        Ok((element, values))
    }
}

/// Converts the integers of a repeated field to the bytes of the type that they represent.
fn ints<const BYTES: usize>(
    values: &[i64],
    convert: impl Fn(i64) -> Option<[u8; BYTES]>,
    what: &str,
) -> Result<Cow<'static, [u8]>, Error> {
    let mut bytes = Vec::with_capacity(values.len() * BYTES);
    for &value in values {
        let converted = convert(value)
            .ok_or_else(|| format_error(what, format_args!("values of {BYTES} bytes"), value))?;
        bytes.extend_from_slice(&converted);
    }
    Ok(Cow::Owned(bytes))
}

/// Returns ONNX's name of a type that cannot be read.
fn type_name(data_type: i64) -> String {
    let name = match data_type {
        0 => "no type",
        2 => "uint8",
        3 => "int8",
        4 => "uint16",
        5 => "int16",
        8 => "string",
        9 => "bool",
        12 => "uint32",
        13 => "uint64",
        _ => return format!("ONNX's type {data_type}"),
    };
    name.to_owned()
}
