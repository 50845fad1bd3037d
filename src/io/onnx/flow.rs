//! Classifies the values of a graph: constants, zeros, shapes, and the outputs of recurrent nodes that go to
//! the next node.
//!
//! It makes one pass over the nodes, for which ONNX requires topological order, and computes only shapes.

mod axes;
mod step;
mod value;

use std::collections::HashMap;

use super::node::Node;
use super::operator::Operator;
use super::proto::{Graph, NodeProto};
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::io::format_error;
pub(super) use axes::Dim;
use axes::{Axes, Letter};
pub(super) use value::{Value, Values};

/// A recurrent node and its connections.
#[derive(Debug)]
pub(super) struct Recurrent<'g> {
    pub(super) proto: &'g NodeProto<'g>,
    pub(super) operator: Operator,
    /// The node, or the error that rejects it.
    pub(super) node: Result<Node<'g>, Error>,
    /// The recurrent node whose Y is this node's X, as in a stacked layer.
    pub(super) below: Option<usize>,
    /// The number of recurrent nodes that read this node's Y as their X.
    pub(super) readers: usize,
    /// Whether Y goes anywhere else.
    pub(super) escapes: bool,
    /// Whether an initial state comes from another recurrent node.
    pub(super) state_from_recurrent: bool,
    /// T and N, if the file states them.
    sizes: [Option<usize>; 2],
}

/// A graph's values and recurrent nodes.
#[derive(Debug)]
pub(super) struct Flow<'g> {
    pub(super) values: Values<'g>,
    pub(super) nodes: Vec<Recurrent<'g>>,
}

impl<'g> Flow<'g> {
    /// Follows the values through the graph.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] if two nodes produce the same value.
    pub(super) fn new(graph: &'g Graph<'g>, opset: i64) -> Result<Self, Error> {
        let inputs = graph.inputs.iter().map(|input| (input.name, Value::Computed { recurrent: false }));
        // An initializer may also be listed as an input; it is then the input's default.
        let initializers = graph.initializers.iter().map(|tensor| (tensor.name, Value::Tensor(tensor)));
        let mut flow = Flow { values: inputs.chain(initializers).collect(), nodes: Vec::new() };
        let shapes: HashMap<&str, &[Option<i64>]> = (graph.inputs.iter().chain(&graph.values))
            .filter_map(|info| Some((info.name, info.dims.as_deref()?)))
            .collect();
        for proto in &graph.nodes {
            let outputs = match Operator::of(proto) {
                Some(operator) => flow.recurrent(proto, operator, opset, &shapes),
                None => step::outputs(proto, &mut flow, opset),
            };
            for (&name, value) in proto.outputs.iter().zip(outputs) {
                if !name.is_empty() && flow.values.insert(name, value).is_some() {
                    let what = format!("value {name:?}");
                    return Err(format_error(&what, "one node or initializer that gives it", "several"));
                }
            }
        }
        for output in &graph.outputs {
            flow.escape(output.name);
        }
        Ok(flow)
    }

    /// Adds a recurrent node, and returns its outputs.
    fn recurrent(
        &mut self,
        proto: &'g NodeProto<'g>,
        operator: Operator,
        opset: i64,
        shapes: &HashMap<&str, &[Option<i64>]>,
    ) -> Vec<Value<'g>> {
        let node = Node::read(proto, operator, &self.values, opset);
        let below = self.below(proto, node.as_ref().ok());
        // Marks the sequences that this node reads in another way than a stacked layer does.
        proto.inputs.iter().enumerate().filter(|&(place, _)| place > 0 || below.is_none()).for_each(
            |(_, name)| {
                self.escape(name);
            },
        );
        let sizes = match (below, &node) {
            (Some(below), _) => {
                self.nodes[below].readers += 1;
                self.nodes[below].sizes
            }
            (None, Ok(node)) => sizes(proto, node.batch_first, shapes),
            (None, Err(_)) => [None, None],
        };
        let states = [5, 6].into_iter().filter_map(|place| self.values.get(proto.input(place)?));
        let state_from_recurrent = states.into_iter().any(Value::is_recurrent);
        let state = Value::Computed { recurrent: true };
        let batch_first = node.as_ref().ok().map(|node| node.batch_first);
        let index = self.nodes.len();
        let node = Recurrent {
            proto,
            operator,
            node,
            below,
            readers: 0,
            escapes: false,
            state_from_recurrent,
            sizes,
        };
        let y = match batch_first {
            Some(batch_first) => Value::Sequence {
                node: index,
                axes: Axes::of_output(batch_first, |letter| node.size(letter)),
            },
            None => state.clone(),
        };
        self.nodes.push(node);
        vec![y, state.clone(), state]
    }

    /// Returns the node whose Y is this node's X.
    fn below(&self, proto: &NodeProto<'_>, node: Option<&Node<'_>>) -> Option<usize> {
        match self.values.get(proto.input(0)?)? {
            Value::Sequence { node: below, axes } => {
                let size = |letter| self.nodes.get(*below)?.size(letter);
                axes.is_input(node?.batch_first, size).then_some(*below)
            }
            _ => None,
        }
    }

    /// Records that a value is used outside a stacked layer.
    fn escape(&mut self, name: &str) {
        if let Some(&Value::Sequence { node, .. }) = self.values.get(name) {
            self.nodes[node].escapes = true;
        }
    }
}

impl Recurrent<'_> {
    /// Returns the size of an axis of Y, if it is known.
    fn size(&self, letter: Letter) -> Option<usize> {
        let attributes = &self.node.as_ref().ok()?.attributes;
        match letter {
            Letter::T => self.sizes[0],
            Letter::N => self.sizes[1],
            Letter::D => Some(attributes.direction.count()),
            Letter::H => Some(attributes.hidden_size),
        }
    }
}

/// Returns T and N as the file states them for X.
fn sizes(
    proto: &NodeProto<'_>,
    batch_first: bool,
    shapes: &HashMap<&str, &[Option<i64>]>,
) -> [Option<usize>; 2] {
    let size = |size: Option<i64>| usize::try_from(size?).ok();
    match proto.input(0).and_then(|name| shapes.get(name)) {
        Some(&&[first, second, _]) if batch_first => [size(second), size(first)],
        Some(&&[first, second, _]) => [size(first), size(second)],
        _ => [None, None],
    }
}
