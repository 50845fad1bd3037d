//! The values of a graph.

use std::collections::HashMap;

use super::axes::{Axes, Dim};
use crate::io::onnx::pieces::Pieces;
use crate::io::onnx::proto::Tensor;

/// The known properties of a value.
#[derive(Clone, Debug)]
pub(in crate::io::onnx) enum Value<'g> {
    /// A constant of the file.
    Tensor(&'g Tensor<'g>),
    /// Parts of constants of the file.
    Pieces(Pieces<'g>),
    /// Zeros of any shape.
    Zeros,
    /// Computed from constants, and not known to be zeros.
    Fixed,
    /// Sizes: a shape, or a part of one.
    Sizes(Vec<Dim>),
    /// A recurrent node's Y with rearranged axes.
    Sequence { node: usize, axes: Axes },
    /// Any other value that depends on the graph's inputs; `recurrent` if it does so through a recurrent
    /// node.
    Computed { recurrent: bool },
}

impl Value<'_> {
    /// Returns a description for errors.
    pub(in crate::io::onnx) fn description(&self) -> &'static str {
        match self {
            Value::Tensor(_) | Value::Pieces(_) => "a constant",
            Value::Zeros | Value::Fixed => {
                "a value computed from constants (fold them when the model is exported)"
            }
            Value::Sizes(_) => "a shape",
            Value::Sequence { .. } | Value::Computed { .. } => "a value that depends on the model's inputs",
        }
    }

    /// Returns the value of a node's further outputs if this is the first one. It has the same kind with
    /// less detail.
    pub(super) fn part(&self) -> Self {
        match self {
            Value::Zeros => Value::Zeros,
            Value::Tensor(_) | Value::Pieces(_) | Value::Fixed => Value::Fixed,
            Value::Sizes(_) => Value::Sizes(Vec::new()),
            Value::Sequence { .. } => Value::Computed { recurrent: true },
            Value::Computed { recurrent } => Value::Computed { recurrent: *recurrent },
        }
    }

    pub(super) fn is_recurrent(&self) -> bool {
        matches!(self, Value::Sequence { .. } | Value::Computed { recurrent: true })
    }
}

/// The values of a graph by name.
pub(in crate::io::onnx) type Values<'g> = HashMap<&'g str, Value<'g>>;
