//! The constant initial states and lengths of a layer.

use ndarray::{Array3, Axis};

use super::node::Node;
use super::start::{Lengths, Start};
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::array::{filled, listed, zeros};
use crate::io::format_error;

/// The initial states and lengths that a model's constants give a layer. The number of rows is 1 for those
/// that fit any batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OnnxDefaults {
    what: String,
    h_0: Option<Array3<f32>>,
    c_0: Option<Array3<f32>>,
    lengths: Option<Vec<usize>>,
}

impl OnnxDefaults {
    /// Combines the constants of a layer's nodes.
    pub(super) fn new(nodes: &[&Node<'_>], what: String) -> Result<Self, Error> {
        let lengths = nodes.first().and_then(|node| match &node.lengths {
            Lengths::Constant(lengths) => Some(copy(lengths)),
            Lengths::All | Lengths::Given(_) => None,
        });
        Ok(OnnxDefaults {
            h_0: stacked(nodes, |node| &node.initial_h, &format!("{what}: initial_h"))?,
            c_0: stacked(nodes, |node| &node.initial_c, &format!("{what}: initial_c"))?,
            lengths: lengths.transpose()?,
            what,
        })
    }

    /// Returns the names of what the model gives, among `h_0`, `c_0` and `lengths`.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let all =
            [("h_0", self.h_0.is_some()), ("c_0", self.c_0.is_some()), ("lengths", self.lengths.is_some())];
        all.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name)
    }

    /// Returns the initial hidden state `[L*D, N, H]` for a batch of N rows, unless it is zero or the caller
    /// must pass it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] if the model's state has another number of rows; [`ErrorKind::OutOfMemory`] if
    /// there is not enough memory for it.
    pub fn h_0(&self, rows: usize) -> Result<Option<Array3<f32>>, Error> {
        self.h_0.as_ref().map(|state| self.of_rows(state, rows, "initial_h")).transpose()
    }

    /// Returns the initial cell state, as for [`OnnxDefaults::h_0`].
    ///
    /// # Errors
    ///
    /// The same as [`OnnxDefaults::h_0`].
    pub fn c_0(&self, rows: usize) -> Result<Option<Array3<f32>>, Error> {
        self.c_0.as_ref().map(|state| self.of_rows(state, rows, "initial_c")).transpose()
    }

    /// Returns the lengths of the rows of a batch, unless each row has all steps or the caller must pass
    /// them.
    ///
    /// # Errors
    ///
    /// The same as [`OnnxDefaults::h_0`].
    pub fn lengths(&self, rows: usize) -> Result<Option<Vec<usize>>, Error> {
        match self.lengths.as_deref() {
            None => Ok(None),
            Some(&[length]) => filled("lengths", rows, length).map(Some),
            Some(lengths) if lengths.len() == rows => copy(lengths).map(Some),
            Some(lengths) => Err(self.mismatch("sequence_lens", lengths.len(), rows)),
        }
    }

    fn of_rows(&self, state: &Array3<f32>, rows: usize, input: &str) -> Result<Array3<f32>, Error> {
        let (layers, found, size) = state.dim();
        if found != 1 && found != rows {
            return Err(self.mismatch(input, found, rows));
        }
        let row = |row: usize| if found == 1 { 0 } else { row };
        let places = (0..layers)
            .flat_map(|layer| (0..rows).flat_map(move |row| (0..size).map(move |unit| [layer, row, unit])));
        let values = places.map(|[layer, at, unit]| state[[layer, row(at), unit]]);
        crate::array::collected(input, ndarray::Ix3(layers, rows, size), values)
    }

    fn mismatch(&self, input: &str, expected: usize, found: usize) -> Error {
        let expected = format!(
            "a batch of {expected} rows, as the model's constant has (or another value in its place)"
        );
        format_error(&format!("{}: {input}", self.what), expected, format_args!("{found} rows"))
    }
}

/// Returns the states of all nodes, the lowest first. A node without one has zeros.
fn stacked<'n>(
    nodes: &[&'n Node<'_>],
    state: impl Fn(&'n Node<'n>) -> &'n Start<'n>,
    what: &str,
) -> Result<Option<Array3<f32>>, Error> {
    let constant = |node: &&'n Node<'_>| match state(node) {
        Start::Constant(state) => Some(state),
        Start::Zero | Start::Given(_) => None,
    };
    let all: Vec<Option<&Array3<f32>>> = nodes.iter().map(constant).collect();
    let Some(first) = all.iter().flatten().next() else { return Ok(None) };
    let rows = all.iter().flatten().map(|state| state.dim().1).filter(|&rows| rows != 1);
    let rows = rows.max().unwrap_or(1);
    let (d, _, size) = first.dim();
    let mut stacked = zeros(what, [all.len() * d, rows, size])?;
    for (state, mut place) in all.into_iter().zip(stacked.axis_chunks_iter_mut(Axis(0), d)) {
        let Some(state) = state else { continue };
        let fitting = state
            .broadcast((d, rows, size))
            .ok_or_else(|| format_error(what, format_args!("{rows} rows in each node"), state.dim().1));
        place.assign(&fitting?);
    }
    Ok(Some(stacked))
}

fn copy(lengths: &[usize]) -> Result<Vec<usize>, Error> {
    listed("lengths", lengths.len(), lengths.iter().copied().map(Ok))
}
