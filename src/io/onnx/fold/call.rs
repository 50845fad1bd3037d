//! A node with the values of its inputs.

use std::fmt::Display;

use crate::Error;
use crate::array::listed;
use crate::io::element::Element;
use crate::io::format_error;
use crate::io::onnx::array::Array;
use crate::io::onnx::budget::Budget;
use crate::io::onnx::data::Files;
use crate::io::onnx::proto::{Attribute, NodeProto};

/// A node with the values of its inputs.
pub(super) struct Call<'c, 'g> {
    pub(super) proto: &'g NodeProto<'g>,
    /// The output that is computed.
    pub(super) output: usize,
    pub(super) inputs: Vec<Option<Array<'g>>>,
    pub(super) files: &'g dyn Files,
    pub(super) budget: &'c Budget,
    /// The value that is computed, for errors.
    pub(super) what: &'c str,
}

impl<'g> Call<'_, 'g> {
    /// Returns the error for an operator that is not folded.
    pub(super) fn unknown(&self) -> Error {
        let NodeProto { domain, op_type, .. } = self.proto;
        let found = match self.proto.is_standard() {
            true => format!("{op_type} {:?}", self.proto.label()),
            false => format!("{domain}.{op_type} {:?}", self.proto.label()),
        };
        let expected = "constants, or values that standard operators move, convert or add up (fold them \
                        when the model is exported)";
        format_error(self.what, expected, found)
    }

    /// Returns an error that names the node.
    pub(super) fn fault(&self, expected: impl Display, found: impl Display) -> Error {
        let what = format!("{}: {} {:?}", self.what, self.proto.op_type, self.proto.label());
        format_error(&what, expected, found)
    }

    /// Returns the error for an array that does not fit.
    pub(super) fn misfit(&self) -> Error {
        let shapes: Vec<String> =
            self.inputs.iter().flatten().map(|input| format!("{:?}", input.shape)).collect();
        self.fault("inputs and attributes that fit each other", format_args!("shapes {}", shapes.join(", ")))
    }

    /// Returns an input, which the node must have.
    pub(super) fn input(&self, place: usize) -> Result<&Array<'g>, Error> {
        self.given(place).ok_or_else(|| self.fault(format_args!("an input {place}"), "none"))
    }

    /// Returns an input that the node may omit.
    pub(super) fn given(&self, place: usize) -> Option<&Array<'g>> {
        self.inputs.get(place)?.as_ref()
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&'g Attribute<'g>> {
        self.proto.attribute(name)
    }

    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |attribute| attribute.int.unwrap_or(0))
    }

    /// Returns integers that are an attribute or, in later opsets, an input.
    pub(super) fn ints(&self, place: usize, name: &str) -> Result<Option<Vec<i64>>, Error> {
        let ints = match (self.attribute(name), self.given(place)) {
            (Some(attribute), _) => {
                listed(self.what, attribute.ints.len(), attribute.ints.iter().copied().map(Ok))?
            }
            (None, Some(array)) => listed(self.what, array.len(), array.i64s().map(Ok))?,
            (None, None) => return Ok(None),
        };
        Ok(Some(ints))
    }

    /// Returns the axis that an index means, which may be negative.
    pub(super) fn axis(&self, axis: i64, rank: usize) -> Result<usize, Error> {
        place(axis, rank).ok_or_else(|| self.fault(format_args!("an axis below {rank}"), axis))
    }

    /// Returns distinct axes.
    pub(super) fn axes(&self, axes: &[i64], rank: usize) -> Result<Vec<usize>, Error> {
        let mut found = Vec::new();
        for &axis in axes {
            let axis = self.axis(axis, rank)?;
            if found.contains(&axis) {
                return Err(self.fault("distinct axes", format_args!("{:?}", &axes[..=found.len()])));
            }
            found.push(axis);
        }
        Ok(found)
    }

    /// Returns an array of bytes that were computed for the shape.
    pub(super) fn array(
        &self,
        shape: Vec<usize>,
        element: Element,
        bytes: Vec<u8>,
    ) -> Result<Array<'g>, Error> {
        Array::new(shape, element, bytes).ok_or_else(|| self.misfit())
    }

    /// Returns an empty vector for the values of an array.
    pub(super) fn buffer(&self, shape: &[usize], element: Element) -> Result<Vec<u8>, Error> {
        let size = shape.iter().try_fold(element.bytes(), |size, &dim| size.checked_mul(dim));
        self.budget.bytes(size, self.what)
    }
}

/// Returns the position that an index means, which may be negative.
pub(in crate::io::onnx) fn place(index: i64, len: usize) -> Option<usize> {
    let signed = i64::try_from(len).ok()?;
    let index = if index < 0 { index.checked_add(signed)? } else { index };
    usize::try_from(index).ok().filter(|&index| index < len)
}
