//! The messages of `onnx.proto` that a recurrent layer needs, borrowed from the file's bytes.
//!
//! A graph inside a node is not read, so that no file causes recursion.

use std::borrow::Cow;
use std::sync::OnceLock;

use super::wire::{Result, each_field};

/// `ModelProto`.
#[derive(Debug, Default)]
pub(super) struct Model<'a> {
    pub(super) graph: Option<Graph<'a>>,
    /// The domains of operators and their versions.
    pub(super) opsets: Vec<(&'a str, i64)>,
    /// The number of functions that the model defines.
    pub(super) functions: usize,
}

/// `GraphProto`.
#[derive(Debug, Default)]
pub(super) struct Graph<'a> {
    pub(super) nodes: Vec<NodeProto<'a>>,
    pub(super) initializers: Vec<Tensor<'a>>,
    pub(super) inputs: Vec<ValueInfo<'a>>,
    pub(super) outputs: Vec<ValueInfo<'a>>,
    /// The types of the intermediate values, as far as the file states them.
    pub(super) values: Vec<ValueInfo<'a>>,
}

/// `NodeProto`.
#[derive(Debug, Default)]
pub(super) struct NodeProto<'a> {
    pub(super) name: &'a str,
    pub(super) domain: &'a str,
    pub(super) op_type: &'a str,
    pub(super) inputs: Vec<&'a str>,
    pub(super) outputs: Vec<&'a str>,
    pub(super) attributes: Vec<Attribute<'a>>,
}

/// `AttributeProto`.
#[derive(Debug, Default)]
pub(super) struct Attribute<'a> {
    pub(super) name: &'a str,
    /// 0 if the file does not state it.
    pub(super) kind: i64,
    pub(super) float: Option<f32>,
    pub(super) int: Option<i64>,
    pub(super) string: Option<&'a [u8]>,
    pub(super) tensor: Option<Box<Tensor<'a>>>,
    /// Little-endian.
    pub(super) floats: Cow<'a, [u8]>,
    pub(super) ints: Vec<i64>,
    pub(super) strings: Vec<&'a [u8]>,
    /// Whether the attribute contains a graph.
    pub(super) is_graph: bool,
}

/// `TensorProto`.
#[derive(Debug, Default)]
pub(super) struct Tensor<'a> {
    pub(super) name: &'a str,
    pub(super) dims: Vec<i64>,
    pub(super) data_type: i64,
    pub(super) raw: Option<&'a [u8]>,
    /// Little-endian.
    pub(super) floats: Cow<'a, [u8]>,
    /// Little-endian.
    pub(super) doubles: Cow<'a, [u8]>,
    pub(super) int32s: Vec<i64>,
    pub(super) int64s: Vec<i64>,
    /// Whether the values are in another file.
    pub(super) external: bool,
    /// The name of that file.
    pub(super) location: &'a str,
    /// Whether this is a part of a larger tensor.
    pub(super) segment: bool,
    /// Whether every value is zero; computed on the first request.
    pub(super) zero: OnceLock<bool>,
}

/// `ValueInfoProto` of a tensor.
#[derive(Debug, Default)]
pub(super) struct ValueInfo<'a> {
    pub(super) name: &'a str,
    /// The dimensions, if there is a shape; `None` for a dimension that is not a number.
    pub(super) dims: Option<Vec<Option<i64>>>,
}

impl<'a> Model<'a> {
    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self> {
        let mut model = Model::default();
        each_field(bytes, |number, field| {
            match number {
                7 => model.graph.get_or_insert_default().merge(field.bytes()?)?,
                8 => model.opsets.push(opset(field.bytes()?)?),
                25 => {
                    model.functions += 1;
                    field.skip()?;
                }
                _ => field.skip()?,
            }
            Ok(())
        })?;
        Ok(model)
    }
}

/// `OperatorSetIdProto`.
fn opset(bytes: &[u8]) -> Result<(&str, i64)> {
    let (mut domain, mut version) = ("", 0);
    each_field(bytes, |number, field| {
        match number {
            1 => domain = field.text()?,
            2 => version = field.int()?,
            _ => field.skip()?,
        }
        Ok(())
    })?;
    Ok((domain, version))
}

impl<'a> Graph<'a> {
    fn merge(&mut self, bytes: &'a [u8]) -> Result<()> {
        each_field(bytes, |number, field| {
            match number {
                1 => self.nodes.push(NodeProto::decode(field.bytes()?)?),
                5 => self.initializers.push(Tensor::decode(field.bytes()?)?),
                11 => self.inputs.push(ValueInfo::decode(field.bytes()?)?),
                12 => self.outputs.push(ValueInfo::decode(field.bytes()?)?),
                13 => self.values.push(ValueInfo::decode(field.bytes()?)?),
                _ => field.skip()?,
            }
            Ok(())
        })
    }
}

