//! The messages of `onnx.proto` that a recurrent layer needs, borrowed from the file's bytes.
//!
//! Graphs inside nodes are read to a fixed depth, so that no file makes the reader recurse further.

mod tensor;

use std::borrow::Cow;

use super::wire::{Result, each_field, push};
pub(super) use tensor::{External, Tensor};

/// The maximum depth of graphs inside nodes. Deeper graphs are skipped.
pub(super) const DEEPEST: usize = 12;

/// `ModelProto`.
#[derive(Debug, Default)]
pub(super) struct Model<'a> {
    pub(super) graph: Option<Graph<'a>>,
    /// The domains of operators and their versions.
    pub(super) opsets: Vec<(&'a str, i64)>,
    /// The functions that the model defines.
    pub(super) functions: Vec<Function<'a>>,
    /// The number of nodes, with those of the graphs inside nodes and of the functions.
    pub(super) nodes: usize,
}

/// `FunctionProto`.
#[derive(Debug, Default)]
pub(super) struct Function<'a> {
    pub(super) domain: &'a str,
    pub(super) name: &'a str,
    pub(super) overload: &'a str,
    pub(super) inputs: Vec<&'a str>,
    pub(super) outputs: Vec<&'a str>,
    pub(super) nodes: Vec<NodeProto<'a>>,
    pub(super) opsets: Vec<(&'a str, i64)>,
    /// The values of attributes that a call does not have.
    pub(super) defaults: Vec<Attribute<'a>>,
    /// The number of nodes, with those of the graphs inside nodes.
    pub(super) count: usize,
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
    pub(super) overload: &'a str,
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
    /// The graph, or the graphs, of the attribute.
    pub(super) graphs: Vec<Graph<'a>>,
    /// Whether the attribute contains a graph that was skipped, since it is too deep.
    pub(super) skipped: bool,
    /// The attribute of the function around the node that gives the value.
    pub(super) reference: Option<&'a str>,
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
                7 => model.graph.get_or_insert_default().merge(field.bytes()?, 0)?,
                8 => push(&mut model.opsets, opset(field.bytes()?)?)?,
                25 => push(&mut model.functions, Function::decode(field.bytes()?)?)?,
                _ => field.skip()?,
            }
            Ok(())
        })?;
        let functions = model.functions.iter().map(|function| function.count).sum::<usize>();
        model.nodes = functions + model.graph.iter().map(|graph| count(&graph.nodes)).sum::<usize>();
        Ok(model)
    }

    /// Returns the version of ONNX's own operators among these opsets.
    pub(super) fn version(opsets: &[(&'a str, i64)]) -> Option<i64> {
        opsets.iter().filter(|(domain, _)| is_standard(domain)).map(|&(_, version)| version).max()
    }

    /// Returns the tensors of all graphs and attributes, in no particular order.
    pub(super) fn tensors(&self) -> Vec<&Tensor<'a>> {
        let mut tensors = Vec::new();
        let mut graphs: Vec<&Graph<'a>> = self.graph.iter().collect();
        let mut nodes: Vec<&[NodeProto<'a>]> =
            self.functions.iter().map(|function| &function.nodes[..]).collect();
        loop {
            if let Some(graph) = graphs.pop() {
                tensors.extend(&graph.initializers);
                nodes.push(&graph.nodes);
            }
            let Some(all) = nodes.pop() else { return tensors };
            for attribute in all.iter().flat_map(|node| &node.attributes) {
                tensors.extend(attribute.tensor.as_deref());
                graphs.extend(&attribute.graphs);
            }
            if nodes.is_empty() && !graphs.is_empty() {
                nodes.push(&[]);
            }
        }
    }
}

/// Returns the number of nodes, with those of the graphs inside them.
fn count(nodes: &[NodeProto<'_>]) -> usize {
    let inner = nodes.iter().flat_map(|node| &node.attributes).flat_map(|attribute| &attribute.graphs);
    nodes.len() + inner.map(|graph| count(&graph.nodes)).sum::<usize>()
}

/// Returns whether this is the domain of ONNX's own operators.
fn is_standard(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

impl<'a> Function<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self> {
        let mut function = Function::default();
        each_field(bytes, |number, field| {
            match number {
                1 => function.name = field.text()?,
                4 => push(&mut function.inputs, field.text()?)?,
                5 => push(&mut function.outputs, field.text()?)?,
                7 => push(&mut function.nodes, NodeProto::decode(field.bytes()?, 0)?)?,
                9 => push(&mut function.opsets, opset(field.bytes()?)?)?,
                11 => push(&mut function.defaults, Attribute::decode(field.bytes()?, 0)?)?,
                10 => function.domain = field.text()?,
                13 => function.overload = field.text()?,
                _ => field.skip()?,
            }
            Ok(())
        })?;
        function.count = count(&function.nodes);
        Ok(function)
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
    /// Adds the fields of a graph that is inside that many others.
    fn merge(&mut self, bytes: &'a [u8], depth: usize) -> Result<()> {
        each_field(bytes, |number, field| {
            match number {
                1 => push(&mut self.nodes, NodeProto::decode(field.bytes()?, depth)?)?,
                5 => push(&mut self.initializers, Tensor::decode(field.bytes()?)?)?,
                11 => push(&mut self.inputs, ValueInfo::decode(field.bytes()?)?)?,
                12 => push(&mut self.outputs, ValueInfo::decode(field.bytes()?)?)?,
                13 => push(&mut self.values, ValueInfo::decode(field.bytes()?)?)?,
                _ => field.skip()?,
            }
            Ok(())
        })
    }
}

impl<'a> NodeProto<'a> {
    fn decode(bytes: &'a [u8], depth: usize) -> Result<Self> {
        let mut node = NodeProto::default();
        each_field(bytes, |number, field| {
            match number {
                1 => push(&mut node.inputs, field.text()?)?,
                2 => push(&mut node.outputs, field.text()?)?,
                3 => node.name = field.text()?,
                4 => node.op_type = field.text()?,
                5 => push(&mut node.attributes, Attribute::decode(field.bytes()?, depth)?)?,
                7 => node.domain = field.text()?,
                8 => node.overload = field.text()?,
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
        self.attributes.iter().any(|attribute| attribute.skipped || !attribute.graphs.is_empty())
    }

    /// Returns whether an attribute has the value of another one, which the function around the node has.
    pub(super) fn has_reference(&self) -> bool {
        self.attributes.iter().any(|attribute| attribute.reference.is_some())
    }

    /// Returns whether the operator is ONNX's own.
    pub(super) fn is_standard(&self) -> bool {
        is_standard(self.domain)
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

    fn decode(bytes: &'a [u8], depth: usize) -> Result<Self> {
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
                9 => push(&mut attribute.strings, field.bytes()?)?,
                6 | 11 if depth < DEEPEST => {
                    let mut graph = Graph::default();
                    graph.merge(field.bytes()?, depth + 1)?;
                    push(&mut attribute.graphs, graph)?;
                }
                6 | 11 => {
                    attribute.skipped = true;
                    field.skip()?;
                }
                21 => attribute.reference = Some(field.text()?),
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
                        inside(shape, 1, &mut |dim| push(dims, dim_value(dim)?))
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
