//! A result in the layout of ONNX's operators.

use ndarray::{Array, Array3, Array4, ArrayView3, Axis, Dimension, Ix3, Ix4, s};

use super::{Output, with_batch_axis};
use crate::Error;
use crate::array::{collected, reserved, shaped};
use crate::error::Fault;

/// ONNX's Y, Y_h and Y_c.
type OnnxArrays<A> = (Array4<A>, Array3<A>, Option<Array3<A>>);

impl<D: Dimension, A: Clone> Output<D, A> {
    /// Returns copies with the axes of the outputs Y, Y_h and Y_c of ONNX's
    /// [RNN](https://onnx.ai/onnx/operators/onnx__RNN.html), LSTM and GRU, in which the directions have their
    /// own axis. `layout` is the operators' attribute. N is 1 for an unbatched result. The arrays are in
    /// row-major order.
    ///
    /// | `layout` | Y | Y_h | Y_c |
    /// |---|---|---|---|
    /// | 0, the operators' default | `[T, D, N, H_out]` | `[L*D, N, H_out]` | `[L*D, N, H]` |
    /// | 1 | `[N, T, D, H_out]` | `[N, L*D, H_out]` | `[N, L*D, H]` |
    ///
    /// An ONNX node is one layer. For a stacked layer, Y is the output of the last node. Y_h and Y_c are
    /// the states of all nodes concatenated, the lowest first, as exporters concatenate them: rows `l * D` to
    /// `l * D + D - 1` belong to node l.
    ///
    /// ```
    /// use wgpu_rnn::{Backend, Config, Layer, Weights, ndarray::Array3};
    ///
    /// let weights = Weights::seeded(Config::gru(3, 5).bidirectional(true), 0)?;
    /// let input = Array3::zeros((4, 7, 3)); // [N, T, I]
    /// let result = Layer::new(&weights, Backend::Cpu)?.forward(&input)?;
    /// let (y, y_h, _) = result.to_onnx(0)?;
    /// assert_eq!(y.shape(), [7, 2, 4, 5]); // [T, D, N, H]
    /// assert_eq!(y_h.shape(), [2, 4, 5]); // [D, N, H]
    /// assert_eq!(result.output[[3, 6, 5]], y[[6, 1, 3, 0]]);
    /// # Ok::<(), wgpu_rnn::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if `layout` is neither 0 nor 1;
    /// [`ErrorKind::Input`](crate::ErrorKind::Input) if the arrays do not fit each other, which is possible in
    /// a result that was assembled by hand; [`ErrorKind::OutOfMemory`](crate::ErrorKind::OutOfMemory) if there
    /// is not enough memory for the copy.
    pub fn to_onnx(&self, layout: i64) -> Result<OnnxArrays<A>, Error> {
        let batch_first = match layout {
            0 => false,
            1 => true,
            _ => {
                let rule = "layout must be 0 or 1".to_owned();
                return Err(Error::from(Fault::Config { rule, found: layout.to_string() }));
            }
        };
        let output = batched("output", &self.output, Axis(0))?;
        let h_n = batched("h_n", &self.h_n, Axis(1))?;
        let c_n = self.c_n.as_ref().map(|c_n| batched("c_n", c_n, Axis(1))).transpose()?;
        let (rows, _, features) = output.dim();
        let (states, _, size) = h_n.dim();
        let directions = features.checked_div(size).unwrap_or(0);
        let is_of_directions =
            matches!(directions, 1 | 2) && features == directions * size && states.is_multiple_of(directions);
        let wrong = |name: &str, found: &[usize]| {
            let expected = format!("[L*D, N, size] for an output of shape {:?}", output.shape());
            let (name, found) = (name.to_owned(), found.to_vec());
            Error::from(Fault::UnknownShape { name, expected, found }).of_argument()
        };
        if !is_of_directions || h_n.len_of(Axis(1)) != rows {
            return Err(wrong("h_n", h_n.shape()));
        }
        if let Some(c_n) = c_n.filter(|c_n| c_n.shape()[..2] != [states, rows]) {
            return Err(wrong("c_n", c_n.shape()));
        }
        let y_c = c_n.map(|c_n| state("Y_c", &c_n, batch_first)).transpose()?;
        Ok((sequence(&output, directions, batch_first)?, state("Y_h", &h_n, batch_first)?, y_c))
    }
}

