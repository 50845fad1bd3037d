//! The initial states and the lengths of a node: constants, or values that the caller passes.

use ndarray::{Array3, Axis};

use super::array::Array;
use super::flow::{Scopes, Value};
use super::fold::{Operand, unless_too_much};
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::error::Fault;
use crate::io::format_error;

/// The source of an initial state.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Start<'g> {
    /// The state is omitted or zero.
    Zero,
    /// `[D, N, H]`; N is 1 if all rows are equal.
    Constant(Array3<f32>),
    /// The graph computes this value, or it is an input of the graph.
    Given(&'g str),
}

impl<'g> Start<'g> {
    /// Returns the name of the value that the caller passes.
    pub(super) fn given(&self) -> Option<&'g str> {
        if let Start::Given(name) = self { Some(name) } else { None }
    }
}

/// The source of the rows' lengths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lengths<'g> {
    /// Each row has all steps.
    All,
    /// One for each row, or a single one if they are equal.
    Constant(Vec<usize>),
    /// The graph computes this value, or it is an input of the graph.
    Given(&'g str),
}

/// An input of a node that is an initial state.
#[derive(Debug)]
pub(super) struct Input<'r, 'g> {
    pub(super) scopes: &'r Scopes<'g>,
    pub(super) name: &'g str,
    /// The input in words, for errors.
    pub(super) what: String,
    pub(super) batch_first: bool,
    /// D and H.
    pub(super) sizes: [usize; 2],
}

impl<'g> Input<'_, 'g> {
    /// Returns the initial state.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`], [`ErrorKind::Tensor`] for a constant that is no state.
    pub(super) fn start(&self) -> Result<Start<'g>, Error> {
        let (name, what) = (self.name, &self.what);
        match self.scopes.get(name) {
            Some(value @ Value::Constant(operand)) => match self.scopes.constant(value, what) {
                Ok(array) => self.state(&array),
                Err(_) if self.scopes.constants.is_zero(operand) => Ok(Start::Zero),
                Err(error) => Err(error),
            },
            Some(Value::Shaped { operand, .. }) => Ok(self.expanded(operand)?.unwrap_or(Start::Given(name))),
            Some(_) => Ok(Start::Given(name)),
            None => Err(format_error(what, "a value of the graph", "nothing of that name")),
        }
    }

    /// Returns a state that depends on the input's shape only in the number of its rows.
    fn expanded(&self, operand: &Operand<'g>) -> Result<Option<Start<'g>>, Error> {
        if self.scopes.constants.is_zero(operand) {
            return Ok(Some(Start::Zero));
        }
        let with = |size: usize| -> Result<Option<(usize, Start<'g>)>, Error> {
            let array = unless_too_much(self.scopes.constants.value(operand, size, "state"))?;
            let Some(array) = array else { return Ok(None) };
            let Some(&rows) = array.shape.get(usize::from(!self.batch_first)) else { return Ok(None) };
            Ok(unless_too_much(self.state(&array))?.map(|state| (rows, state)))
        };
        let (first, other) = match with(2)? {
            Some((_, two)) => (two, 3),
            // The state has a fixed number of rows, which must also be that of the input.
            None => match with(1)? {
                Some((rows, one)) => (one, rows),
                None => return Ok(None),
            },
        };
        Ok(with(other)?.filter(|(_, state)| *state == first).map(|(_, state)| state))
    }

    /// Returns a state from its values, in the axes of the layout.
    fn state(&self, array: &Array<'g>) -> Result<Start<'g>, Error> {
        let Input { what, batch_first, sizes: [d, hidden_size], .. } = self;
        let (batch_first, d, hidden_size) = (*batch_first, *d, *hidden_size);
        let shape = match (&array.shape[..], batch_first) {
            (&[directions, rows, h], false) | (&[rows, directions, h], true)
                if [directions, h] == [d, hidden_size] =>
            {
                if batch_first {
                    [rows, d, h]
                } else {
                    [d, rows, h]
                }
            }
            _ => {
                let [first, second] =
                    if batch_first { ["N".into(), d.to_string()] } else { [d.to_string(), "N".into()] };
                return Err(Error::from(Fault::UnknownShape {
                    name: what.clone(),
                    expected: format!("[{first}, {second}, {hidden_size}]"),
                    found: array.shape.clone(),
                }));
            }
        };
        if !array.is_float() {
            let found = array.element.name().to_owned();
            return Err(Error::from(Fault::Dtype {
                name: what.clone(),
                expected: "f16, bf16, f32 or f64",
                found,
            }));
        }
        if array.is_zero() {
            return Ok(Start::Zero);
        }
        let mut values = crate::array::reserved(what, array.len())?;
        // The type was checked.
        let _ = array.append_f32(&(0..array.len()), &mut values);
        let mut state = crate::array::shaped(ndarray::Ix3(shape[0], shape[1], shape[2]), values)?;
        if batch_first {
            state.swap_axes(0, 1);
        }
        if let Some(place) = state.indexed_iter().find(|(_, value)| !value.is_finite()) {
            let ((direction, row, unit), &found) = place;
            let index = vec![direction, row, unit];
            return Err(Error::from(Fault::NonFinite { name: what.clone(), index, found: found.into() }));
        }
        Ok(Start::Constant(one_row(state, what)?))
    }
}

/// Returns the rows' lengths, which are the input of that name; `what` names it in errors.
///
/// # Errors
///
/// [`ErrorKind::File`] for constants that are no lengths.
pub(super) fn lengths<'g>(scopes: &Scopes<'g>, name: &'g str, what: &str) -> Result<Lengths<'g>, Error> {
    let array = match scopes.get(name) {
        Some(value @ Value::Constant(_)) => scopes.constant(value, what)?,
        Some(_) => return Ok(Lengths::Given(name)),
        None => return Err(format_error(what, "a value of the graph", "nothing of that name")),
    };
    if array.is_float() || array.shape.len() != 1 {
        let found = format!("{} of shape {:?}", array.element.name(), array.shape);
        return Err(format_error(what, "integers of shape [N]", found));
    }
    let length = |length: i64| {
        usize::try_from(length).map_err(|_| format_error(what, "lengths of at least 0", length))
    };
    let mut lengths = crate::array::listed(what, array.len(), array.i64s().map(length))?;
    if lengths.iter().all(|length| Some(length) == lengths.first()) {
        lengths.truncate(1);
    }
    Ok(Lengths::Constant(lengths))
}

/// Returns a state with one row if its rows are equal.
fn one_row(state: Array3<f32>, what: &str) -> Result<Array3<f32>, Error> {
    let first = state.slice(ndarray::s![.., ..1, ..]);
    let equal = state.axis_iter(Axis(1)).all(|row| row == first.index_axis(Axis(1), 0));
    if state.dim().1 > 0 && equal { crate::array::copied(what, &first) } else { Ok(state) }
}
