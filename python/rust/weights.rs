//! Weights: read from a file's bytes or from arrays, and pickled.

use numpy::PyArrayDyn;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use wgpu_rnn::ndarray::ArrayD;
use wgpu_rnn::{Activation, Input, LoadOptions, Precision};

use crate::arrays::{self, Floats, Initial};
use crate::config;
use crate::errors::{raise, to_python};

/// An array of float64.
type Doubles<'py> = Bound<'py, PyArrayDyn<f64>>;

/// The configuration and the parameters of a layer. Immutable.
#[pyclass(frozen, module = "wgpu_rnn")]
pub(crate) struct Weights(pub(crate) wgpu_rnn::Weights);

#[pymethods]
impl Weights {
    /// Returns the parameters that `torch.manual_seed(seed)` and PyTorch's constructor give.
    #[staticmethod]
    fn seeded(config: &Bound<'_, PyDict>, seed: u64) -> PyResult<Self> {
        wgpu_rnn::Weights::seeded(config::from_dict(config)?, seed).map(Weights).map_err(to_python)
    }

    /// Reads the parameters from arrays in PyTorch's order.
    #[staticmethod]
    fn from_arrays(config: &Bound<'_, PyDict>, arrays: Vec<Bound<'_, PyAny>>) -> PyResult<Self> {
        let mut arrays =
            arrays.iter().map(|array| Floats::new("parameter", array).map(|values| values.view().to_owned()));
        let mut failed = None;
        let mut next = || match arrays.next() {
            Some(Ok(array)) => array,
            Some(Err(error)) => {
                failed.get_or_insert(error);
                ArrayD::zeros(vec![0])
            }
            None => ArrayD::zeros(vec![0]),
        };
        let weights = wgpu_rnn::Weights::from_fn(config::from_dict(config)?, |_, _| Ok(next()));
        match failed {
            Some(error) => Err(error),
            None => weights.map(Weights).map_err(to_python),
        }
    }

    /// Reads the parameters from a state dict's arrays by their names.
    #[staticmethod]
    #[pyo3(signature = (tensors, prefix=None, nonlinearity=None))]
    fn from_state_dict(
        tensors: &Bound<'_, PyDict>,
        prefix: Option<String>,
        nonlinearity: Option<&str>,
    ) -> PyResult<Self> {
        let mut named = Vec::new();
        for (name, value) in tensors {
            let name: String = name.extract()?;
            named.push((name.clone(), Floats::new(&name, &value)?.view().to_owned()));
        }
        let options = options(prefix.into_iter().collect(), nonlinearity)?;
        wgpu_rnn::Weights::from_state_dict(named, &options).map(Weights).map_err(to_python)
    }

    /// Reads a file, whose first bytes show its format. `layers` names the layer, or the layers of a stack.
    #[staticmethod]
    #[pyo3(signature = (data, layers=Vec::new(), nonlinearity=None, reverse=false))]
    fn from_file(
        py: Python<'_>,
        data: &[u8],
        layers: Vec<String>,
        nonlinearity: Option<&str>,
        reverse: bool,
    ) -> PyResult<Self> {
        let options = LoadOptions { reverse, ..options(layers, nonlinearity)? };
        let weights = py.detach(|| wgpu_rnn::Weights::from_bytes(data, &options));
        weights.map(Weights).map_err(to_python)
    }

    /// Returns the configuration.
    #[getter]
    fn config<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        config::to_dict(py, self.0.config())
    }

    /// Returns copies of the parameters by PyTorch's names, in PyTorch's order.
    fn state_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (name, values) in self.0.parameters() {
            dict.set_item(name.to_string(), arrays::to_python(py, values.to_owned(), None)?)?;
        }
        Ok(dict)
    }

    /// Returns how far each element of a float32 result may be from the exact one: `(output, h_n, c_n)` as float64
    /// arrays, batch-first. `c_n` is `None` unless the layer is an LSTM.
    #[pyo3(signature = (x, state=None, lengths=None, precision="f32"))]
    fn tolerance<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
        state: Option<&Bound<'py, PyAny>>,
        lengths: Option<&Bound<'py, PyAny>>,
        precision: &str,
    ) -> PyResult<(Doubles<'py>, Doubles<'py>, Option<Doubles<'py>>)> {
        let (values, initial) = (Floats::new("input", x)?, Initial::new(state)?);
        let precision: Precision = precision.parse().map_err(to_python)?;
        let lengths = arrays::lengths(lengths, usize::MAX)?;
        let mut input = Input::new(values.view());
        if let Some(lengths) = &lengths {
            input = input.lengths(lengths);
        }
        let input = input.state(initial.state());
        let found = wgpu_rnn::tolerance::forward(&self.0, precision, input).map_err(to_python)?;
        let array = |values| PyArrayDyn::from_owned_array(py, values);
        Ok((array(found.output), array(found.h_n), found.c_n.map(array)))
    }

    /// Returns a safetensors file with PyTorch's names.
    fn to_safetensors<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.0.to_safetensors().map_err(to_python)?))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let rebuild = py.get_type::<Weights>().getattr("from_arrays")?;
        let arrays = self.state_dict(py)?.values();
        Ok((rebuild, (config::to_dict(py, self.0.config())?, arrays).into_pyobject(py)?))
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Weights>().is_ok_and(|other| other.get().0 == self.0)
    }

    fn __repr__(&self) -> String {
        format!("Weights({})", self.0.config())
    }
}

fn options(layers: Vec<String>, nonlinearity: Option<&str>) -> PyResult<LoadOptions> {
    let activation = match nonlinearity {
        None => None,
        Some("tanh") => Some(Activation::Tanh),
        Some("relu") => Some(Activation::Relu),
        Some(other) => {
            let expected = "expected 'tanh', or 'relu' for an rnn";
            return Err(raise("ConfigError", format!("nonlinearity: {expected}, found '{other}'")));
        }
    };
    Ok(LoadOptions { layers, activation, ..LoadOptions::default() })
}
