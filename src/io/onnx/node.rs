//! A recurrent node: its attributes and inputs, checked against the operator. They are not yet checked for
//! what the crate supports.

use super::flow::{Dim, Value, Values as Graph};
use super::operator::{Direction, Operator};
use super::proto::{Attribute, NodeProto, Tensor};
use super::tensor::Values;
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::error::Fault;
use crate::io::format_error;

/// A node's settings for its cell. They are equal in all nodes that were exported from one stacked layer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Attributes {
    pub(super) operator: Operator,
    pub(super) direction: Direction,
    /// f, g and h for each direction; the operator's defaults if the node has none.
    pub(super) activations: Vec<String>,
    pub(super) activation_alpha: Vec<f32>,
    pub(super) activation_beta: Vec<f32>,
    pub(super) clip: Option<f32>,
    /// A GRU's attribute; 0 by default.
    pub(super) linear_before_reset: i64,
    /// An LSTM's attribute; 0 by default.
    pub(super) input_forget: i64,
    /// H.
    pub(super) hidden_size: usize,
}

/// The source of an initial state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Initial<'a> {
    /// The state is omitted or zero.
    Zero,
    /// The graph computes this value, or it is an input of the graph.
    Given(&'a str),
}

impl Initial<'_> {
    pub(super) fn is_zero(&self) -> bool {
        *self == Initial::Zero
    }
}

/// A recurrent node whose tensors have the shapes that the operator requires.
#[derive(Debug)]
pub(super) struct Node<'g> {
    /// `node "NAME"`, for errors.
    pub(super) what: String,
    pub(super) attributes: Attributes,
    /// Whether X and Y are batch-first.
    pub(super) batch_first: bool,
    /// I.
    pub(super) input_size: usize,
    /// `[D, G*H, I]`.
    pub(super) w: Values<'g>,
    /// `[D, G*H, H]`.
    pub(super) r: Values<'g>,
    /// `[D, 2*G*H]`.
    pub(super) b: Option<Values<'g>>,
    /// `[D, 3*H]`; `None` if every weight is zero.
    pub(super) p: Option<Values<'g>>,
    pub(super) lengths: Option<&'g str>,
    pub(super) initial_h: Initial<'g>,
    pub(super) initial_c: Initial<'g>,
}

impl<'g> Node<'g> {
    /// Reads a node of that operator.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`], [`ErrorKind::Tensor`] name the node and the attribute or input.
    pub(super) fn read(
        proto: &'g NodeProto<'g>,
        operator: Operator,
        graph: &Graph<'g>,
        opset: i64,
    ) -> Result<Self, Error> {
        let reader = Reader { proto, operator, graph, what: format!("node {:?}", proto.label()) };
        reader.check_names(opset)?;
        let w = reader.weights("W", 1)?.ok_or_else(|| reader.missing("W"))?;
        let r = reader.weights("R", 2)?.ok_or_else(|| reader.missing("R"))?;
        let hidden_size = reader.hidden_size(&r)?;
        let attributes = reader.attributes(hidden_size)?;
        let (d, rows) = (attributes.direction.count(), operator.gates().saturating_mul(hidden_size));
        let input_size = w.shape.get(2).copied().unwrap_or(0);
        reader.check_shape("W", &w, vec![d, rows, input_size])?;
        reader.check_shape("R", &r, vec![d, rows, hidden_size])?;
        let b = reader.weights("B", 3)?;
        if let Some(b) = &b {
            reader.check_shape("B", b, vec![d, rows.saturating_mul(2)])?;
        }
        let p = reader.weights("P", 7)?;
        if let Some(p) = &p {
            reader.check_shape("P", p, vec![d, hidden_size.saturating_mul(3)])?;
        }
        Ok(Node {
            batch_first: reader.flag("layout")? == 1,
            lengths: reader.lengths()?,
            initial_h: reader.initial("initial_h", 5, hidden_size)?,
            initial_c: reader.initial("initial_c", 6, hidden_size)?,
            p: p.filter(|p| !p.is_zero()),
            what: reader.what,
            attributes,
            input_size,
            w,
            r,
            b,
        })
    }
}

/// The state while a node is read.
struct Reader<'r, 'g> {
    proto: &'g NodeProto<'g>,
    operator: Operator,
    graph: &'r Graph<'g>,
    what: String,
}

