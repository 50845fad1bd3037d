//! Object headers: the messages that describe a group or a dataset.

use std::collections::BTreeMap;
use std::ops::Range;

use super::chunks::Filter;
use super::reader::{File, LONGEST, UNDEFINED, error, range};
use crate::Error;
use crate::array::push;
use crate::error::Fault;
use crate::io::Element;
use crate::io::bytes::Bytes;

/// What the messages of an object say.
#[derive(Debug, Default)]
pub(super) struct Object {
    pub(super) shape: Option<Vec<usize>>,
    pub(super) kind: Option<ElementType>,
    pub(super) layout: Option<Layout>,
    pub(super) filters: Vec<Filter>,
    /// A group's B-tree and the heap with the names of its links.
    pub(super) table: Option<(usize, usize)>,
    /// The links of a group that has no B-tree.
    pub(super) links: Vec<(String, usize)>,
    /// Whether a group's links are in a heap of another kind.
    pub(super) dense: bool,
    /// Whether it is the root, whose attributes are read.
    is_root: bool,
    /// The attributes that are known.
    pub(super) texts: Texts,
}

/// The element type of a dataset.
#[derive(Clone, Debug)]
pub(super) struct ElementType {
    pub(super) element: Option<Element>,
    pub(super) name: &'static str,
    pub(super) size: usize,
    pub(super) big_endian: bool,
}

/// Where a dataset's values are.
#[derive(Debug)]
pub(super) enum Layout {
    Bytes(Range<usize>),
    /// Pieces, which a B-tree lists, of these sizes in each dimension.
    Chunked {
        tree: usize,
        sizes: Vec<usize>,
    },
    Other(&'static str),
}

/// A block of messages: a header or a continuation of it.
struct Block<'a> {
    bytes: Bytes<'a>,
    /// The address behind the block.
    end: usize,
    /// The version of the header. In version 2 messages have shorter heads.
    version: u8,
    has_order: bool,
}

const CONTINUATION: usize = 0x10;
/// The attribute with a model's configuration.
pub(super) const MODEL: &str = "model_config";
/// The attribute with the version of Keras.
pub(super) const VERSION: &str = "keras_version";
/// Attributes that are text.
pub(super) type Texts = BTreeMap<&'static str, String>;
/// The flag of a message whose contents are elsewhere.
const SHARED: u8 = 2;

fn cut_off() -> Error {
    error("a complete object header", "the end of the file")
}

impl Object {
    /// Reads the object header at an address.
    pub(super) fn read(file: &mut File<'_>, address: usize, is_root: bool) -> Result<Self, Error> {
        let mut object = Object { is_root, ..Object::default() };
        let mut blocks = vec![first_block(file, address)?.ok_or_else(cut_off)?];
        while let Some(mut block) = blocks.pop() {
            while let Some((kind, flags, body)) = block.next() {
                file.step()?;
                let start = block.end - block.bytes.rest.len() - body.len();
                if kind == CONTINUATION {
                    let mut bytes = Bytes { rest: body };
                    let (at, length) = bytes.count::<8>().zip(bytes.count::<8>()).ok_or_else(cut_off)?;
                    let continued = continuation(file, at, length, &block)?;
                    push("blocks of a header", &mut blocks, continued)?;
                } else if flags & SHARED == 0 {
                    // A message that is cut off says nothing.
                    object.message(kind, body, start, file)?;
                }
            }
        }
        Ok(object)
    }

