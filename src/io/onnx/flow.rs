//! Classifies the values of a graph: constants, shapes, and the outputs of recurrent nodes that go to the
//! next node.
//!
//! It makes one pass over the nodes, for which ONNX requires topological order. It enters the graphs inside
//! nodes and the functions that nodes call.

mod axes;
mod scope;
mod step;
mod value;

use std::borrow::Cow;
use std::collections::HashMap;

use super::fold::{Constants, Operand};
use super::node::Node;
use super::operator::{Operator, is_foreign, kind};
use super::proto::{DEEPEST, Function, Model, NodeProto};
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::array::push;
use crate::io::format_error;
use axes::{Axes, Letter};
use scope::Scope;
pub(super) use scope::Scopes;
pub(super) use value::{Nodes, Value};

/// The number of nodes of functions that are visited, for each node of the file and in any case. Functions
/// that call functions could ask for any number.
const VISITS: usize = 8;
const LEAST_VISITS: usize = 256;
/// A limit above the number of inputs or outputs of any node.
const MOST_VALUES: usize = 4096;

/// A recurrent node and its connections.
#[derive(Debug)]
pub(super) struct Recurrent<'g> {
    pub(super) proto: &'g NodeProto<'g>,
    /// The names of the nodes that contain the node and its own name.
    pub(super) path: String,
    /// The operator, if it is one that can be read.
    pub(super) operator: Option<Operator>,
    /// The node, or the error that rejects it.
    pub(super) node: Result<Node<'g>, Error>,
    /// The recurrent node whose Y is this node's X, as in a stacked layer.
    pub(super) below: Option<usize>,
    /// The number of recurrent nodes that read this node's Y as their X.
    pub(super) readers: usize,
    /// Whether Y goes anywhere else.
    pub(super) escapes: bool,
    /// The recurrent nodes that the outputs depend on, without this one.
    sources: Nodes,
    /// The recurrent nodes that the initial states depend on.
    pub(super) state_sources: Nodes,
    /// T and N, if the file states them.
    sizes: [Option<usize>; 2],
}

/// A model's values and recurrent nodes.
#[derive(Debug)]
pub(super) struct Flow<'g> {
    scopes: Scopes<'g>,
    pub(super) nodes: Vec<Recurrent<'g>>,
    functions: HashMap<[&'g str; 3], &'g Function<'g>>,
    /// The number of nodes of functions that may still be visited.
    visits: usize,
}

impl<'g> Flow<'g> {
    /// Follows the values through a model.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] if two nodes produce the same value.
    pub(super) fn new(model: &'g Model<'g>, opset: i64, constants: Constants<'g>) -> Result<Self, Error> {
        let key = |one: &'g Function<'g>| ([one.domain, one.name, one.overload], one);
        let mut flow = Flow {
            scopes: Scopes { constants, all: Vec::new() },
            nodes: Vec::new(),
            functions: model.functions.iter().map(key).collect(),
            visits: LEAST_VISITS + VISITS * model.nodes,
        };
        if let Some(graph) = &model.graph {
            flow.scopes.all.push(Scope::of_graph(graph, Nodes::default(), String::new(), opset)?);
            flow.visit(&graph.nodes)?;
            graph.outputs.iter().for_each(|output| flow.escape(output.name));
        }
        Ok(flow)
    }

