//! Derives the outputs of a node from its inputs.

use std::borrow::Cow;

use super::axes::Dim;
use super::{Axes, Flow, Nodes, Value};
use crate::Error;
use crate::io::onnx::fold::{Operand, bound, moves, place};
use crate::io::onnx::proto::NodeProto;

/// The maximum number of sizes that are tracked. Shapes have no more sizes, and indices have fewer.
const MOST_SIZES: usize = Axes::MOST;

/// Returns the outputs of a node that is not recurrent.
pub(super) fn outputs<'g>(proto: &'g NodeProto<'g>, flow: &mut Flow<'g>) -> Result<Vec<Value<'g>>, Error> {
    let step = Step { proto, flow };
    let followed = step.followed();
    let asks_for_its_shape = step.is("Shape");
    if !asks_for_its_shape && !matches!(followed, Some(Value::Sequence { .. })) {
        for name in &proto.inputs {
            flow.escape(name);
        }
    }
    match followed {
        Some(value) => {
            let sources = flow.nodes_of(&value);
            let mut outputs = vec![Value::Computed(sources); proto.outputs.len().max(1)];
            outputs[0] = value;
            Ok(outputs)
        }
        None => folded(proto, flow),
    }
}

/// Returns the name of the branch that an If takes, if it is known.
pub(super) fn branch<'g>(proto: &'g NodeProto<'g>, flow: &Flow<'g>) -> Option<&'static str> {
    if !proto.is_standard() || proto.op_type != "If" {
        return None;
    }
    match flow.scopes.ints(&*flow.get(proto.input(0)?)?)?[..] {
        [0] => Some("else_branch"),
        [_] => Some("then_branch"),
        _ => None,
    }
}

/// Returns the outputs of a node as expressions of its inputs, or as computed values.
fn folded<'g>(proto: &'g NodeProto<'g>, flow: &mut Flow<'g>) -> Result<Vec<Value<'g>>, Error> {
    let mut shaped = false;
    let operand = |name: &&'g str| match flow.get(name).as_deref() {
        _ if name.is_empty() => Operand::Absent,
        Some(Value::Constant(operand)) => operand.clone(),
        Some(Value::Shaped { operand, .. }) => {
            shaped = true;
            operand.clone()
        }
        None | Some(Value::Sequence { .. } | Value::Computed(_)) => Operand::Computed,
    };
    let operands: Vec<Operand<'g>> = proto.inputs.iter().map(operand).collect();
    let is_computed = |operand: &Operand<'_>| matches!(operand, Operand::Computed);
    if operands.iter().any(is_computed) {
        // Other inputs only state the new shape.
        let reshapes = moves(proto.op_type) && proto.op_type != "Gather";
        let keeps = proto.is_standard()
            && (proto.op_type == "ConstantOfShape"
                || (reshapes && !operands.first().is_none_or(is_computed)));
        if !keeps {
            return Ok(vec![Value::Computed(flow.sources(proto)); proto.outputs.len().max(1)]);
        }
        shaped = true;
    }
    let dims = if shaped { Step { proto, flow }.dims() } else { Vec::new() };
    let nodes = flow.sources(proto);
    let mut outputs = Vec::new();
    for operand in flow.scopes.constants.add(proto, operands)? {
        let dims = if outputs.is_empty() { dims.clone() } else { Vec::new() };
        outputs.push(if shaped { Value::Shaped { dims, operand, nodes } } else { Value::Constant(operand) });
    }
    Ok(outputs)
}

struct Step<'f, 'g> {
    proto: &'g NodeProto<'g>,
    flow: &'f Flow<'g>,
}