    fn message(&mut self, kind: usize, body: &[u8], start: usize, file: &mut File<'_>) -> Result<(), Error> {
        let mut bytes = Bytes { rest: body };
        match kind {
            0x01 => self.shape = dataspace(&mut bytes),
            0x02 => self.dense = is_dense(&mut bytes) == Some(true),
            0x03 => self.kind = datatype(&mut bytes),
            0x06 => {
                if let Some(link) = link(&mut bytes) {
                    push("links", &mut self.links, link)?;
                }
            }
            0x08 => {
                self.layout =
                    Some(layout(&mut bytes, start, body.len()).unwrap_or(Layout::Other("a broken layout")));
            }
            0x0B => {
                self.filters =
                    Filter::pipeline(&mut bytes).ok_or_else(|| error("a list of filters", "another"))?;
            }
            0x0C if self.is_root => {
                if let Some((name, value)) =
                    attribute(&mut bytes).filter(|(name, _)| !self.texts.contains_key(name))
                {
                    self.texts.insert(name, text(file, &value)?);
                }
            }
            0x11 => self.table = bytes.count::<8>().zip(bytes.count::<8>()),
            _ => {}
        }
        if self.links.len() > file.bytes.len() {
            return Err(cut_off());
        }
        Ok(())
    }
}

/// Reads the head of an object header. Returns none if it is cut off or of another version.
fn first_block<'a>(file: &File<'a>, address: usize) -> Result<Option<Block<'a>>, Error> {
    let mut bytes = file.at(address)?;
    Ok(head(&mut bytes).and_then(|(length, version, has_order)| {
        let messages = Bytes { rest: bytes.take(length)? };
        let end = file.bytes.len() - bytes.rest.len();
        Some(Block { bytes: messages, end, version, has_order })
    }))
}

/// Returns the length of the messages behind a head, the version, and whether messages have an order.
fn head(bytes: &mut Bytes<'_>) -> Option<(usize, u8, bool)> {
    if bytes.rest.starts_with(b"OHDR") {
        bytes.take(5)?;
        let flags = bytes.u8()?;
        bytes.take(if flags & 0x20 == 0 { 0 } else { 16 })?;
        bytes.take(if flags & 0x10 == 0 { 0 } else { 4 })?;
        let length = match flags & 3 {
            0 => bytes.count::<1>()?,
            1 => bytes.count::<2>()?,
            2 => bytes.count::<4>()?,
            _ => bytes.count::<8>()?,
        };
        return Some((length, 2, flags & 4 != 0));
    }
    if bytes.u8()? != 1 {
        return None;
    }
    bytes.take(7)?;
    let length = bytes.count::<4>()?;
    bytes.take(4)?;
    Some((length, 1, false))
}

fn continuation<'a>(
    file: &mut File<'a>,
    at: usize,
    length: usize,
    of: &Block<'_>,
) -> Result<Block<'a>, Error> {
    if !file.visited.insert(at) {
        return Err(error("headers that end", "one that continues in itself"));
    }
    let mut block = Bytes { rest: file.at(at)?.take(length).ok_or_else(cut_off)? };
    if of.version == 2 {
        // A signature before the messages and a checksum behind them.
        block.take(4).filter(|signature| *signature == b"OCHK").ok_or_else(cut_off)?;
        let messages = block.rest.len().checked_sub(4).ok_or_else(cut_off)?;
        block = Bytes { rest: block.take(messages).ok_or_else(cut_off)? };
    }
    let end = at + length - if of.version == 2 { 4 } else { 0 };
    Ok(Block { bytes: block, end, version: of.version, has_order: of.has_order })
}

impl<'a> Block<'a> {
    /// Returns the next message: its kind, its flags and its contents.
    fn next(&mut self) -> Option<(usize, u8, &'a [u8])> {
        let bytes = &mut self.bytes;
        let (kind, length) = match self.version {
            2 => (bytes.count::<1>()?, bytes.count::<2>()?),
            _ => (bytes.count::<2>()?, bytes.count::<2>()?),
        };
        let flags = bytes.u8()?;
        bytes.take(match (self.version, self.has_order) {
            (2, false) => 0,
            (2, true) => 2,
            _ => 3,
        })?;
        Some((kind, flags, bytes.take(length)?))
    }
}

