//! Operators that move values and change none.

use super::broadcast::{View, expanded, shape};
use super::call::Call;
use super::creation::{bound, sizes};
use crate::Error;
use crate::array::listed;
use crate::io::onnx::array::{Array, MOST_AXES};

/// Returns the output of any of these operators, and none for another operator.
pub(super) fn value<'g>(call: &Call<'_, 'g>) -> Option<Result<Array<'g>, Error>> {
    Some(match call.proto.op_type {
        "Concat" => concat(call),
        "Expand" => expand(call),
        "Flatten" => flatten(call),
        "Gather" => gather(call),
        "Reshape" => reshape(call),
        "Slice" => slice(call),
        "Split" => split(call),
        "Squeeze" => squeeze(call),
        "Tile" => tile(call),
        "Transpose" => transpose(call),
        "Unsqueeze" => unsqueeze(call),
        _ => return None,
    })
}

fn shaped<'g>(call: &Call<'_, 'g>, shape: Vec<usize>) -> Result<Array<'g>, Error> {
    call.input(0)?.with_shape(shape).ok_or_else(|| call.misfit())
}

fn transpose<'g>(call: &Call<'_, 'g>) -> Result<Array<'g>, Error> {
    let array = call.input(0)?;
    let rank = array.shape.len();
    let order = match call.attribute("perm") {
        Some(perm) => call.axes(&perm.ints, rank)?,
        None => (0..rank).rev().collect(),
    };
    if order.len() != rank {
        return Err(call.misfit());
    }
    let whole = View::of(array);
    let shape = order.iter().map(|&axis| whole.shape[axis]).collect();
    let steps = order.iter().map(|&axis| whole.steps[axis]).collect();
    View { shape, steps, start: 0 }.values(array, call)
}

fn reshape<'g>(call: &Call<'_, 'g>) -> Result<Array<'g>, Error> {
    let array = call.input(0)?;
    let wanted = call.ints(1, "shape")?.ok_or_else(|| call.fault("a shape", "none"))?;
    let copies = call.int("allowzero", 0) == 0;
    let size = |(axis, &size): (usize, &i64)| match size {
        0 if copies => array.shape.get(axis).copied().ok_or_else(|| call.misfit()),
        -1 => Ok(1),
        size => usize::try_from(size).map_err(|_| call.misfit()),
    };
    let mut sizes = listed(call.what, wanted.len(), wanted.iter().enumerate().map(size))?;
    if let Some(rest) = wanted.iter().position(|&size| size == -1) {
        let others = sizes.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
        sizes[rest] =
            others.and_then(|others| array.len().checked_div(others)).ok_or_else(|| call.misfit())?;
    }
    shaped(call, sizes)
}

fn flatten<'g>(call: &Call<'_, 'g>) -> Result<Array<'g>, Error> {
    let shape = &call.input(0)?.shape;
    let axis = bound(call.int("axis", 1), shape.len());
    let (before, behind) = shape.split_at(axis);
    let product = |sizes: &[usize]| sizes.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
    let sizes = [product(before), product(behind)].into_iter().collect::<Option<Vec<_>>>();
    shaped(call, sizes.ok_or_else(|| call.misfit())?)
}

fn squeeze<'g>(call: &Call<'_, 'g>) -> Result<Array<'g>, Error> {
    let shape = &call.input(0)?.shape;
    let axes = match call.ints(1, "axes")? {
        Some(axes) => call.axes(&axes, shape.len())?,
        None => (0..shape.len()).filter(|&axis| shape[axis] == 1).collect(),
    };
    let kept = (0..shape.len()).filter(|axis| !axes.contains(axis)).map(|axis| shape[axis]);
    // A size other than 1 cannot go, since the number of values would change.
    shaped(call, kept.collect())
}

fn unsqueeze<'g>(call: &Call<'_, 'g>) -> Result<Array<'g>, Error> {
    let shape = &call.input(0)?.shape;
    let axes = call.ints(1, "axes")?.ok_or_else(|| call.fault("axes", "none"))?;
    let rank = shape.len().saturating_add(axes.len());
    if rank > MOST_AXES {
        return Err(call.fault(format_args!("at most {MOST_AXES} axes"), rank));
    }
    let axes = call.axes(&axes, rank)?;
    let mut rest = shape.iter().copied();
    let sizes = (0..rank).map(|axis| if axes.contains(&axis) { Some(1) } else { rest.next() });
    shaped(call, sizes.collect::<Option<_>>().ok_or_else(|| call.misfit())?)
}

fn expand<'g>(call: &Call<'_, 'g>) -> Result<Array<'g>, Error> {
    let array = call.input(0)?;
    let wanted = sizes(call, 1)?;
    expanded(array, &shape(call, &[&array.shape, &wanted])?, call)
}

fn tile<'g>(call: &Call<'_, 'g>) -> Result<Array<'g>, Error> {
    let array = call.input(0)?;
    let repeats = sizes(call, 1)?;
    if repeats.len() != array.shape.len() {
        return Err(call.misfit());
    }
    let product = |(&size, &count): (&usize, &usize)| size.checked_mul(count).ok_or_else(|| call.misfit());
    let tiled = array.shape.iter().zip(&repeats).map(product).collect::<Result<Vec<_>, _>>()?;
    let whole = View::of(array);
    let pairs = repeats.iter().zip(&array.shape).flat_map(|(&count, &size)| [count, size]);
    let steps = whole.steps.iter().flat_map(|&step| [0, step]);
    let view = View { shape: pairs.collect(), steps: steps.collect(), start: 0 };
    view.values(array, call)?.with_shape(tiled).ok_or_else(|| call.misfit())
}

