//! The constant initial states and lengths of a layer.

use ndarray::{Array3, Axis, Ix3};

use super::flow::Recurrent;
use super::node::Node;
use super::start::{Lengths, Start};
#[cfg(doc)]
use crate::ErrorKind;
use crate::array::{collected, filled, listed, zeros};
use crate::io::format_error;
use crate::{Error, State};

/// Returns which of `h_0`, `c_0` and `lengths` are constants. A layer that is rejected has none.
pub(super) fn names(stack: &[Recurrent<'_>]) -> Vec<&'static str> {
    let nodes: Option<Vec<&Node<'_>>> = stack.iter().map(|node| node.node.as_ref().ok()).collect();
    let nodes = nodes.unwrap_or_default();
    let is_constant = |start: &Start<'_>| matches!(start, Start::Constant(_));
    let lengths = nodes.first().is_some_and(|node| matches!(node.lengths, Lengths::Constant(_)));
    let all = [
        ("h_0", nodes.iter().any(|node| is_constant(&node.initial_h))),
        ("c_0", nodes.iter().any(|node| is_constant(&node.initial_c))),
        ("lengths", lengths),
    ];
    all.into_iter().filter(|(_, is_constant)| *is_constant).map(|(name, _)| name).collect()
}

/// Returns the constants of a layer's nodes for a batch of `rows` rows. A constant for another number of rows is
/// returned as it is.
///
/// # Errors
///
/// [`ErrorKind::File`] if the nodes have states for different numbers of rows; [`ErrorKind::OutOfMemory`].
pub(super) fn of(
    nodes: &[&Node<'_>],
    rows: usize,
    what: &str,
) -> Result<(State<'static>, Option<Vec<usize>>), Error> {
    let h_0 = stacked(nodes, |node| &node.initial_h, &format!("{what}: initial_h"), rows)?;
    let c_0 = stacked(nodes, |node| &node.initial_c, &format!("{what}: initial_c"), rows)?;
    let lengths = match nodes.first().map(|node| &node.lengths) {
        Some(Lengths::Constant(lengths)) => match lengths[..] {
            [length] => Some(filled("lengths", rows, length)?),
            _ => Some(listed("lengths", lengths.len(), lengths.iter().copied().map(Ok))?),
        },
        _ => None,
    };
    Ok((State { h_0: h_0.map(Into::into), c_0: c_0.map(Into::into) }, lengths))
}

/// Returns the states of all nodes, the lowest first. A node without one has zeros. A single row is repeated.
fn stacked<'n>(
    nodes: &[&'n Node<'_>],
    state: impl Fn(&'n Node<'n>) -> &'n Start<'n>,
    what: &str,
    rows: usize,
) -> Result<Option<Array3<f32>>, Error> {
    let constant = |node: &&'n Node<'_>| match state(node) {
        Start::Constant(state) => Some(state),
        Start::Zero | Start::Given(_) => None,
    };
    let all: Vec<Option<&Array3<f32>>> = nodes.iter().map(constant).collect();
    let Some(first) = all.iter().flatten().next() else { return Ok(None) };
    let stated = all.iter().flatten().map(|state| state.dim().1).filter(|&rows| rows != 1);
    let (d, _, size) = first.dim();
    let n = stated.max().unwrap_or(1);
    let mut states = zeros(what, [all.len() * d, n, size])?;
    for (state, mut place) in all.into_iter().zip(states.axis_chunks_iter_mut(Axis(0), d)) {
        let Some(state) = state else { continue };
        let fitting = state
            .broadcast((d, n, size))
            .ok_or_else(|| format_error(what, format_args!("{n} rows in each node"), state.dim().1));
        place.assign(&fitting?);
    }
    if n != 1 {
        return Ok(Some(states));
    }
    let (layers, ..) = states.dim();
    let places = (0..layers)
        .flat_map(|layer| (0..rows).flat_map(move |_| (0..size).map(move |unit| [layer, 0, unit])));
    collected(what, Ix3(layers, rows, size), places.map(|place| states[place])).map(Some)
}
