//! Derives the outputs of a node from its inputs.

use super::axes::indices;
use super::{Axes, Dim, Flow, Value};
use crate::io::onnx::pieces::Pieces;
use crate::io::onnx::proto::{Attribute, NodeProto, Tensor};

/// The maximum number of sizes that are tracked. Shapes have no more sizes, and indices have fewer.
const MOST_SIZES: usize = Axes::MOST;

/// Returns the outputs of a node that is not recurrent.
pub(super) fn outputs<'g>(proto: &'g NodeProto<'g>, flow: &mut Flow<'g>, opset: i64) -> Vec<Value<'g>> {
    let value = Step { proto, flow, opset }.output();
    let asks_for_its_shape = proto.is_standard() && proto.op_type == "Shape";
    if !asks_for_its_shape && !matches!(value, Value::Sequence { .. }) {
        for name in &proto.inputs {
            flow.escape(name);
        }
    }
    let mut outputs = vec![value.part(); proto.outputs.len().max(1)];
    outputs[0] = value;
    outputs
}

struct Step<'f, 'g> {
    proto: &'g NodeProto<'g>,
    flow: &'f Flow<'g>,
    opset: i64,
}

impl<'g> Step<'_, 'g> {
    fn output(&self) -> Value<'g> {
        let known = match self.proto.op_type {
            _ if !self.proto.is_standard() => None,
            "Constant" => Some(self.constant()),
            "ConstantOfShape" => Some(self.constant_of_shape()),
            "Shape" => Some(self.shape()),
            "Identity" => self.input(0).cloned(),
            "Dropout" if self.is_inference() => self.input(0).cloned(),
            "Transpose" | "Squeeze" | "Unsqueeze" | "Reshape" => self.rearranged(),
            "Gather" | "Slice" | "Mul" => self.sizes(),
            "Cast" => self.sizes().or_else(|| self.cast_to_sizes()),
            "Concat" => self.concatenated(),
            _ => None,
        };
        known.or_else(|| Some(Value::Pieces(self.pieces()?))).unwrap_or_else(|| self.other())
    }

    fn input(&self, place: usize) -> Option<&Value<'g>> {
        self.flow.values.get(self.proto.input(place)?)
    }

    /// Returns the integers of a constant input.
    fn ints(&self, place: usize) -> Option<Vec<i64>> {
        ints(self.input(place)?)
    }

    /// Returns the integers of an input, or of an attribute in opsets before it became an input.
    fn ints_or_attribute(&self, place: usize, name: &str) -> Option<Vec<i64>> {
        match self.proto.attribute(name) {
            Some(attribute) => Some(attribute.ints.clone()),
            None => self.ints(place),
        }
    }

    fn int(&self, name: &str) -> Option<i64> {
        self.proto.attribute(name)?.int
    }

    fn constant(&self) -> Value<'g> {
        let Some(attribute) = self.proto.attributes.first() else { return Value::Fixed };
        match attribute.name {
            "value" => attribute.tensor.as_deref().map_or(Value::Fixed, Value::Tensor),
            "value_int" => Value::Sizes(vec![Dim::Known(attribute.int.unwrap_or(0))]),
            "value_ints" if attribute.ints.len() <= MOST_SIZES => {
                Value::Sizes(attribute.ints.iter().copied().map(Dim::Known).collect())
            }
            "value_float" if attribute.float.unwrap_or(0.0) == 0.0 => Value::Zeros,
            "value_floats" if attribute.floats.iter().all(|&byte| byte == 0) => Value::Zeros,
            _ => Value::Fixed,
        }
    }

    /// Returns zeros, unless the node has another value.
    fn constant_of_shape(&self) -> Value<'g> {
        let value =
            self.proto.attribute("value").map(|attribute: &Attribute<'_>| attribute.tensor.as_deref());
        let is_zero = value.is_none_or(|tensor| tensor.is_some_and(Tensor::is_zero));
        if is_zero { Value::Zeros } else { Value::Fixed }
    }

    /// Returns a sequence's shape. For other values, only the fact that it is a shape is known.
    fn shape(&self) -> Value<'g> {
        let Some(Value::Sequence { node, axes }) = self.input(0) else { return Value::Sizes(Vec::new()) };
        let dims = axes.dims(*node);
        let [start, end] = [("start", 0), ("end", i64::MAX)]
            .map(|(name, default)| clamped(self.int(name).unwrap_or(default), dims.len()));
        Value::Sizes(dims.get(start..end).unwrap_or_default().to_vec())
    }

    /// Returns whether a Dropout passes its input unchanged.
    fn is_inference(&self) -> bool {
        let training = self.proto.input(2).is_some();
        !(self.opset >= 12 && training) || self.flow.constant_is_zero(self.input(2))
    }

    /// Returns a sequence with rearranged axes. Sizes stay unchanged, since they have one axis or none.
    fn rearranged(&self) -> Option<Value<'g>> {
        let input = self.input(0)?;
        if as_sizes(input).is_some() && self.proto.op_type != "Transpose" {
            return self.sizes();
        }
        let Value::Sequence { node, axes } = input else { return None };
        let axes = match self.proto.op_type {
            "Transpose" => axes.transposed(&self.proto.attribute("perm")?.ints),
            "Squeeze" => axes.squeezed(self.ints_or_attribute(1, "axes").as_deref()),
            "Unsqueeze" => axes.unsqueezed(&self.ints_or_attribute(1, "axes")?),
            _ => {
                let shape = self.input(1).and_then(as_sizes).filter(|shape| !shape.is_empty())?;
                let zero_copies = self.int("allowzero").unwrap_or(0) == 0;
                axes.reshaped(*node, &shape, zero_copies, |letter| self.flow.nodes.get(*node)?.size(letter))
            }
        };
        Some(Value::Sequence { node: *node, axes: axes? })
    }

    /// Returns sizes that are selected from sizes or multiplied. Constants stay constants where they are
    /// useful as constants.
    fn sizes(&self) -> Option<Value<'g>> {
        let input = self.input(0)?;
        let is_shape = |value: Option<&Value<'_>>| matches!(value, Some(Value::Sizes(_)));
        if !is_shape(Some(input)) && !is_shape(self.input(1)) {
            return None;
        }
        let sizes = as_sizes(input)?;
        let found = match self.proto.op_type {
            "Gather" => self.ints(1).and_then(|places| {
                let picked = places.iter().map(|&place| sizes.get(index(place, sizes.len())?).cloned());
                picked.collect::<Option<Vec<_>>>()
            }),
            "Slice" => self.slice(&sizes),
            "Mul" => self
                .input(1)
                .and_then(as_sizes)
                .filter(|other| other.len() == sizes.len())
                .map(|other| sizes.iter().zip(&other).map(|(a, b)| a.product(b)).collect()),
            _ => Some(sizes),
        };
        Some(Value::Sizes(found.unwrap_or_default()))
    }

    /// Converts a constant shape of floats to integers. PyTorch's exporter wrote such shapes before opset 9.
    fn cast_to_sizes(&self) -> Option<Value<'g>> {
        const INT64: i64 = 7;
        let Some(Value::Tensor(tensor)) = self.input(0) else { return None };
        let count = tensor.dims.iter().try_fold(1i64, |count, &dim| count.checked_mul(dim))?;
        let count = usize::try_from(count).ok().filter(|&count| count <= MOST_SIZES)?;
        let mut floats = Vec::new();
        tensor.values("value").ok()?.append_f32(&(0..count), &mut floats)?;
        let whole = floats.iter().all(|value| value.fract() == 0.0 && value.abs() < 1e6);
        #[allow(clippy::cast_possible_truncation, reason = "whole numbers below a million")]
        let sizes = floats.into_iter().map(|value| Dim::Known(value as i64)).collect();
        (whole && self.int("to") == Some(INT64)).then_some(Value::Sizes(sizes))
    }

    fn slice(&self, sizes: &[Dim]) -> Option<Vec<Dim>> {
        let [starts, ends] =
            [(1, "starts"), (2, "ends")].map(|(place, name)| self.ints_or_attribute(place, name));
        let (&[start], &[end]) = (&starts?[..], &ends?[..]) else { return None };
        if self.proto.input(4).is_some() && self.ints(4)? != [1] {
            return None;
        }
        let [start, end] = [start, end].map(|place| clamped(place, sizes.len()));
        Some(sizes.get(start..end)?.to_vec())
    }

    /// Returns concatenated sizes, or zeros.
    fn concatenated(&self) -> Option<Value<'g>> {
        let inputs: Vec<&Value<'_>> =
            (0..self.proto.inputs.len()).map(|place| self.input(place)).collect::<Option<_>>()?;
        if inputs.iter().any(|value| matches!(value, Value::Sizes(_))) {
            let parts: Vec<Vec<Dim>> = inputs.iter().map(|value| as_sizes(value)).collect::<Option<_>>()?;
            // If nothing is known about one part, nothing is known about the whole.
            let known = parts.iter().all(|part| !part.is_empty());
            let whole = parts.concat();
            return Some(Value::Sizes(if known && whole.len() <= MOST_SIZES { whole } else { Vec::new() }));
        }
        let is_zero = |value: &&Value<'_>| self.flow.constant_is_zero(Some(value));
        let are_constants = inputs.iter().all(|value| matches!(value, Value::Tensor(_) | Value::Pieces(_)));
        (!are_constants && inputs.iter().all(is_zero)).then_some(Value::Zeros)
    }

    /// Returns slices of constants and their concatenations.
    fn pieces(&self) -> Option<Pieces<'g>> {
        if !self.proto.is_standard() {
            return None;
        }
        let pieces = as_pieces(self.input(0)?)?;
        let (shape, rank) = (pieces.shape(), pieces.shape().len());
        match self.proto.op_type {
            "Slice" => {
                let [starts, ends] =
                    [(1, "starts"), (2, "ends")].map(|(place, name)| self.ints_or_attribute(place, name));
                let (&[start], &[end]) = (&starts?[..], &ends?[..]) else { return None };
                let has_axes = self.proto.input(3).is_some() || self.proto.attribute("axes").is_some();
                let axes = if has_axes { self.ints_or_attribute(3, "axes")? } else { vec![0] };
                if axes.len() != 1 || (self.proto.input(4).is_some() && self.ints(4)? != [1]) {
                    return None;
                }
                let axis = index(axes[0], rank)?;
                let [start, end] =
                    [start, end].map(|place| clamped(place, shape.get(axis).copied().unwrap_or(0)));
                pieces.sliced(axis, start..end)
            }
            "Concat" => {
                let axis = index(self.int("axis")?, rank)?;
                let others = (1..self.proto.inputs.len()).map(|place| self.input(place).and_then(as_pieces));
                others.into_iter().try_fold(pieces, |whole, other| whole.joined(&other?, axis))
            }
            "Squeeze" => {
                let places = indices(&self.ints_or_attribute(1, "axes")?, rank)?;
                let kept = shape.iter().enumerate().filter(|(place, _)| !places.contains(place));
                let kept = kept.map(|(_, &size)| size).collect();
                places.iter().all(|&place| shape[place] == 1).then(|| pieces.with_shape(kept))
            }
            "Unsqueeze" => {
                let axes = self.ints_or_attribute(1, "axes")?;
                let rank = rank.checked_add(axes.len()).filter(|&rank| rank <= Axes::MOST)?;
                let places = indices(&axes, rank)?;
                let mut sizes = shape.iter();
                let size = |place| if places.contains(&place) { Some(1) } else { sizes.next().copied() };
                Some(pieces.with_shape((0..rank).map(size).collect::<Option<_>>()?))
            }
            _ => None,
        }
    }

    /// Returns what holds for any node: rearranged zeros stay zeros, constants give constants, and all other
    /// values are computed.
    fn other(&self) -> Value<'g> {
        const MOVES: [&str; 12] = [
            "Expand",
            "Slice",
            "Reshape",
            "Transpose",
            "Squeeze",
            "Unsqueeze",
            "Cast",
            "CastLike",
            "Gather",
            "Tile",
            "Split",
            "Flatten",
        ];
        let moves = self.proto.is_standard() && MOVES.contains(&self.proto.op_type);
        // The other inputs only state the new positions or the new shape.
        let data = if moves { 1 } else { self.proto.inputs.len() };
        let names = self.proto.inputs.iter().take(data).filter(|name| !name.is_empty());
        let inputs: Vec<Option<&Value<'_>>> = names.map(|name| self.flow.values.get(name)).collect();
        let is_computed = |value: &Option<&Value<'_>>| {
            matches!(value, None | Some(Value::Computed { .. } | Value::Sequence { .. }))
        };
        if moves && self.flow.constant_is_zero(self.input(0)) {
            Value::Zeros
        } else if self.proto.has_graph() || inputs.iter().any(is_computed) {
            let recurrent = inputs.iter().flatten().any(|value| value.is_recurrent());
            Value::Computed { recurrent: recurrent || self.proto.has_graph() }
        } else {
            Value::Fixed
        }
    }
}

