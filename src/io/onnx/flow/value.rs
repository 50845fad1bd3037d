//! The values of a graph.

use std::collections::HashMap;

use super::axes::{Axes, Dim};
use crate::io::onnx::fold::Operand;

/// A set of recurrent nodes, by their index. All nodes from the 127th on share an element, so that the set
/// may say too much, and never too little.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::io::onnx) struct Nodes(u128);

impl Nodes {
    pub(in crate::io::onnx) fn one(index: usize) -> Self {
        Nodes(1 << index.min(127))
    }

    /// Returns the set of the first nodes.
    pub(super) fn first(count: usize) -> Self {
        (0..count.min(128)).map(Nodes::one).fold(Nodes::default(), Nodes::union)
    }

    pub(in crate::io::onnx) fn union(self, other: Self) -> Self {
        Nodes(self.0 | other.0)
    }

    pub(in crate::io::onnx) fn has_any_of(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// The known properties of a value.
#[derive(Clone, Debug)]
pub(in crate::io::onnx) enum Value<'g> {
    /// Made of constants alone.
    Constant(Operand<'g>),
    /// Made of constants and of the shapes of other values. If it is a shape, `dims` has its sizes, as far
    /// as they are known. The positions of its values may depend on these recurrent nodes.
    Shaped { dims: Vec<Dim>, operand: Operand<'g>, nodes: Nodes },
    /// A recurrent node's Y with rearranged axes.
    Sequence { node: usize, axes: Axes },
    /// Any other value that depends on the graph's inputs, through these recurrent nodes among others.
    Computed(Nodes),
}

impl Value<'_> {
    /// Returns a description for errors.
    pub(in crate::io::onnx) fn description(&self) -> &'static str {
        match self {
            Value::Constant(_) => "a constant",
            Value::Shaped { .. } => "a value that depends on the shapes of the model's inputs",
            Value::Sequence { .. } | Value::Computed { .. } => "a value that depends on the model's inputs",
        }
    }
}

/// The values of a graph by name.
pub(in crate::io::onnx) type Values<'g> = HashMap<&'g str, Value<'g>>;