    /// Visits the nodes of the innermost scope.
    fn visit(&mut self, nodes: &'g [NodeProto<'g>]) -> Result<(), Error> {
        for proto in nodes {
            if proto.inputs.len().max(proto.outputs.len()) > MOST_VALUES {
                let what = format!("node {:?}", self.scopes.path_of(proto));
                let found = format!("{} and {}", proto.inputs.len(), proto.outputs.len());
                let expected = format!("at most {MOST_VALUES} inputs and outputs");
                return Err(format_error(&what, expected, found));
            }
            let outputs = self.outputs(proto)?;
            let Some(scope) = self.scopes.all.last_mut() else { return Ok(()) };
            scope.make_room(proto.outputs.len())?;
            for (&name, value) in proto.outputs.iter().zip(outputs) {
                if !name.is_empty() && scope.values.insert(name, value).is_some() {
                    let what = format!("value {name:?}");
                    return Err(format_error(&what, "one node or initializer that gives it", "several"));
                }
            }
        }
        Ok(())
    }

    /// Returns the outputs of a node.
    fn outputs(&mut self, proto: &'g NodeProto<'g>) -> Result<Vec<Value<'g>>, Error> {
        let key = [proto.domain, proto.op_type, proto.overload];
        match (self.functions.get(&key).copied(), Operator::of(proto)) {
            (Some(function), _) => self.call(proto, function),
            (None, Some(operator)) => self.recurrent(proto, operator),
            (None, None) if proto.has_graph() => self.bodies(proto),
            (None, None) if is_foreign(proto) => self.foreign(proto),
            (None, None) if proto.has_reference() => Ok(self.opaque(proto)),
            (None, None) => step::outputs(proto, self),
        }
    }

    /// Visits the nodes of a function, and returns the outputs of the node that calls it.
    fn call(
        &mut self,
        proto: &'g NodeProto<'g>,
        function: &'g Function<'g>,
    ) -> Result<Vec<Value<'g>>, Error> {
        let visits = self.visits.checked_sub(function.count);
        let (Some(visits), true) = (visits, self.scopes.all.len() <= DEEPEST) else {
            return Ok(self.opaque(proto));
        };
        self.visits = visits;
        let inputs = function.inputs.iter().zip(&proto.inputs);
        let values =
            inputs.filter_map(|(&name, given)| Some((name, self.get(given)?.into_owned()))).collect();
        let opset = Model::version(&function.opsets).unwrap_or_else(|| self.scopes.opset());
        let given = proto.attributes.iter();
        let given = given.filter_map(|attribute| Some((attribute.name, self.scopes.attribute(attribute)?)));
        let defaults = function.defaults.iter().map(|attribute| (attribute.name, attribute));
        let attributes = defaults.chain(given).collect();
        let (shapes, path) = (HashMap::new(), self.scopes.path(proto));
        self.scopes.all.push(Scope { values, shapes, path, opset, attributes, is_function: true });
        self.visit(&function.nodes)?;
        let all = Value::Computed(Nodes::first(self.nodes.len()));
        let scope = self.scopes.all.pop();
        let found =
            |name: &&str| scope.as_ref().and_then(|scope| scope.values.get(name)).unwrap_or(&all).clone();
        Ok(function.outputs.iter().map(found).collect())
    }

    /// Visits the graphs inside a node, and returns the node's outputs.
    fn bodies(&mut self, proto: &'g NodeProto<'g>) -> Result<Vec<Value<'g>>, Error> {
        proto.inputs.iter().for_each(|name| self.escape(name));
        let sources = self.sources(proto);
        let taken = step::branch(proto, self);
        let mut chosen = None;
        for attribute in &proto.attributes {
            for graph in &attribute.graphs {
                if self.scopes.all.len() > 2 * DEEPEST {
                    return Ok(self.opaque(proto));
                }
                let path = format!("{}{}/", self.scopes.path(proto), scope::shortened(attribute.name));
                self.scopes.all.push(Scope::of_graph(graph, sources, path, self.scopes.opset())?);
                self.visit(&graph.nodes)?;
                graph.outputs.iter().for_each(|output| self.escape(output.name));
                if taken == Some(attribute.name) {
                    let value = |name| Some(self.without_sequence(self.get(name)?.into_owned()));
                    chosen =
                        graph.outputs.iter().map(|output| value(output.name)).collect::<Option<Vec<_>>>();
                }
                self.scopes.all.pop();
            }
        }
        Ok(chosen.unwrap_or_else(|| self.opaque(proto)))
    }

    /// Returns the outputs of a node of which nothing is known.
    fn opaque(&mut self, proto: &NodeProto<'g>) -> Vec<Value<'g>> {
        proto.inputs.iter().for_each(|name| self.escape(name));
        vec![Value::Computed(Nodes::first(self.nodes.len())); proto.outputs.len()]
    }

    /// Adds a recurrent node, and returns its outputs.
    fn recurrent(&mut self, proto: &'g NodeProto<'g>, operator: Operator) -> Result<Vec<Value<'g>>, Error> {
        let path = self.scopes.path_of(proto);
        let node = Node::read(proto, operator, &self.scopes, &path);
        let below = self.below(proto, node.as_ref().ok());
        // Marks the sequences that this node reads in another way than a stacked layer does.
        for (place, name) in proto.inputs.iter().enumerate() {
            if place > 0 || below.is_none() {
                self.escape(name);
            }
        }
        let sizes = match (below, &node) {
            (Some(below), _) => {
                self.nodes[below].readers += 1;
                self.nodes[below].sizes
            }
            (None, Ok(node)) => self.steps_and_rows(proto, node.batch_first),
            (None, Err(_)) => [None, None],
        };
        let batch_first = node.as_ref().ok().map(|node| node.batch_first);
        let (index, state) = self.push(proto, path, Some(operator), node, below, sizes)?;
        let y = match batch_first {
            Some(batch_first) => Value::Sequence {
                node: index,
                axes: Axes::of_output(batch_first, |letter| self.nodes[index].size(letter)),
            },
            None => state.clone(),
        };
        Ok(vec![y, state.clone(), state])
    }

    /// Adds a recurrent node of a domain that is not known, and returns its outputs.
    fn foreign(&mut self, proto: &'g NodeProto<'g>) -> Result<Vec<Value<'g>>, Error> {
        let path = self.scopes.path_of(proto);
        let expected = "RNN, GRU or LSTM of ONNX, or com.microsoft.DynamicQuantizeLSTM";
        let error = format_error(&format!("node {path:?}: operator"), expected, kind(proto));
        let outputs = self.opaque(proto);
        self.push(proto, path, None, Err(error), None, [None, None])?;
        Ok(outputs)
    }

    /// Adds a node, and returns its index and what its states depend on.
    fn push(
        &mut self,
        proto: &'g NodeProto<'g>,
        path: String,
        operator: Option<Operator>,
        node: Result<Node<'g>, Error>,
        below: Option<usize>,
        sizes: [Option<usize>; 2],
    ) -> Result<(usize, Value<'g>), Error> {
        let states = [5, 6].into_iter().filter_map(|place| self.get(proto.input(place)?));
        let state_sources = states.map(|value| self.nodes_of(&value)).fold(Nodes::default(), Nodes::union);
        let sources = self.sources(proto);
        let index = self.nodes.len();
        let (readers, escapes) = (0, false);
        let node =
            Recurrent { proto, path, operator, node, below, readers, escapes, sources, state_sources, sizes };
        push("recurrent nodes", &mut self.nodes, node)?;
        Ok((index, Value::Computed(sources.union(Nodes::one(index)))))
    }

    /// Returns the node whose Y is this node's X.
    fn below(&self, proto: &NodeProto<'_>, node: Option<&Node<'_>>) -> Option<usize> {
        match &*self.get(proto.input(0)?)? {
            Value::Sequence { node: below, axes } => {
                let size = |letter| self.nodes.get(*below)?.size(letter);
                axes.is_input(node?.batch_first, size).then_some(*below)
            }
            _ => None,
        }
    }

    /// Returns the value of that name. A sequence of a graph around this one is no longer followed.
    fn get(&self, name: &str) -> Option<Cow<'_, Value<'g>>> {
        let (depth, value) = self.scopes.find(name)?;
        Some(match value {
            Value::Sequence { .. } if depth > 0 => Cow::Owned(self.without_sequence(value.clone())),
            value => Cow::Borrowed(value),
        })
    }

    /// Returns a value that is computed in place of a sequence.
    fn without_sequence(&self, value: Value<'g>) -> Value<'g> {
        match value {
            Value::Sequence { .. } => Value::Computed(self.nodes_of(&value)),
            value => value,
        }
    }

    /// Records that a value is used outside a stacked layer.
    fn escape(&mut self, name: &str) {
        if let Some(&Value::Sequence { node, .. }) = self.scopes.get(name) {
            self.nodes[node].escapes = true;
        }
    }

    /// Returns the recurrent nodes that a value depends on.
    fn nodes_of(&self, value: &Value<'_>) -> Nodes {
        match value {
            Value::Constant(_) => Nodes::default(),
            Value::Sequence { node, .. } => self.nodes[*node].sources.union(Nodes::one(*node)),
            Value::Shaped { nodes, .. } | Value::Computed(nodes) => *nodes,
        }
    }

    /// Returns the recurrent nodes that a node's inputs depend on.
    fn sources(&self, proto: &NodeProto<'_>) -> Nodes {
        let inputs = proto.inputs.iter().filter_map(|name| self.get(name));
        inputs.map(|value| self.nodes_of(&value)).fold(Nodes::default(), Nodes::union)
    }

    /// Returns T and N as the file states them for X.
    fn steps_and_rows(&self, proto: &NodeProto<'_>, batch_first: bool) -> [Option<usize>; 2] {
        let size = |size: Option<i64>| usize::try_from(size?).ok();
        match proto.input(0).and_then(|name| self.scopes.stated(name)) {
            Some(&[first, second, _]) if batch_first => [size(second), size(first)],
            Some(&[first, second, _]) => [size(first), size(second)],
            _ => [None, None],
        }
    }

    /// Returns the shape of a value that is computed, as far as it is known.
    fn shape_of(&self, name: &str, value: &Value<'g>) -> Operand<'g> {
        let stated = |size: &Option<i64>| usize::try_from((*size)?).ok();
        match (value, self.scopes.stated(name)) {
            (Value::Sequence { node, axes }, _) => {
                let size = |letter: Letter| self.nodes[*node].size(letter);
                Operand::Shape(axes.sizes(size).into())
            }
            (_, Some(sizes)) => Operand::Shape(sizes.iter().map(stated).collect::<Vec<_>>().into()),
            _ => Operand::any_shape(),
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