impl Flow<'_> {
    fn constant_is_zero(&self, value: Option<&Value<'_>>) -> bool {
        match value {
            Some(Value::Zeros) => true,
            Some(Value::Tensor(tensor)) => tensor.is_zero(),
            Some(Value::Pieces(pieces)) => pieces.is_zero(),
            _ => false,
        }
    }
}

/// Returns the position of an index.
fn index(place: i64, len: usize) -> Option<usize> {
    let place = if place < 0 { place.checked_add(i64::try_from(len).ok()?)? } else { place };
    usize::try_from(place).ok()
}

/// Returns the position that an index means as a slice's bound, clamped to 0 and `len`.
fn clamped(place: i64, len: usize) -> usize {
    let signed = i64::try_from(len).unwrap_or(i64::MAX);
    let place = if place < 0 { place.saturating_add(signed).max(0) } else { place };
    usize::try_from(place).unwrap_or(usize::MAX).min(len)
}

/// Returns the integers of a constant that is no longer than a shape.
fn ints(value: &Value<'_>) -> Option<Vec<i64>> {
    let known = |dim: Dim| if let Dim::Known(value) = dim { Some(value) } else { None };
    as_sizes(value)?.into_iter().map(known).collect()
}

/// Returns a constant as parts of the file's tensors.
fn as_pieces<'g>(value: &Value<'g>) -> Option<Pieces<'g>> {
    match value {
        Value::Tensor(tensor) => Pieces::whole(tensor),
        Value::Pieces(pieces) => Some(pieces.clone()),
        _ => None,
    }
}

/// Returns a value as sizes if it can be used as sizes.
fn as_sizes(value: &Value<'_>) -> Option<Vec<Dim>> {
    match value {
        Value::Sizes(sizes) => Some(sizes.clone()),
        Value::Tensor(tensor)
            if tensor.dims.iter().all(|&dim| (0..=8).contains(&dim)) && tensor.dims.len() <= 1 =>
        {
            let values = tensor.values("value").ok()?.i64()?;
            Some(values.into_iter().map(Dim::Known).collect())
        }
        _ => None,
    }
}