/// Returns the view with a batch axis.
fn batched<'a, A, D: Dimension>(
    name: &str,
    values: &'a Array<A, D>,
    axis: Axis,
) -> Result<ArrayView3<'a, A>, Error> {
    with_batch_axis(values.view(), axis).ok_or_else(|| {
        let expected = "three dimensions, or two without a batch".into();
        let (name, found) = (name.to_owned(), values.shape().to_vec());
        Error::from(Fault::UnknownShape { name, expected, found }).of_argument()
    })
}

/// Returns `[N, T, D*H_out]` with an axis for the directions.
fn sequence<A: Clone>(
    output: &ArrayView3<'_, A>,
    directions: usize,
    batch_first: bool,
) -> Result<Array4<A>, Error> {
    let (n, t, features) = output.dim();
    let size = features / directions;
    if batch_first {
        return collected("Y", Ix4(n, t, directions, size), output.iter().cloned());
    }
    let mut values = reserved("Y", output.len())?;
    for step in 0..t {
        for direction in 0..directions {
            let vectors = output.slice(s![.., step, direction * size..(direction + 1) * size]);
            values.extend(vectors.iter().cloned());
        }
    }
    shaped(Ix4(t, directions, n, size), values)
}

/// Returns `[L*D, N, size]` with the batch axis at the layout's position.
fn state<A: Clone>(what: &str, state: &ArrayView3<'_, A>, batch_first: bool) -> Result<Array3<A>, Error> {
    let state = if batch_first { state.view().permuted_axes([1, 0, 2]) } else { state.view() };
    let (first, second, size) = state.dim();
    collected(what, Ix3(first, second, size), state.iter().cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns an array whose elements are their own positions.
    fn places(shape: [usize; 3]) -> Array3<usize> {
        Array3::from_shape_fn(shape, |(first, second, third)| (first * 100 + second) * 100 + third)
    }

    fn result() -> Output<Ix3, usize> {
        // N 3, T 4, L 2, D 2, H_out 5, H 6; an output whose steps come first in memory.
        let output = places([4, 3, 10]).permuted_axes([1, 0, 2]);
        Output::new(output, places([4, 3, 5]), Some(places([4, 3, 6])))
    }

    #[test]
    fn every_element_has_its_place_in_both_layouts() {
        let result = result();
        let [first, batch] = [0, 1].map(|layout| {
            let onnx = result.to_onnx(layout).unwrap();
            assert!(onnx.0.is_standard_layout() && onnx.1.is_standard_layout());
            onnx
        });
        assert_eq!((first.0.shape(), batch.0.shape()), (&[4, 2, 3, 5][..], &[3, 4, 2, 5][..]));
        for ((t, d, n, h), &value) in first.0.indexed_iter() {
            assert_eq!((value, batch.0[[n, t, d, h]]), (result.output[[n, t, d * 5 + h]], value));
        }
        for (first, batch, own) in [
            (&first.1, &batch.1, &result.h_n),
            (first.2.as_ref().unwrap(), batch.2.as_ref().unwrap(), result.c_n.as_ref().unwrap()),
        ] {
            assert_eq!((first, batch.view()), (own, own.view().permuted_axes([1, 0, 2])));
        }
    }

    #[test]
    fn without_a_batch_there_is_one_row() {
        let row = |array: &Array3<usize>, axis| array.index_axis(Axis(axis), 1).to_owned();
        let result = result();
        let c_n = result.c_n.as_ref().map(|c_n| row(c_n, 1));
        let unbatched = Output::new(row(&result.output, 0), row(&result.h_n, 1), c_n);
        let onnx = unbatched.to_onnx(0).unwrap();
        let batched = result.to_onnx(0).unwrap();
        assert_eq!(onnx.0, batched.0.slice(s![.., .., 1..2, ..]));
        assert_eq!(onnx.1, batched.1.slice(s![.., 1..2, ..]));
        assert_eq!(onnx.2.unwrap(), batched.2.unwrap().slice(s![.., 1..2, ..]));
    }
}