impl<'g> Reader<'_, 'g> {
    fn error(&self, part: &str, expected: impl std::fmt::Display, found: impl std::fmt::Display) -> Error {
        format_error(&self.part(part), expected, found)
    }

    fn part(&self, part: &str) -> String {
        format!("{}: {part}", self.what)
    }

    fn missing(&self, input: &str) -> Error {
        self.error(input, "an initializer or a Constant node", "none")
    }

    /// Rejects attributes and inputs that the operator does not have.
    fn check_names(&self, opset: i64) -> Result<(), Error> {
        let known = self.operator.attributes();
        for (place, attribute) in self.proto.attributes.iter().enumerate() {
            let name = attribute.name;
            if !known.contains(&name) {
                let expected = format!("one of {}'s attributes ({})", self.operator.name(), known.join(", "));
                return Err(self.error("attribute", expected, format_args!("{name:?}")));
            }
            if self.proto.attributes[..place].iter().any(|other| other.name == name) {
                return Err(self.error(name, "one attribute of that name", "two"));
            }
            if name == "layout" && opset < 14 {
                return Err(self.error(name, "none before opset 14", format_args!("one in opset {opset}")));
            }
        }
        let inputs = self.operator.inputs();
        if let Some(extra) = self.proto.inputs.get(inputs.len()) {
            return Err(self.error(
                "inputs",
                format_args!("at most {}", inputs.len()),
                format_args!("also {extra:?}"),
            ));
        }
        Ok(())
    }

    fn attributes(&self, hidden_size: usize) -> Result<Attributes, Error> {
        let direction = self.direction()?;
        Ok(Attributes {
            operator: self.operator,
            direction,
            activations: self.activations(direction)?,
            activation_alpha: self.floats("activation_alpha")?,
            activation_beta: self.floats("activation_beta")?,
            clip: self.clip()?,
            linear_before_reset: self.flag("linear_before_reset")?,
            input_forget: self.flag("input_forget")?,
            hidden_size,
        })
    }

    /// Returns the attribute of that name and kind.
    fn attribute(&self, name: &str, kind: i64, kind_name: &str) -> Result<Option<&'g Attribute<'g>>, Error> {
        match self.proto.attribute(name) {
            Some(attribute) if !attribute.may_be(kind) => {
                Err(self.error(name, kind_name, format_args!("an attribute of type {}", attribute.kind)))
            }
            attribute => Ok(attribute),
        }
    }

    fn int(&self, name: &str) -> Result<Option<i64>, Error> {
        let attribute = self.attribute(name, Attribute::INT, "an integer")?;
        // A file may omit zero.
        Ok(attribute.map(|attribute| attribute.int.unwrap_or(0)))
    }

    /// Returns an integer attribute that is 0 or 1; 0 if the node does not have it.
    fn flag(&self, name: &str) -> Result<i64, Error> {
        match self.int(name)?.unwrap_or(0) {
            flag @ (0 | 1) => Ok(flag),
            other => Err(self.error(name, "0 or 1", other)),
        }
    }

    fn floats(&self, name: &str) -> Result<Vec<f32>, Error> {
        let attribute = self.attribute(name, Attribute::FLOATS, "floats")?;
        let bytes = attribute.map_or(&[][..], |attribute| &attribute.floats);
        Ok(bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect())
    }

    fn clip(&self) -> Result<Option<f32>, Error> {
        let attribute = self.attribute("clip", Attribute::FLOAT, "a float")?;
        Ok(attribute.map(|attribute| attribute.float.unwrap_or(0.0)))
    }

    fn direction(&self) -> Result<Direction, Error> {
        let Some(attribute) = self.attribute("direction", Attribute::STRING, "a string")? else {
            return Ok(Direction::Forward);
        };
        let found = attribute.string.unwrap_or_default();
        let known = Direction::ALL.into_iter().find(|direction| direction.name().as_bytes() == found);
        known.ok_or_else(|| {
            let found = String::from_utf8_lossy(found);
            self.error("direction", "forward, reverse or bidirectional", format_args!("{found:?}"))
        })
    }

    fn activations(&self, direction: Direction) -> Result<Vec<String>, Error> {
        let default = self.operator.default_activations();
        let count = default.len() * direction.count();
        let given = match self.attribute("activations", Attribute::STRINGS, "strings")? {
            None => return Ok(default.iter().cycle().take(count).map(|&name| name.to_owned()).collect()),
            Some(attribute) => &attribute.strings,
        };
        if given.len() != count {
            let expected = format!("{} for each of {} directions", default.len(), direction.count());
            return Err(self.error("activations", expected, format_args!("{}", given.len())));
        }
        Ok(given.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect())
    }

    /// Returns H, from the attribute or, if it is missing, from R.
    fn hidden_size(&self, r: &Values<'_>) -> Result<usize, Error> {
        match self.int("hidden_size")? {
            Some(size) => {
                let positive = usize::try_from(size).ok().filter(|&size| size > 0);
                positive.ok_or_else(|| self.error("hidden_size", "at least 1", size))
            }
            None => Ok(r.shape.last().copied().unwrap_or(0)),
        }
    }

    /// Returns the floating-point constant at that input, if there is one.
    fn weights(&self, input: &str, place: usize) -> Result<Option<Values<'g>>, Error> {
        if self.operator.inputs().get(place) != Some(&input) {
            return Ok(None);
        }
        let Some(name) = self.proto.input(place) else { return Ok(None) };
        let what = self.part(&format!("{input} ({name:?})"));
        let values = match self.graph.get(name) {
            Some(Value::Tensor(tensor)) => tensor.values(&what)?,
            Some(Value::Pieces(pieces)) => pieces.values(&what)?,
            found => {
                let found = found.map_or("nothing of that name", Value::description);
                return Err(format_error(&what, "an initializer or a Constant node", found));
            }
        };
        match values.is_float() {
            true => Ok(Some(values)),
            false => {
                let found = values.dtype().to_owned();
                Err(Error::from(Fault::Dtype { name: what, expected: "f16, bf16, f32 or f64", found }))
            }
        }
    }

    fn check_shape(&self, input: &str, found: &Values<'_>, expected: Vec<usize>) -> Result<(), Error> {
        if found.shape == expected {
            return Ok(());
        }
        Err(Error::from(Fault::Shape { name: self.part(input), expected, found: found.shape.clone() }))
    }

    /// Returns an initial state: zero, or a value that the caller passes when the layer runs.
    fn initial(&self, input: &str, place: usize, hidden_size: usize) -> Result<Initial<'g>, Error> {
        if self.operator.inputs().get(place) != Some(&input) {
            return Ok(Initial::Zero);
        }
        let Some(name) = self.proto.input(place) else { return Ok(Initial::Zero) };
        let what = self.part(&format!("{input} ({name:?})"));
        match self.graph.get(name) {
            Some(Value::Zeros) => Ok(Initial::Zero),
            Some(Value::Pieces(pieces)) if pieces.is_zero() => Ok(Initial::Zero),
            Some(Value::Tensor(tensor)) if self.is_zero_state(tensor, &what, hidden_size)? => {
                Ok(Initial::Zero)
            }
            Some(Value::Computed { .. } | Value::Sequence { .. }) => Ok(Initial::Given(name)),
            Some(_) => Err(format_error(
                &what,
                "zeros, or a value that depends on the model's inputs",
                "other constants",
            )),
            None => Err(format_error(&what, "a value of the graph", "nothing of that name")),
        }
    }

    /// Checks that a constant is a state of the right shape, and returns whether it is zero.
    fn is_zero_state(&self, tensor: &Tensor<'_>, what: &str, hidden_size: usize) -> Result<bool, Error> {
        let found = tensor.values(what)?.shape;
        let batch_first = self.flag("layout")? == 1;
        let d = self.direction()?.count();
        match (&found[..], batch_first) {
            (&[directions, _, h], false) | (&[_, directions, h], true)
                if [directions, h] == [d, hidden_size] =>
            {
                Ok(tensor.is_zero())
            }
            _ => {
                let [first, second] =
                    if batch_first { ["N".into(), d.to_string()] } else { [d.to_string(), "N".into()] };
                Err(Error::from(Fault::UnknownShape {
                    name: what.to_owned(),
                    expected: format!("[{first}, {second}, {hidden_size}]"),
                    found,
                }))
            }
        }
    }

    /// Returns the value with the rows' lengths.
    fn lengths(&self) -> Result<Option<&'g str>, Error> {
        let Some(name) = self.proto.input(4) else { return Ok(None) };
        let what = self.part(&format!("sequence_lens ({name:?})"));
        match self.graph.get(name) {
            Some(Value::Computed { .. }) => Ok(Some(name)),
            Some(Value::Sizes(sizes)) if !sizes.iter().all(Dim::is_known) || sizes.is_empty() => {
                Ok(Some(name))
            }
            Some(_) => {
                Err(format_error(&what, "none, or a value that depends on the model's inputs", "constants"))
            }
            None => Err(format_error(&what, "a value of the graph", "nothing of that name")),
        }
    }
}
