//! The values that a node can see: those of its own graph, and those of the graphs around it.

use std::borrow::Cow;
use std::collections::HashMap;

use super::axes::Axes;
use super::value::{Nodes, Value, Values};
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::error::Fault;
use crate::io::format_error;
use crate::io::onnx::array::Array;
use crate::io::onnx::fold::{Constants, Operand, unless_too_much};
use crate::io::onnx::proto::{Attribute, Graph, NodeProto};

/// The characters of a containing node's name that a path has at most.
const LONGEST: usize = 64;

/// The values of a graph or of a called function.
#[derive(Debug)]
pub(super) struct Scope<'g> {
    pub(super) values: Values<'g>,
    /// The shapes that the file states; `None` for a dimension that is not a number.
    pub(super) shapes: HashMap<&'g str, &'g [Option<i64>]>,
    /// The names of the containing nodes, each with a slash behind it.
    pub(super) path: String,
    pub(super) opset: i64,
    /// The attributes of a function's call.
    pub(super) attributes: HashMap<&'g str, &'g Attribute<'g>>,
    /// Whether values of the scopes around it cannot be seen.
    pub(super) is_function: bool,
}

impl<'g> Scope<'g> {
    /// Creates the scope of a graph whose inputs depend on these nodes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::OutOfMemory`].
    pub(super) fn of_graph(
        graph: &'g Graph<'g>,
        sources: Nodes,
        path: String,
        opset: i64,
    ) -> Result<Self, Error> {
        let inputs = graph.inputs.iter().map(|input| (input.name, Value::Computed(sources)));
        // An initializer may also be listed as an input; it is then the input's default.
        let constant = |tensor| Value::Constant(Operand::Tensor(tensor));
        let initializers = graph.initializers.iter().map(|tensor| (tensor.name, constant(tensor)));
        let stated = graph.inputs.iter().chain(&graph.values);
        let mut scope = Scope {
            values: Values::new(),
            shapes: HashMap::new(),
            path,
            opset,
            attributes: HashMap::new(),
            is_function: false,
        };
        scope.make_room(inputs.len() + initializers.len())?;
        scope.values.extend(inputs.chain(initializers));
        let count = graph.inputs.len() + graph.values.len();
        scope.shapes.try_reserve(count).map_err(|_| out_of_memory())?;
        scope.shapes.extend(stated.filter_map(|info| Some((info.name, info.dims.as_deref()?))));
        Ok(scope)
    }

    /// Makes room for further values.
    pub(super) fn make_room(&mut self, more: usize) -> Result<(), Error> {
        self.values.try_reserve(more).map_err(|_| out_of_memory())
    }
}

/// The values that a node can see, and the constants behind them.
#[derive(Debug)]
pub(in crate::io::onnx) struct Scopes<'g> {
    pub(in crate::io::onnx) constants: Constants<'g>,
    /// The graphs and functions that contain the node that is visited, the outermost first.
    pub(super) all: Vec<Scope<'g>>,
}

impl<'g> Scopes<'g> {
    /// Returns the value of that name, and the number of graphs between it and the node.
    pub(super) fn find(&self, name: &str) -> Option<(usize, &Value<'g>)> {
        self.visible().enumerate().find_map(|(depth, scope)| Some((depth, scope.values.get(name)?)))
    }

    /// Returns the value of that name.
    pub(in crate::io::onnx) fn get(&self, name: &str) -> Option<&Value<'g>> {
        Some(self.find(name)?.1)
    }

    /// Returns the scopes that can be seen, the innermost first.
    fn visible(&self) -> impl Iterator<Item = &Scope<'g>> {
        let function = self.all.iter().rposition(|scope| scope.is_function).unwrap_or(0);
        self.all[function..].iter().rev()
    }

    /// Returns the version of ONNX's operators in the innermost scope.
    pub(in crate::io::onnx) fn opset(&self) -> i64 {
        self.all.last().map_or(0, |scope| scope.opset)
    }

    /// Returns an attribute of a node, with the value that the call of a function around the node gives it.
    pub(in crate::io::onnx) fn attribute(&self, attribute: &'g Attribute<'g>) -> Option<&'g Attribute<'g>> {
        let Some(name) = attribute.reference else { return Some(attribute) };
        self.visible().last()?.attributes.get(name).copied()
    }

    /// Returns the path of the graphs inside a node.
    pub(super) fn path(&self, proto: &NodeProto<'_>) -> String {
        let outer = self.all.last().map_or("", |scope| &scope.path);
        format!("{outer}{}/", shortened(proto.label()))
    }

    /// Returns the full name of a node.
    pub(super) fn path_of(&self, proto: &NodeProto<'_>) -> String {
        let outer = self.all.last().map_or("", |scope| &scope.path);
        format!("{outer}{}", proto.label())
    }

    /// Returns the shape that the file states for a value.
    pub(super) fn stated(&self, name: &str) -> Option<&'g [Option<i64>]> {
        self.visible().find_map(|scope| scope.shapes.get(name).copied())
    }

    /// Returns a constant. A value that depends on shapes is one if it is the same for different sizes.
    ///
    /// # Errors
    ///
    /// The same as [`Constants::value`](crate::io::onnx::fold::Constants::value); [`ErrorKind::File`] for a
    /// value that is no constant.
    pub(in crate::io::onnx) fn constant(&self, value: &Value<'g>, what: &str) -> Result<Array<'g>, Error> {
        let varies = || format_error(what, "a constant", value.description());
        match value {
            Value::Constant(operand) => self.constants.value(operand, 0, what),
            Value::Shaped { operand, .. } => {
                let with = |size| unless_too_much(self.constants.value(operand, size, what));
                let (two, three) = (with(2)?, with(3)?);
                two.filter(|two| three.is_some_and(|three| three == *two)).ok_or_else(varies)
            }
            Value::Sequence { .. } | Value::Computed(_) => Err(varies()),
        }
    }

    /// Returns the integers of a constant that is no longer than a shape.
    pub(super) fn ints(&self, value: &Value<'g>) -> Option<Vec<i64>> {
        if let Value::Constant(Operand::Tensor(tensor)) = value {
            let few = tensor.dims.len() <= 1 && tensor.dims.iter().all(|dim| (0..=8).contains(dim));
            few.then_some(())?;
        }
        let array = self.constant(value, "value").ok()?;
        let fits = array.shape.len() <= 1 && array.len() <= Axes::MOST && !array.is_float();
        fits.then(|| array.i64s().collect())
    }
}

fn out_of_memory() -> Error {
    Error::from(Fault::OutOfMemory { found: "the values of an ONNX graph".into() })
}

/// Returns a name with its first characters only, so that no file makes all paths long.
pub(super) fn shortened(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(LONGEST) {
        Some((end, _)) => Cow::Owned(format!("{}…", &name[..end])),
        None => Cow::Borrowed(name),
    }
}
