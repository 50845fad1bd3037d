//! Cells whose weights have numbers in place of names: `vars/0` of Keras 3's files, and the arrays of
//! `layer.get_weights()` or `model.get_weights()` in their order.

use std::collections::BTreeMap;

use super::cell::{CellTensors, Tensor};
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::array::{listed, push, room};

/// The folder of a layer's weights in Keras 3's files.
const VARIABLES: &str = "vars/";
/// What lacks memory, in errors.
const TENSORS: &str = "the tensors of a file";

/// Returns the cells that shapes show: a kernel `[I, G*H]`, a recurrent kernel `[H, G*H]` and perhaps a bias
/// follow each other.
///
/// # Errors
///
/// [`ErrorKind::OutOfMemory`].
pub(super) fn cells<'a>(tensors: &[Tensor<'a>]) -> Result<Vec<CellTensors<'a>>, Error> {
    let mut groups: BTreeMap<&str, BTreeMap<usize, Tensor<'a>>> = BTreeMap::new();
    for &(name, shape) in tensors {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        if let Ok(number) = name[stem.len()..].parse() {
            groups.entry(stem).or_default().insert(number, (name, shape));
        }
    }
    let has_cell = |path: &str| groups.contains_key(&*format!("{path}cell/{VARIABLES}"));
    let mut found = Vec::new();
    for (stem, group) in &groups {
        let list = listed(TENSORS, group.len(), group.values().copied().map(Ok))?;
        let cells = match stem.strip_suffix(VARIABLES).filter(|path| path.is_empty() || path.ends_with('/')) {
            // The variables of a layer around its cell are the states of a stateful one.
            Some(path) if has_cell(path) => continue,
            Some(path) => {
                let path = path.strip_suffix('/').unwrap_or(path);
                cell(&list)
                    .map(|(cell, _)| CellTensors { path: path.to_owned(), ..cell })
                    .into_iter()
                    .collect()
            }
            None => in_order(&list)?,
        };
        room(TENSORS, &mut found, cells.len())?;
        found.extend(cells);
    }
    Ok(found)
}

/// Returns the cells in a list of weights. Two neighbours of the same shapes are a `Bidirectional` if the second
/// one cannot be a layer above the first.
fn in_order<'a>(list: &[Tensor<'a>]) -> Result<Vec<CellTensors<'a>>, Error> {
    let mut found: Vec<(CellTensors<'a>, usize)> = Vec::new();
    let mut start = 0;
    while let Some(rest) = list.get(start..).filter(|rest| !rest.is_empty()) {
        let Some((cell, count)) = cell(rest) else {
            start += 1;
            continue;
        };
        push(TENSORS, &mut found, (cell, start))?;
        start += count;
    }
    let mut place = 0;
    while let [(forward, at), (backward, next), ..] = found.get_mut(place..).unwrap_or_default() {
        let shapes = |cell: &CellTensors<'a>| {
            [cell.kernel, cell.recurrent_kernel, cell.bias].map(|t| t.map(|(_, s)| s))
        };
        let count = shapes(forward).iter().flatten().count();
        let stacks = matches!(shapes(forward), [Some([inputs, _]), Some([units, _]), _] if inputs == units);
        if *at + count == *next && shapes(forward) == shapes(backward) && !stacks {
            backward.path = format!("{}/backward", forward.path);
            forward.path.push_str("/forward");
            place += 1;
        }
        place += 1;
    }
    listed(TENSORS, found.len(), found.into_iter().map(|(cell, _)| Ok(cell)))
}

/// Returns the cell at the beginning of a list, named by its first tensor, and the number of its tensors.
fn cell<'a>(list: &[Tensor<'a>]) -> Option<(CellTensors<'a>, usize)> {
    let [kernel, recurrent, rest @ ..] = list else { return None };
    let (&[_, columns], &[units, wide]) = (kernel.1, recurrent.1) else { return None };
    let gates = columns.checked_div(units)?;
    if wide != columns || gates * units != columns || !matches!(gates, 1 | 3 | 4) {
        return None;
    }
    let bias = rest.first().filter(|(_, shape)| match **shape {
        [length] => length == columns || gates > 1 && length == columns.saturating_mul(2),
        [2, length] => gates == 3 && length == columns,
        _ => false,
    });
    let cell = CellTensors {
        path: kernel.0.to_owned(),
        kernel: Some(*kernel),
        recurrent_kernel: Some(*recurrent),
        bias: bias.copied(),
    };
    Some((cell, 2 + usize::from(bias.is_some())))
}
