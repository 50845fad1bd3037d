//! Values at positions that are a step apart along each axis: slices, transposed and repeated arrays.

use super::call::Call;
use crate::Error;
use crate::io::onnx::array::Array;

/// An array of the values of another one. The value at an index is at `start` plus the sum of the index times
/// the steps.
#[derive(Debug)]
pub(super) struct View {
    pub(super) shape: Vec<usize>,
    pub(super) steps: Vec<isize>,
    pub(super) start: usize,
}

impl View {
    /// Returns the view of a whole array.
    pub(super) fn of(array: &Array<'_>) -> Self {
        let steps = array.strides().into_iter().map(usize::cast_signed).collect();
        View { shape: array.shape.clone(), steps, start: 0 }
    }

    /// Returns the number of trailing axes whose values are next to each other, and the number of the values.
    fn run(&self) -> (usize, usize) {
        let mut run = 1usize;
        let axes = self.shape.iter().zip(&self.steps).rev().take_while(|&(&size, &step)| {
            let fits = size == 1 || step == run.cast_signed();
            run = if fits { run.saturating_mul(size) } else { run };
            fits
        });
        (axes.count(), run)
    }

    /// Returns the values. They are copied unless they are next to each other.
    pub(super) fn values<'g>(self, array: &Array<'g>, call: &Call<'_, 'g>) -> Result<Array<'g>, Error> {
        let misfit = || call.misfit();
        if self.shape.contains(&0) {
            return array.part(0, self.shape).ok_or_else(misfit);
        }
        let (axes, run) = self.run();
        if axes == self.shape.len() {
            return array.part(self.start, self.shape).ok_or_else(misfit);
        }
        let mut bytes = call.buffer(&self.shape, array.element)?;
        let size = array.element.bytes();
        let outer = &self.shape[..self.shape.len() - axes];
        let mut index = vec![0; outer.len()];
        let mut at = self.start.cast_signed();
        loop {
            let from = usize::try_from(at).ok().and_then(|at| at.checked_mul(size)).ok_or_else(misfit)?;
            let values = from.checked_add(run * size).and_then(|end| array.bytes().get(from..end));
            bytes.extend_from_slice(values.ok_or_else(misfit)?);
            // The next index, the last axis first.
            let mut axis = outer.len();
            loop {
                let Some(previous) = axis.checked_sub(1) else {
                    return call.array(self.shape, array.element, bytes);
                };
                axis = previous;
                index[axis] += 1;
                at = at.wrapping_add(self.steps[axis]);
                if index[axis] < outer[axis] {
                    break;
                }
                at = at.wrapping_sub(self.steps[axis].wrapping_mul(index[axis].cast_signed()));
                index[axis] = 0;
            }
        }
    }
}

/// Returns the shape of arrays that are broadcast to each other.
pub(super) fn shape(call: &Call<'_, '_>, shapes: &[&[usize]]) -> Result<Vec<usize>, Error> {
    let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let size = |axis: usize| {
        let sizes = shapes.iter().map(|shape| {
            let missing = rank - shape.len();
            axis.checked_sub(missing).and_then(|axis| shape.get(axis)).copied().unwrap_or(1)
        });
        let sizes: Vec<usize> = sizes.filter(|&size| size != 1).collect();
        let first = sizes.first().copied().unwrap_or(1);
        sizes.iter().all(|&size| size == first).then_some(first).ok_or_else(|| call.misfit())
    };
    (0..rank).map(size).collect()
}

/// Returns an array that is repeated to a shape.
pub(super) fn expanded<'g>(
    array: &Array<'g>,
    shape: &[usize],
    call: &Call<'_, 'g>,
) -> Result<Array<'g>, Error> {
    let missing = shape.len().checked_sub(array.shape.len()).ok_or_else(|| call.misfit())?;
    let whole = View::of(array);
    let steps = whole.shape.iter().zip(whole.steps).map(|(&size, step)| if size == 1 { 0 } else { step });
    let steps = std::iter::repeat_n(0, missing).chain(steps).collect();
    let fits = array.shape.iter().zip(&shape[missing..]).all(|(&from, &to)| from == 1 || from == to);
    match fits {
        true => View { shape: shape.to_vec(), steps, start: 0 }.values(array, call),
        false => Err(call.misfit()),
    }
}
