//! A recurrent node: its attributes and inputs, checked against the operator. They are not yet checked for
//! what the crate supports.

use super::array::Array;
use super::flow::Scopes;
use super::operator::{Direction, INPUTS, Operator, is_quantized};
use super::proto::{Attribute, NodeProto};
use super::start::{self, Lengths, Start};
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::array::listed;
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
    pub(super) w: Array<'g>,
    /// `[D, G*H, H]`.
    pub(super) r: Array<'g>,
    /// `[D, 2*G*H]`.
    pub(super) b: Option<Array<'g>>,
    /// `[D, 3*H]`; `None` if every weight is zero.
    pub(super) p: Option<Array<'g>>,
    pub(super) lengths: Lengths<'g>,
    pub(super) initial_h: Start<'g>,
    pub(super) initial_c: Start<'g>,
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
        scopes: &Scopes<'g>,
        path: &str,
    ) -> Result<Self, Error> {
        let reader = Reader { proto, operator, scopes, what: format!("node {path:?}") };
        reader.check_names(scopes.opset())?;
        let w = reader.weights(1)?.ok_or_else(|| reader.missing("W"))?;
        let r = reader.weights(2)?.ok_or_else(|| reader.missing("R"))?;
        let hidden_size = reader.hidden_size(&r)?;
        let attributes = reader.attributes(hidden_size)?;
        let (d, rows) = (attributes.direction.count(), operator.gates().saturating_mul(hidden_size));
        let input_size = w.shape.get(2).copied().unwrap_or(0);
        reader.check_shape("W", &w, vec![d, rows, input_size])?;
        reader.check_shape("R", &r, vec![d, rows, hidden_size])?;
        let b = reader.weights(3)?;
        if let Some(b) = &b {
            reader.check_shape("B", b, vec![d, rows.saturating_mul(2)])?;
        }
        let p = reader.weights(7)?;
        if let Some(p) = &p {
            reader.check_shape("P", p, vec![d, hidden_size.saturating_mul(3)])?;
        }
        Ok(Node {
            batch_first: reader.batch_first()?,
            lengths: reader.lengths()?,
            initial_h: reader.start(5, [d, hidden_size])?,
            initial_c: reader.start(6, [d, hidden_size])?,
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
    scopes: &'r Scopes<'g>,
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
        self.error(input, "a constant", "none")
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
        let quantized = is_quantized(self.proto);
        let inputs = if quantized { &INPUTS } else { self.operator.inputs() };
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
        match self.proto.attribute(name).and_then(|attribute| self.scopes.attribute(attribute)) {
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
        let values = bytes.as_chunks().0;
        listed(name, values.len(), values.iter().map(|&bytes| Ok(f32::from_le_bytes(bytes))))
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
    fn hidden_size(&self, r: &Array<'_>) -> Result<usize, Error> {
        match self.int("hidden_size")? {
            Some(size) => {
                let positive = usize::try_from(size).ok().filter(|&size| size > 0);
                positive.ok_or_else(|| self.error("hidden_size", "at least 1", size))
            }
            None => Ok(r.shape.last().copied().unwrap_or(0)),
        }
    }

    /// Returns the name of an input if the operator has it and the node does not omit it.
    fn name(&self, place: usize) -> Option<&'g str> {
        (place < self.operator.inputs().len()).then(|| self.proto.input(place)).flatten()
    }

    /// Returns an input in words.
    fn input(&self, place: usize, name: &str) -> String {
        self.part(&format!("{} ({name:?})", INPUTS[place]))
    }

    /// Returns the floating-point constant at an input, if there is one.
    fn weights(&self, place: usize) -> Result<Option<Array<'g>>, Error> {
        let Some(name) = self.name(place) else { return Ok(None) };
        let what = self.input(place, name);
        let values = self.constant(name, &what)?;
        if is_quantized(self.proto) && place < 3 {
            let given = |place: usize| {
                let name = self.proto.input(place).ok_or_else(|| self.missing(INPUTS[place]))?;
                self.constant(name, &self.input(place, name))
            };
            let scale = 6 + 2 * place;
            let parts = [values, given(scale)?, given(scale + 1)?];
            return self.scopes.constants.lstm_weights(self.proto, parts, &what).map(Some);
        }
        match values.is_float() {
            true => Ok(Some(values)),
            false => {
                let found = values.element.name().to_owned();
                Err(Error::from(Fault::Dtype { name: what, expected: "f16, bf16, f32 or f64", found }))
            }
        }
    }

    /// Returns the constant of that name.
    fn constant(&self, name: &str, what: &str) -> Result<Array<'g>, Error> {
        match self.scopes.get(name) {
            Some(value) => self.scopes.constant(value, what),
            None => Err(format_error(what, "a constant", "nothing of that name")),
        }
    }

    /// Returns the initial state at an input, for these D and H.
    fn start(&self, place: usize, sizes: [usize; 2]) -> Result<Start<'g>, Error> {
        let Some(name) = self.name(place) else { return Ok(Start::Zero) };
        let (what, batch_first) = (self.input(place, name), self.batch_first()?);
        start::Input { scopes: self.scopes, name, what, batch_first, sizes }.start()
    }

    /// Returns the rows' lengths.
    fn lengths(&self) -> Result<Lengths<'g>, Error> {
        match self.name(4) {
            Some(name) => start::lengths(self.scopes, name, &self.input(4, name)),
            None => Ok(Lengths::All),
        }
    }

    /// Returns whether X and Y are batch-first.
    fn batch_first(&self) -> Result<bool, Error> {
        Ok(self.flag("layout")? == 1)
    }

    fn check_shape(&self, input: &str, found: &Array<'_>, expected: Vec<usize>) -> Result<(), Error> {
        if found.shape == expected {
            return Ok(());
        }
        Err(Error::from(Fault::Shape { name: self.part(input), expected, found: found.shape.clone() }))
    }
}
