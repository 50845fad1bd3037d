//! Layers: the device is opened at the first call, in the process that computes.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use wgpu_rnn::ndarray::{ArrayViewD, Axis, IxDyn};
use wgpu_rnn::{Input, LayerOptions, Output};

use crate::arrays::{self, Floats, Initial};
use crate::config;
use crate::device::{Wish, check_fork, default_threads};
use crate::errors::{raise, to_python};
use crate::session::Session;
use crate::weights::Weights;

/// A recurrent layer. `wgpu_rnn.Layer` extends it with what reads weights.
#[pyclass(frozen, subclass, module = "wgpu_rnn")]
pub(crate) struct Layer {
    weights: wgpu_rnn::Weights,
    options: LayerOptions,
    wish: Wish,
    time_first: bool,
    opened: OnceLock<wgpu_rnn::Layer>,
    /// Held while the device is opened, so that it is opened once.
    opening: Mutex<()>,
}

/// A result in PyTorch's form: `(output, h_n)`, or `(output, (h_n, c_n))` for an LSTM.
type Pair<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

#[pymethods]
impl Layer {
    #[new]
    #[pyo3(signature = (weights, *, device="auto", time_first=false, threads=None, precision="f32", strategy="auto",
                        measure=false, budget=None, timeout=None))]
    #[allow(clippy::too_many_arguments, reason = "Python's keyword arguments")]
    fn new(
        weights: &Weights,
        device: &str,
        time_first: bool,
        threads: Option<usize>,
        precision: &str,
        strategy: &str,
        measure: bool,
        budget: Option<u64>,
        timeout: Option<f64>,
    ) -> PyResult<Self> {
        let defaults = LayerOptions::default();
        let mut options = LayerOptions {
            threads: threads.unwrap_or_else(default_threads),
            precision: precision.parse().map_err(to_python)?,
            strategy: strategy.parse().map_err(to_python)?,
            measure,
            budget: budget.unwrap_or(defaults.budget),
            ..defaults
        };
        if let Some(seconds) = timeout {
            let timeout = Duration::try_from_secs_f64(seconds).map_err(|_| {
                raise("ConfigError", format!("timeout: expected seconds, zero or more, found {seconds}"))
            })?;
            options.timeout = timeout;
        }
        Ok(Layer {
            weights: weights.0.clone(),
            options,
            wish: Wish::parse(device)?,
            time_first,
            opened: OnceLock::new(),
            opening: Mutex::new(()),
        })
    }

    /// Runs the layer over a batch.
    #[pyo3(signature = (x, state=None, lengths=None, *, out=None))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
        state: Option<&Bound<'py, PyAny>>,
        lengths: Option<&Bound<'py, PyAny>>,
        out: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Pair<'py>> {
        check_fork()?;
        let (values, initial) = (Floats::new("input", x)?, Initial::new(state)?);
        let input = self.batch_first(values.view());
        let (n, t) = shape(&input);
        let lengths = arrays::lengths(lengths, t)?;
        let mut target =
            out.map(|out| arrays::writable(out, &self.output_shape(&values.view()))).transpose()?;
        let mut target_view = target.as_mut().map(|target| target.as_array_mut());
        let state = initial.state();
        let computed = py.detach(|| {
            let mut input = Input::new(input).state(state);
            if let Some(lengths) = &lengths {
                input = input.lengths(lengths);
            }
            let mut result = self.layer(n, t)?.forward(input)?;
            if self.time_first && result.output.ndim() == 3 {
                result.output.swap_axes(0, 1);
            }
            if let Some(target) = &mut target_view {
                target.assign(&result.output);
            }
            Ok(result)
        });
        self.pair(py, computed.map_err(to_python)?, values.foreign.then_some(x), out)
    }

    /// Starts a session with `rows` live streams.
    fn session(&self, py: Python<'_>, rows: usize) -> PyResult<Session> {
        check_fork()?;
        let session = py.detach(|| self.layer(rows, 1)?.session(rows)).map_err(to_python)?;
        Ok(Session::new(session))
    }

    /// Opens the device and prepares the layer now. `auto` chooses for batches of this shape.
    #[pyo3(signature = (batch=1, steps=1))]
    fn open(&self, py: Python<'_>, batch: usize, steps: usize) -> PyResult<()> {
        check_fork()?;
        py.detach(|| self.layer(batch, steps).map(|_| ())).map_err(to_python)
    }

    /// The device that the layer runs on, or `None` before the first call.
    #[getter]
    fn device(&self) -> Option<String> {
        self.opened.get().map(|layer| layer.backend().to_string())
    }

    /// The configuration, with the names of PyTorch's arguments.
    #[getter]
    fn config<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        config::to_dict(py, self.weights.config())
    }

    /// The weights.
    #[getter]
    fn weights(&self) -> Weights {
        Weights(self.weights.clone())
    }

    /// Whether input and output are `[T, N, …]`.
    #[getter]
    fn time_first(&self) -> bool {
        self.time_first
    }

    fn __repr__(&self) -> String {
        let layout = if self.time_first { ", time_first=True" } else { "" };
        let device = self.device().unwrap_or_else(|| "not open yet".to_owned());
        format!("<Layer {}{layout} on {device}>", self.weights.config())
    }
}

impl Layer {
    /// Returns the layer on its device, which is opened at the first call.
    fn layer(&self, batch: usize, steps: usize) -> Result<&wgpu_rnn::Layer, wgpu_rnn::Error> {
        if let Some(layer) = self.opened.get() {
            return Ok(layer);
        }
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(layer) = self.opened.get() {
            return Ok(layer);
        }
        let backend = self.wish.open(self.weights.config(), batch, steps, &self.options)?;
        let layer = wgpu_rnn::Layer::new(&self.weights, (backend, self.options.clone()))?;
        Ok(self.opened.get_or_init(|| layer))
    }

    /// Returns the input as `[N, T, I]` or `[T, I]`.
    fn batch_first<'a>(&self, mut input: ArrayViewD<'a, f32>) -> ArrayViewD<'a, f32> {
        if self.time_first && input.ndim() == 3 {
            input.swap_axes(0, 1);
        }
        input
    }

    /// Returns the output's shape for an input, in the caller's layout.
    fn output_shape(&self, input: &ArrayViewD<'_, f32>) -> Vec<usize> {
        let mut shape = input.shape().to_vec();
        if let Some(features) = shape.last_mut() {
            *features = self.weights.config().output_size();
        }
        shape
    }

    fn pair<'py>(
        &self,
        py: Python<'py>,
        result: Output<IxDyn>,
        like: Option<&Bound<'py, PyAny>>,
        out: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Pair<'py>> {
        let output = match out {
            Some(out) => out.clone(),
            None => arrays::to_python(py, result.output, like)?,
        };
        let h_n = arrays::to_python(py, result.h_n, like)?;
        match result.c_n {
            Some(c_n) => {
                let c_n = arrays::to_python(py, c_n, like)?;
                Ok((output, (h_n, c_n).into_pyobject(py)?.into_any()))
            }
            None => Ok((output, h_n)),
        }
    }
}

/// Returns N and T of a batch-first input. An input of a wrong rank gives anything; the call refuses it.
fn shape(input: &ArrayViewD<'_, f32>) -> (usize, usize) {
    match input.ndim() {
        3 => (input.len_of(Axis(0)), input.len_of(Axis(1))),
        2 => (1, input.len_of(Axis(0))),
        _ => (1, 1),
    }
}