impl<'a> NodeProto<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self> {
        let mut node = NodeProto::default();
        each_field(bytes, |number, field| {
            match number {
                1 => node.inputs.push(field.text()?),
                2 => node.outputs.push(field.text()?),
                3 => node.name = field.text()?,
                4 => node.op_type = field.text()?,
                5 => node.attributes.push(Attribute::decode(field.bytes()?)?),
                7 => node.domain = field.text()?,
                _ => field.skip()?,
            }
            Ok(())
        })?;
        Ok(node)
    }

    /// Returns the attribute of that name.
    pub(super) fn attribute(&self, name: &str) -> Option<&Attribute<'a>> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// Returns the input at that position, or `None` if it is omitted.
    pub(super) fn input(&self, place: usize) -> Option<&'a str> {
        self.inputs.get(place).copied().filter(|name| !name.is_empty())
    }

    /// Returns whether the node contains a graph.
    pub(super) fn has_graph(&self) -> bool {
        self.attributes.iter().any(|attribute| attribute.is_graph)
    }

    /// Returns whether the operator is ONNX's own.
    pub(super) fn is_standard(&self) -> bool {
        matches!(self.domain, "" | "ai.onnx")
    }

    /// Returns the name for messages and for choosing the node; that of the first output if the node has
    /// none.
    pub(super) fn label(&self) -> &'a str {
        match self.name {
            "" => self.outputs.iter().find(|name| !name.is_empty()).unwrap_or(&""),
            name => name,
        }
    }
}

impl<'a> Attribute<'a> {
    /// The values of `AttributeProto.AttributeType`.
    pub(super) const FLOAT: i64 = 1;
    pub(super) const INT: i64 = 2;
    pub(super) const STRING: i64 = 3;
    pub(super) const FLOATS: i64 = 6;
    pub(super) const STRINGS: i64 = 8;

    fn decode(bytes: &'a [u8]) -> Result<Self> {
        let mut attribute = Attribute::default();
        each_field(bytes, |number, field| {
            match number {
                1 => attribute.name = field.text()?,
                2 => attribute.float = Some(field.float()?),
                3 => attribute.int = Some(field.int()?),
                4 => attribute.string = Some(field.bytes()?),
                5 => attribute.tensor = Some(Box::new(Tensor::decode(field.bytes()?)?)),
                7 => field.fixed::<4>(&mut attribute.floats)?,
                8 => field.ints(&mut attribute.ints)?,
                9 => attribute.strings.push(field.bytes()?),
                6 | 11 => {
                    attribute.is_graph = true;
                    field.skip()?;
                }
                20 => attribute.kind = field.int()?,
                _ => field.skip()?,
            }
            Ok(())
        })?;
        Ok(attribute)
    }

    /// Returns whether the attribute may be of that kind. Files for the first ONNX releases do not state the
    /// kind.
    pub(super) fn may_be(&self, kind: i64) -> bool {
        self.kind == 0 || self.kind == kind
    }
}

impl<'a> Tensor<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self> {
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
                7 => field.ints(&mut tensor.int64s)?,
                8 => tensor.name = field.text()?,
                9 => tensor.raw = Some(field.bytes()?),
                10 => field.fixed::<8>(&mut tensor.doubles)?,
                13 => {
                    let (key, value) = entry(field.bytes()?)?;
                    tensor.external = true;
                    tensor.location = if key == "location" { value } else { tensor.location };
                }
                14 => tensor.external |= field.int()? == EXTERNAL,
                _ => field.skip()?,
            }
            Ok(())
        })?;
        Ok(tensor)
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

impl<'a> ValueInfo<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self> {
        let mut info = ValueInfo::default();
        each_field(bytes, |number, field| {
            match number {
                1 => info.name = field.text()?,
                // TypeProto.tensor_type, TypeProto.Tensor.shape, TensorShapeProto.dim
                2 => inside(field.bytes()?, 1, &mut |tensor| {
                    inside(tensor, 2, &mut |shape| {
                        let dims = info.dims.get_or_insert_default();
                        inside(shape, 1, &mut |dim| {
                            dims.push(dim_value(dim)?);
                            Ok(())
                        })
                    })
                })?,
                _ => field.skip()?,
            }
            Ok(())
        })?;
        Ok(info)
    }
}

/// Passes the messages in the fields of that number to `take`.
fn inside<'a>(message: &'a [u8], wanted: u32, take: &mut dyn FnMut(&'a [u8]) -> Result<()>) -> Result<()> {
    each_field(message, |number, field| match number == wanted {
        true => take(field.bytes()?),
        false => field.skip(),
    })
}

/// `TensorShapeProto.Dimension.dim_value`.
fn dim_value(bytes: &[u8]) -> Result<Option<i64>> {
    let mut value = None;
    each_field(bytes, |number, field| {
        match number {
            1 => value = Some(field.int()?),
            _ => field.skip()?,
        }
        Ok(())
    })?;
    Ok(value)
}