impl<'g> Step<'_, 'g> {
    fn is(&self, op_type: &str) -> bool {
        self.proto.is_standard() && self.proto.op_type == op_type
    }

    fn input(&self, place: usize) -> Option<Cow<'_, Value<'g>>> {
        self.flow.get(self.proto.input(place)?)
    }

    /// Returns the first output if it is a value that was already known, a rearranged sequence or the shape
    /// of a value that is computed.
    fn followed(&self) -> Option<Value<'g>> {
        let name = self.proto.input(0)?;
        let input = self.flow.get(name)?;
        match self.proto.op_type {
            _ if !self.proto.is_standard() => None,
            "Identity" => Some(input.into_owned()),
            "Dropout" if self.is_inference() => Some(input.into_owned()),
            "Transpose" | "Squeeze" | "Unsqueeze" | "Reshape" => self.rearranged(&input),
            "Shape" if matches!(*input, Value::Sequence { .. } | Value::Computed(_)) => {
                Some(self.shape(name, &input))
            }
            _ => None,
        }
    }

    /// Returns whether a Dropout passes its input unchanged.
    fn is_inference(&self) -> bool {
        let Some(training) = self.proto.input(2) else { return true };
        self.flow.scopes.opset() < 12
            || matches!(self.flow.get(training).as_deref(), Some(Value::Constant(one)) if self.flow.scopes.constants.is_zero(one))
    }

    /// Returns the shape of a value that is computed.
    fn shape(&self, name: &str, value: &Value<'g>) -> Value<'g> {
        let mut operand = self.flow.shape_of(name, value);
        let mut dims = match value {
            Value::Sequence { node, axes } => axes.dims(*node),
            _ => Vec::new(),
        };
        let cut = |len: usize| {
            let [start, end] = [("start", 0), ("end", i64::MAX)]
                .map(|(name, default)| bound(self.int(name).unwrap_or(default), len));
            start..end.max(start)
        };
        dims = dims.get(cut(dims.len())).unwrap_or_default().to_vec();
        if let Operand::Shape(sizes) = &operand {
            operand = Operand::Shape(sizes.get(cut(sizes.len())).unwrap_or_default().into());
        }
        Value::Shaped { dims, operand, nodes: Nodes::default() }
    }

    /// Returns a sequence with rearranged axes.
    fn rearranged(&self, input: &Value<'g>) -> Option<Value<'g>> {
        let Value::Sequence { node, axes } = input else { return None };
        let axes = match self.proto.op_type {
            "Transpose" => axes.transposed(&self.ints_or_attribute(usize::MAX, "perm")?),
            "Squeeze" => axes.squeezed(self.ints_or_attribute(1, "axes").as_deref()),
            "Unsqueeze" => axes.unsqueezed(&self.ints_or_attribute(1, "axes")?),
            _ => {
                let shape = self.sizes_or_attribute().filter(|shape| !shape.is_empty())?;
                let zero_copies = self.int("allowzero").unwrap_or(0) == 0;
                let size = |letter| self.flow.nodes.get(*node)?.size(letter);
                axes.reshaped(*node, &shape, zero_copies, size)
            }
        };
        Some(Value::Sequence { node: *node, axes: axes? })
    }

    /// Returns the sizes of an output that depends on shapes; none if they are not known.
    fn dims(&self) -> Vec<Dim> {
        let known = || match self.proto.op_type {
            _ if !self.proto.is_standard() => None,
            "Squeeze" | "Unsqueeze" | "Reshape" | "Cast" => self.sizes(0),
            "Gather" => {
                let sizes = self.sizes(0)?;
                let picked =
                    self.ints(1)?.into_iter().map(|index| sizes.get(place(index, sizes.len())?).cloned());
                picked.collect()
            }
            "Slice" => self.slice(&self.sizes(0)?),
            "Mul" => {
                let (a, b) = (self.sizes(0)?, self.sizes(1)?);
                (a.len() == b.len()).then(|| a.iter().zip(&b).map(|(a, b)| a.product(b)).collect())
            }
            "Concat" => {
                let parts = (0..self.proto.inputs.len()).map(|place| self.sizes(place));
                // If nothing is known about one part, nothing is known about the whole.
                let parts =
                    parts.map(|part| part.filter(|part| !part.is_empty())).collect::<Option<Vec<_>>>()?;
                Some(parts.concat())
            }
            _ => None,
        };
        known().filter(|dims| dims.len() <= MOST_SIZES).unwrap_or_default()
    }

    fn slice(&self, sizes: &[Dim]) -> Option<Vec<Dim>> {
        let [starts, ends] =
            [(1, "starts"), (2, "ends")].map(|(place, name)| self.ints_or_attribute(place, name));
        let (&[start], &[end]) = (&starts?[..], &ends?[..]) else { return None };
        if self.proto.input(4).is_some() && self.ints(4)? != [1] {
            return None;
        }
        let [start, end] = [start, end].map(|place| bound(place, sizes.len()));
        Some(sizes.get(start..end)?.to_vec())
    }

    /// Returns an input as sizes if it can be used as sizes.
    fn sizes(&self, place: usize) -> Option<Vec<Dim>> {
        match &*self.input(place)? {
            Value::Shaped { dims, .. } if !dims.is_empty() => Some(dims.clone()),
            value => Some(self.flow.scopes.ints(value)?.into_iter().map(Dim::Known).collect()),
        }
    }

    /// Returns the shape of a Reshape.
    fn sizes_or_attribute(&self) -> Option<Vec<Dim>> {
        match self.proto.attribute("shape") {
            Some(attribute) if attribute.ints.len() > MOST_SIZES => None,
            Some(attribute) => Some(attribute.ints.iter().copied().map(Dim::Known).collect()),
            None => self.sizes(1),
        }
    }

    /// Returns the integers of a constant input.
    fn ints(&self, place: usize) -> Option<Vec<i64>> {
        self.flow.scopes.ints(&*self.input(place)?)
    }

    /// Returns the integers of an input, or of an attribute in opsets before it became an input.
    fn ints_or_attribute(&self, place: usize, name: &str) -> Option<Vec<i64>> {
        match self.proto.attribute(name) {
            Some(attribute) if attribute.ints.len() > MOST_SIZES => None,
            Some(attribute) => Some(attribute.ints.clone()),
            None => self.ints(place),
        }
    }

    fn int(&self, name: &str) -> Option<i64> {
        self.proto.attribute(name)?.int
    }
}
