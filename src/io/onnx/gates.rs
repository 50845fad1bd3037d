//! Converts a node's tensors to PyTorch's parameters: in PyTorch's order of gates, with separate biases and
//! separate directions.

use ndarray::{Array1, ArrayD, IxDyn};

use super::array::Array;
use super::node::Node;
use super::operator::Operator;
#[cfg(doc)]
use crate::ErrorKind;
use crate::array::{reserved, zeroed};
use crate::error::Fault;
use crate::{Config, Error, Parameter, ParameterKind};

/// Returns, for each gate in PyTorch's order, its index in ONNX's order: i f g o in i o f c, and r z n in z
/// r h.
fn order(operator: Operator) -> &'static [usize] {
    match operator {
        Operator::Rnn => &[0],
        Operator::Gru => &[1, 0, 2],
        Operator::Lstm => &[0, 2, 3, 1],
    }
}

/// Returns a parameter of a node's layer; the biases of a node without biases are zeros.
///
/// # Errors
///
/// [`ErrorKind::OutOfMemory`] if there is not enough memory for it.
pub(super) fn parameter(
    node: &Node<'_>,
    config: &Config,
    parameter: &Parameter,
) -> Result<ArrayD<f32>, Error> {
    let shape = parameter.shape(config);
    let rows = node.attributes.operator.gates() * node.attributes.hidden_size;
    let direction = usize::from(parameter.reverse);
    if parameter.kind == ParameterKind::WeightCh {
        return peepholes(node, direction);
    }
    // The row of its tensor at which the direction's first gate begins.
    let (tensor, first) = match parameter.kind {
        ParameterKind::WeightIh => (Some(&node.w), direction * rows),
        ParameterKind::WeightHh => (Some(&node.r), direction * rows),
        ParameterKind::BiasIh => (node.b.as_ref(), direction * 2 * rows),
        // ONNX has no projections.
        ParameterKind::BiasHh | ParameterKind::WeightHr | ParameterKind::WeightCh => {
            (node.b.as_ref(), (direction * 2 + 1) * rows)
        }
    };
    let Some(tensor) = tensor else { return zeroed(&node.what, &shape) };
    let columns = shape.get(1).copied().unwrap_or(1);
    let values = gates(node, tensor, first, columns)?;
    let found = vec![values.len()];
    ArrayD::from_shape_vec(IxDyn(&shape), values).map_err(|_| {
        Error::from(Fault::Shape { name: format!("{}: {parameter}", node.what), expected: shape, found })
    })
}

/// Returns the peepholes `[3*H]` in the order i f o, from ONNX's i o f.
fn peepholes(node: &Node<'_>, direction: usize) -> Result<ArrayD<f32>, Error> {
    let size = node.attributes.hidden_size;
    let mut values = reserved("peepholes", 3 * size)?;
    for gate in [0, 2, 1] {
        let start = (direction * 3 + gate) * size;
        // A missing part would give an error for the wrong shape.
        let _ = node.p.as_ref().and_then(|p| p.append_f32(&(start..start + size), &mut values));
    }
    Ok(Array1::from_vec(values).into_dyn())
}

/// Returns the rows of each gate in PyTorch's order; `first` is the first row of the direction.
fn gates(node: &Node<'_>, tensor: &Array<'_>, first: usize, columns: usize) -> Result<Vec<f32>, Error> {
    let order = order(node.attributes.operator);
    let size = node.attributes.hidden_size * columns;
    let mut values = Vec::new();
    values.try_reserve_exact(order.len() * size).map_err(|_| {
        Error::from(Fault::OutOfMemory { found: format!("{}: {} parameters", node.what, order.len() * size) })
    })?;
    for gate in order {
        let start = first * columns + gate * size;
        // A missing part would give an error for the wrong shape.
        let _ = tensor.append_f32(&(start..start + size), &mut values);
    }
    Ok(values)
}
