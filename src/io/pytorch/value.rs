//! The values that a pickle makes, as plain data.

use crate::Error;
use crate::array::room;
use crate::io::element::Element;

/// A value of a pickle. Containers, storages and tensors are indices into [`Values`], so that a value is
/// small, a copy is cheap whatever it refers to, and a container that contains itself is harmless.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    /// A value that no tensor depends on, such as None or a float.
    Other,
    Int(i64),
    Text(&'a [u8]),
    /// A class or function, by its module and name. Nothing is ever imported or called.
    Global(&'a [u8], &'a [u8]),
    /// A tuple, list or set.
    Sequence(usize),
    Dict(usize),
    /// An instance of a class: its state or its items.
    Object(usize),
    Storage(usize),
    Tensor(usize),
}

/// An element of a container.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a> {
    pub(super) key: Key<'a>,
    pub(super) value: Value<'a>,
}

/// The key of an element.
#[derive(Clone, Copy, Debug)]
pub(super) enum Key<'a> {
    /// An element of a sequence.
    Place,
    Named(Value<'a>),
    /// The value is a container whose elements belong to this one. (A copy of them could be made again and
    /// again by a few bytes.)
    Inside,
    /// The value is a sequence of pairs of a key and a value, and these belong to this container.
    Pairs,
}

/// The values that other values refer to.
#[derive(Debug, Default)]
pub(super) struct Values<'a> {
    pub(super) containers: Vec<Vec<Item<'a>>>,
    pub(super) storages: Vec<Storage<'a>>,
    pub(super) tensors: Vec<Tensor>,
}

/// A storage, which is named in the pickle and whose values are outside of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storage<'a> {
    pub(super) key: &'a [u8],
    /// The name of the element type, such as `float32`.
    pub(super) dtype: &'a [u8],
    /// The first element of this storage in the storage `key`.
    pub(super) offset: usize,
}

/// A view into a storage.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    /// An index into [`Values::storages`]; none for a tensor that is no view into one, such as a quantized
    /// one.
    pub(super) storage: Option<usize>,
    /// The name of the element type if the tensor has its own.
    pub(super) dtype: Option<String>,
    /// In elements, as the strides.
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

impl<'a> Values<'a> {
    /// Makes room for another container and another tensor.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::OutOfMemory`](crate::ErrorKind::OutOfMemory).
    pub(super) fn make_room(&mut self) -> Result<(), Error> {
        room("the containers of a pickle", &mut self.containers, 1)?;
        room("the tensors of a pickle", &mut self.tensors, 1)
    }

    /// Adds a container, for which there is room, and returns its index.
    pub(super) fn contain(&mut self, items: Vec<Item<'a>>) -> usize {
        self.containers.push(items);
        self.containers.len() - 1
    }

    pub(super) fn items(&self, container: usize) -> &[Item<'a>] {
        self.containers.get(container).map_or(&[], Vec::as_slice)
    }

    /// Returns the elements of a sequence; none for another value.
    pub(super) fn sequence(&self, value: Value<'a>) -> &[Item<'a>] {
        match value {
            Value::Sequence(place) => self.items(place),
            _ => &[],
        }
    }

    /// Returns a tuple of counts, such as a shape, if it is one of at most `most` counts.
    pub(super) fn counts(&self, value: Value<'a>, most: usize) -> Option<Vec<usize>> {
        let Value::Sequence(place) = value else { return None };
        let items = self.items(place);
        let count = |item: &Item<'a>| match item.value {
            Value::Int(count) => usize::try_from(count).ok(),
            _ => None,
        };
        if items.len() <= most { items.iter().map(count).collect() } else { None }
    }
}

/// Returns the element type of that name, if it can be read, and the bytes of one element.
pub(super) fn element(dtype: &[u8]) -> Option<Element> {
    Some(match dtype {
        b"float16" | b"half" | b"HalfStorage" => Element::F16,
        b"bfloat16" | b"BFloat16Storage" => Element::Bf16,
        b"float32" | b"float" | b"FloatStorage" => Element::F32,
        b"float64" | b"double" | b"DoubleStorage" => Element::F64,
        b"int8" | b"CharStorage" => Element::I8,
        b"int16" | b"short" | b"ShortStorage" => Element::I16,
        b"int32" | b"int" | b"IntStorage" => Element::I32,
        b"int64" | b"long" | b"LongStorage" => Element::I64,
        b"uint8" | b"ByteStorage" | b"UntypedStorage" => Element::U8,
        b"bool" | b"BoolStorage" => Element::Bool,
        b"uint16" => Element::U16,
        b"uint32" => Element::U32,
        b"uint64" => Element::U64,
        _ => return None,
    })
}