fn dataspace(bytes: &mut Bytes<'_>) -> Option<Vec<usize>> {
    let (version, rank, _flags) = (bytes.u8()?, bytes.u8()?, bytes.u8()?);
    let kind = bytes.u8()?;
    match version {
        1 => _ = bytes.take(4)?,
        // The kind 2 has no elements at all.
        2 if kind < 2 => {}
        _ => return None,
    }
    (0..rank).map(|_| bytes.count::<8>()).collect()
}

fn datatype(bytes: &mut Bytes<'_>) -> Option<ElementType> {
    let class = bytes.u8()? & 0x0F;
    let [flags, ..] = bytes.array::<3>()?;
    let size = bytes.count::<4>()?;
    let (element, name) = match (class, size) {
        (0, 1..=8) => {
            let signed = flags & 8 != 0;
            let element = match (size, signed) {
                (1, true) => Element::I8,
                (2, true) => Element::I16,
                (4, true) => Element::I32,
                (8, true) => Element::I64,
                (1, false) => Element::U8,
                (2, false) => Element::U16,
                (4, false) => Element::U32,
                (8, false) => Element::U64,
                _ => {
                    return Some(ElementType {
                        element: None,
                        name: "integers of another size",
                        size,
                        big_endian: false,
                    });
                }
            };
            (Some(element), element.name())
        }
        (1, _) => {
            // The bits' offset and count, and then the place and size of the exponent.
            bytes.take(5)?;
            let exponent = bytes.u8()?;
            let element = match (size, exponent) {
                (2, 5) => Element::F16,
                (2, 8) => Element::Bf16,
                (4, 8) => Element::F32,
                (8, 11) => Element::F64,
                _ => {
                    return Some(ElementType {
                        element: None,
                        name: "floats of another format",
                        size,
                        big_endian: false,
                    });
                }
            };
            (Some(element), element.name())
        }
        (3 | 9, _) => (None, "text"),
        (8, _) => (None, "an enumeration"),
        _ => (None, "another type"),
    };
    Some(ElementType { element, name, size, big_endian: flags & 1 != 0 })
}

fn layout(bytes: &mut Bytes<'_>, start: usize, length: usize) -> Option<Layout> {
    let version = bytes.u8()?;
    let class = bytes.u8()?;
    Some(match (version, class) {
        (3 | 4, 0) => {
            let size = bytes.count::<2>()?;
            let first = start + (length - bytes.rest.len());
            if bytes.rest.len() < size {
                return None;
            }
            Layout::Bytes(range(first, size))
        }
        (3 | 4, 1) => {
            let (address, size) = (bytes.count::<8>()?, bytes.count::<8>()?);
            if address == UNDEFINED {
                Layout::Other("no values at all")
            } else {
                Layout::Bytes(range(address, size))
            }
        }
        (3, 2) => {
            // One dimension more than the dataset's: the bytes of an element.
            let rank = bytes.u8()?.checked_sub(1)?;
            let tree = bytes.count::<8>()?;
            let sizes: Option<Vec<usize>> = (0..rank).map(|_| bytes.count::<4>()).collect();
            Layout::Chunked { tree, sizes: sizes? }
        }
        (4, 2) => {
            Layout::Other("chunks with an index of HDF5 1.10 (h5repack --high=0 file new.h5 rewrites it)")
        }
        (_, 3) => Layout::Other("a virtual dataset"),
        _ => Layout::Other("a layout of HDF5 before 1.6"),
    })
}

/// Returns whether a group's links are in a fractal heap.
fn is_dense(bytes: &mut Bytes<'_>) -> Option<bool> {
    let _version = bytes.u8()?;
    let has_order = bytes.u8()? & 1 != 0;
    bytes.take(if has_order { 8 } else { 0 })?;
    Some(bytes.count::<8>()? != UNDEFINED)
}