fn slice<'g>(call: &Call<'_, 'g>) -> Result<Array<'g>, Error> {
    let array = call.input(0)?;
    let starts = call.ints(1, "starts")?.ok_or_else(|| call.fault("starts", "none"))?;
    let ends = call.ints(2, "ends")?.ok_or_else(|| call.fault("ends", "none"))?;
    let axes = match call.ints(3, "axes")? {
        Some(axes) => call.axes(&axes, array.shape.len())?,
        None => (0..starts.len().min(array.shape.len())).collect(),
    };
    let steps = call.ints(4, "steps")?.unwrap_or_else(|| vec![1; axes.len()]);
    if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
        return Err(call.misfit());
    }
    let mut view = View::of(array);
    for (((&axis, &start), &end), &step) in axes.iter().zip(&starts).zip(&ends).zip(&steps) {
        let size = *view.shape.get(axis).ok_or_else(|| call.misfit())?;
        let step = isize::try_from(step).ok().filter(|&step| step != 0).ok_or_else(|| call.misfit())?;
        let (first, count) = match step > 0 {
            true => {
                let (first, last) = (bound(start, size), bound(end, size));
                (first, last.saturating_sub(first).div_ceil(step.unsigned_abs()))
            }
            false => {
                // One more than the positions, since the end itself is left out and may be before the first.
                let first = below(start, size).min(size);
                let last = below(end, size).min(size);
                (first.saturating_sub(1), first.saturating_sub(last).div_ceil(step.unsigned_abs()))
            }
        };
        view.start += if count > 0 { first * view.steps[axis].unsigned_abs() } else { 0 };
        view.shape[axis] = count;
        view.steps[axis] = view.steps[axis].checked_mul(step).ok_or_else(|| call.misfit())?;
    }
    view.values(array, call)
}

/// Returns one more than the position that an index means; 0 before the first position.
fn below(place: i64, len: usize) -> usize {
    let signed = i64::try_from(len).unwrap_or(i64::MAX);
    let place = if place < 0 { place.saturating_add(signed) } else { place };
    usize::try_from(place.saturating_add(1)).unwrap_or(0)
}

fn split<'g>(call: &Call<'_, 'g>) -> Result<Array<'g>, Error> {
    let array = call.input(0)?;
    let axis = call.axis(call.int("axis", 0), array.shape.len())?;
    let (size, parts) = (array.shape[axis], call.proto.outputs.len().max(1));
    let part = match call.ints(1, "split")? {
        Some(parts) => {
            let size = |&part: &i64| usize::try_from(part).map_err(|_| call.misfit());
            let sizes = listed(call.what, parts.len(), parts.iter().map(size))?;
            let ends = sizes.iter().scan(0usize, |end, &size| {
                *end = end.saturating_add(size);
                Some(*end)
            });
            let found = ends.zip(&sizes).map(|(end, &size)| end - size.min(end)..end).nth(call.output);
            found.ok_or_else(|| call.misfit())?
        }
        // All parts but the last have the same size.
        None => {
            let each = size.div_ceil(parts);
            (each * call.output).min(size)..(each * (call.output + 1)).min(size)
        }
    };
    if part.end > size {
        return Err(call.misfit());
    }
    let mut view = View::of(array);
    view.start = part.start * view.steps[axis].unsigned_abs();
    view.shape[axis] = part.len();
    view.values(array, call)
}

fn concat<'g>(call: &Call<'_, 'g>) -> Result<Array<'g>, Error> {
    let first = call.input(0)?;
    let axis = call.axis(call.int("axis", 1), first.shape.len())?;
    let parts = (0..call.inputs.len()).map(|place| call.input(place)).collect::<Result<Vec<_>, _>>()?;
    let mut shape = first.shape.clone();
    shape[axis] = 0;
    for part in &parts {
        let mut expected = part.shape.clone();
        let size = expected.get_mut(axis).map(std::mem::take).ok_or_else(|| call.misfit())?;
        let zeroed = shape.iter().enumerate().map(|(place, &size)| if place == axis { 0 } else { size });
        if !expected.into_iter().eq(zeroed) || part.element != first.element {
            return Err(call.misfit());
        }
        shape[axis] = shape[axis].checked_add(size).ok_or_else(|| call.misfit())?;
    }
    if let [only] = parts[..] {
        return Ok(only.clone());
    }
    let mut bytes = call.buffer(&shape, first.element)?;
    if shape.contains(&0) {
        return call.array(shape, first.element, bytes);
    }
    let outer: usize = shape[..axis].iter().product();
    for index in 0..outer {
        for part in &parts {
            let block = part.bytes().len() / outer;
            bytes.extend_from_slice(&part.bytes()[index * block..(index + 1) * block]);
        }
    }
    call.array(shape, first.element, bytes)
}

fn gather<'g>(call: &Call<'_, 'g>) -> Result<Array<'g>, Error> {
    let (array, indices) = (call.input(0)?, call.input(1)?);
    let axis = call.axis(call.int("axis", 0), array.shape.len())?;
    let size = array.shape[axis];
    let places = listed(call.what, indices.len(), indices.i64s().map(|index| call.axis(index, size)))?;
    let (before, behind) = (&array.shape[..axis], &array.shape[axis + 1..]);
    let shape = [before, &indices.shape, behind].concat();
    let mut bytes = call.buffer(&shape, array.element)?;
    if shape.contains(&0) {
        return call.array(shape, array.element, bytes);
    }
    let outer: usize = before.iter().product();
    let block = behind.iter().product::<usize>() * array.element.bytes();
    for index in 0..outer {
        for place in &places {
            let from = (index * size + place) * block;
            bytes.extend_from_slice(array.bytes().get(from..from + block).ok_or_else(|| call.misfit())?);
        }
    }
    call.array(shape, array.element, bytes)
}
