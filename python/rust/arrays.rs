//! Arrays from and to Python. An f32 array of NumPy is read in place; `wgpu_rnn/_arrays.py` converts the rest.

use numpy::{
    PyArray, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyReadwriteArrayDyn, PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use wgpu_rnn::State;
use wgpu_rnn::ndarray::{ArrayD, ArrayViewD, IxDyn};

use crate::errors::raise;

/// An array of Python, readable as f32 values.
pub(crate) struct Floats<'py> {
    array: PyReadonlyArrayDyn<'py, f32>,
    /// Whether the caller gave another kind of array than NumPy's, such as a tensor of torch.
    pub(crate) foreign: bool,
}

impl<'py> Floats<'py> {
    /// Reads an array in place if it is NumPy's and holds aligned f32 values, else converts it.
    pub(crate) fn new(name: &str, value: &Bound<'py, PyAny>) -> PyResult<Self> {
        let own = value.cast::<PyArrayDyn<f32>>().ok().filter(|array| is_aligned(array));
        let (array, foreign) = match own {
            Some(array) => (array.clone(), false),
            None => convert(name, value)?,
        };
        let array = array.try_readonly().map_err(|_| {
            raise("WgpuRnnError", format!("{name}: another call writes into this array (its `out`)"))
        })?;
        Ok(Floats { array, foreign })
    }

    /// Returns the values with the array's strides.
    pub(crate) fn view(&self) -> ArrayViewD<'_, f32> {
        self.array.as_array()
    }
}

/// Returns whether an array is aligned as Rust's references must be.
fn is_aligned(array: &Bound<'_, PyArrayDyn<f32>>) -> bool {
    let size = size_of::<f32>();
    (array.data() as usize).is_multiple_of(align_of::<f32>())
        && array.strides().iter().all(|stride| stride.unsigned_abs().is_multiple_of(size))
}

/// Converts an array, and returns whether it was not NumPy's.
fn convert<'py>(name: &str, value: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyArrayDyn<f32>>, bool)> {
    let helper = value.py().import("wgpu_rnn._arrays")?.getattr("as_f32")?;
    helper.call1((name, value))?.extract()
}

/// Returns a result as an array of NumPy, without a copy, or as a tensor if the input was one.
pub(crate) fn to_python<'py>(
    py: Python<'py>,
    values: ArrayD<f32>,
    like: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let array = PyArray::from_owned_array(py, values).into_any();
    match like {
        Some(like) => py.import("wgpu_rnn._arrays")?.getattr("like")?.call1((like, array)),
        None => Ok(array),
    }
}

/// Borrows the caller's array for an output.
pub(crate) fn writable<'py>(
    value: &Bound<'py, PyAny>,
    shape: &[usize],
) -> PyResult<PyReadwriteArrayDyn<'py, f32>> {
    let wrong = |found: String| {
        raise(
            "ShapeError",
            format!("out: expected a writable float32 array of shape {shape:?}, found {found}"),
        )
    };
    let array = value.cast::<PyArrayDyn<f32>>().map_err(|_| wrong(value.get_type().to_string()))?;
    if array.shape() != shape {
        return Err(wrong(format!("shape {:?}", array.shape())));
    }
    if !is_aligned(array) {
        return Err(wrong("an unaligned one".into()));
    }
    array.try_readwrite().map_err(|error| wrong(error.to_string()))
}

/// Reads the rows' lengths: any iterable of integers.
pub(crate) fn lengths(value: Option<&Bound<'_, PyAny>>, steps: usize) -> PyResult<Option<Vec<usize>>> {
    let Some(value) = value else { return Ok(None) };
    let mut lengths = Vec::new();
    for (row, length) in value.try_iter()?.enumerate() {
        let length: i64 = length?.extract()?;
        lengths.push(usize::try_from(length).map_err(|_| {
            raise(
                "ShapeError",
                format!("lengths[{row}]: expected 0 to {steps} (the input's steps), found {length}"),
            )
        })?);
    }
    Ok(Some(lengths))
}

/// The initial state of a call: one array, or an LSTM's two.
pub(crate) struct Initial<'py> {
    h_0: Option<Floats<'py>>,
    c_0: Option<Floats<'py>>,
}

impl<'py> Initial<'py> {
    /// Reads `None`, `h_0`, or `(h_0, c_0)`, in which either may be `None`.
    pub(crate) fn new(value: Option<&Bound<'py, PyAny>>) -> PyResult<Self> {
        let Some(value) = value else { return Ok(Initial { h_0: None, c_0: None }) };
        let [h_0, c_0] = match value.extract::<(Option<Bound<'py, PyAny>>, Option<Bound<'py, PyAny>>)>() {
            Ok((h_0, c_0)) if is_pair(value) => [h_0, c_0],
            _ => [Some(value.clone()), None],
        };
        let read =
            |name, value: Option<Bound<'py, PyAny>>| value.map(|value| Floats::new(name, &value)).transpose();
        Ok(Initial { h_0: read("h_0", h_0)?, c_0: read("c_0", c_0)? })
    }

    /// Returns the state for a call.
    pub(crate) fn state(&self) -> State<'_, IxDyn> {
        let mut state = State::default();
        [state.h_0, state.c_0] =
            [&self.h_0, &self.c_0].map(|part| part.as_ref().map(|values| values.view().into()));
        state
    }
}

fn is_pair(value: &Bound<'_, PyAny>) -> bool {
    value.is_instance_of::<pyo3::types::PyTuple>() || value.is_instance_of::<pyo3::types::PyList>()
}