/// Returns the name and the address of a hard link; none for other links.
fn link(bytes: &mut Bytes<'_>) -> Option<(String, usize)> {
    let _version = bytes.u8()?;
    let flags = bytes.u8()?;
    if flags & 8 != 0 && bytes.u8()? != 0 {
        return None;
    }
    bytes.take(if flags & 4 == 0 { 0 } else { 8 })?;
    bytes.take(if flags & 0x10 == 0 { 0 } else { 1 })?;
    let length = match flags & 3 {
        0 => bytes.count::<1>()?,
        1 => bytes.count::<2>()?,
        2 => bytes.count::<4>()?,
        _ => bytes.count::<8>()?,
    };
    let name = bytes.take(length).filter(|name| name.len() <= LONGEST)?;
    Some((String::from_utf8_lossy(name).into_owned(), bytes.count::<8>()?))
}

/// The value of an attribute that is text.
enum Text<'a> {
    /// Text of a fixed length.
    Fixed(&'a [u8]),
    /// Text of any length, which is an object of a heap.
    InHeap { address: usize, object: usize },
}

/// Returns the name and the value of an attribute if it is known and one text.
fn attribute<'a>(bytes: &mut Bytes<'a>) -> Option<(&'static str, Text<'a>)> {
    let version = bytes.u8()?;
    let _flags = bytes.u8()?;
    let [name, kind, space] = [bytes.count::<2>()?, bytes.count::<2>()?, bytes.count::<2>()?];
    bytes.take(if version == 3 { 1 } else { 0 })?;
    let padded = |length: usize| if version == 1 { length.next_multiple_of(8) } else { length };
    let name = bytes.take(padded(name))?.split(|&byte| byte == 0).next()?;
    let mut kind = Bytes { rest: bytes.take(padded(kind))? };
    bytes.take(padded(space))?;
    let name = [MODEL, VERSION].into_iter().find(|known| known.as_bytes() == name)?;
    let class = kind.u8()? & 0x0F;
    let [flags, ..] = kind.array::<3>()?;
    let size = kind.count::<4>()?;
    let value = match (class, flags & 0x0F) {
        (3, _) => Text::Fixed(bytes.take(size)?),
        // A sequence of any length that is text: its length, and its place in a heap.
        (9, 1) => {
            bytes.take(4)?;
            Text::InHeap { address: bytes.count::<8>()?, object: bytes.count::<4>()? }
        }
        _ => return None,
    };
    Some((name, value))
}

/// Returns the text of an attribute's value.
fn text(file: &mut File<'_>, text: &Text<'_>) -> Result<String, Error> {
    let bytes = match *text {
        Text::Fixed(bytes) => bytes,
        Text::InHeap { address, object } => in_heap(file, address, object)?,
    };
    let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    // Keras writes JSON in ASCII.
    let Ok(text) = str::from_utf8(text) else { return Ok(String::new()) };
    let mut owned = String::new();
    let out_of_memory = |_| Error::from(Fault::OutOfMemory { found: "the text of an attribute".into() });
    owned.try_reserve_exact(text.len()).map_err(out_of_memory)?;
    owned.push_str(text);
    Ok(owned)
}

/// Returns an object of a global heap.
fn in_heap<'a>(file: &mut File<'a>, address: usize, wanted: usize) -> Result<&'a [u8], Error> {
    let cut_off = || error("an object of a heap", "the end of the file");
    let mut bytes = file.at(address)?;
    bytes.take(16).filter(|head| head.starts_with(b"GCOL")).ok_or_else(cut_off)?;
    loop {
        file.step()?;
        let object = bytes.count::<2>().ok_or_else(cut_off)?;
        bytes.take(6).ok_or_else(cut_off)?;
        let size = bytes.count::<8>().ok_or_else(cut_off)?;
        let value = bytes.take(size).ok_or_else(cut_off)?;
        match object {
            // Free space is the last one.
            0 => return Err(error("an object of a heap", "none")),
            _ if object == wanted => return Ok(value),
            _ => _ = bytes.take(size.next_multiple_of(8) - size).ok_or_else(cut_off)?,
        }
    }
}
