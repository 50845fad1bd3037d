//! Sessions: live streams whose state stays on the layer's device.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use wgpu_rnn::ndarray::{CowArray, Ix3, IxDyn};
use wgpu_rnn::{Input, State};

use crate::arrays::{self, Floats, Initial};
use crate::device::check_fork;
use crate::errors::{raise, to_python};

/// The states of live streams. Calls from several threads run one after the other.
#[pyclass(frozen, module = "wgpu_rnn")]
pub(crate) struct Session {
    session: Mutex<wgpu_rnn::Session>,
    rows: usize,
    output_size: usize,
}

impl Session {
    pub(crate) fn new(session: wgpu_rnn::Session) -> Self {
        let (rows, output_size) = (session.rows(), session.layer().config().output_size());
        Session { session: Mutex::new(session), rows, output_size }
    }

    fn lock(&self) -> MutexGuard<'_, wgpu_rnn::Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Session {
    /// R, the number of streams.
    #[getter]
    fn rows(&self) -> usize {
        self.rows
    }

    /// Computes the next steps of all rows, or of the listed ones.
    #[pyo3(signature = (x, rows=None, lengths=None, *, out=None))]
    fn push<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
        rows: Option<Vec<usize>>,
        lengths: Option<&Bound<'py, PyAny>>,
        out: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        check_fork()?;
        let values = Floats::new("input", x)?;
        let view = values.view();
        let steps = view.shape().iter().rev().nth(1).copied().unwrap_or(0);
        let lengths = arrays::lengths(lengths, steps)?;
        let mut shape = view.shape().to_vec();
        if let Some(features) = shape.last_mut() {
            *features = self.output_size;
        }
        let mut target = out.map(|out| arrays::writable(out, &shape)).transpose()?;
        let target_view = target.as_mut().map(|target| target.as_array_mut());
        let output = py.detach(|| {
            let mut input = Input::new(view);
            if let Some(lengths) = &lengths {
                input = input.lengths(lengths);
            }
            if let Some(rows) = &rows {
                input = input.rows(rows);
            }
            let mut session = self.lock();
            match target_view {
                None => session.push(input).map(Some),
                Some(target) => session.push_into(input, target).map(|()| None),
            }
        });
        match (output.map_err(to_python)?, out) {
            (Some(output), _) => arrays::to_python(py, output, values.foreign.then_some(x)),
            (None, Some(out)) => Ok(out.clone()),
            (None, None) => Ok(py.None().into_bound(py)),
        }
    }

    /// Returns the state of all rows: `h_n`, or `(h_n, c_n)` for an LSTM.
    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        check_fork()?;
        let state = py.detach(|| self.lock().state()).map_err(to_python)?;
        let owned = |part: CowArray<'_, f32, Ix3>| part.into_owned().into_dyn();
        let h_n = state.h_0.map(owned).unwrap_or_default();
        let h_n = arrays::to_python(py, h_n, None)?;
        match state.c_0 {
            Some(c_n) => Ok((h_n, arrays::to_python(py, owned(c_n), None)?).into_pyobject(py)?.into_any()),
            None => Ok(h_n),
        }
    }

    /// Sets the state of all rows, or of the listed ones.
    #[pyo3(signature = (state, rows=None))]
    fn set_state(&self, py: Python<'_>, state: &Bound<'_, PyAny>, rows: Option<Vec<usize>>) -> PyResult<()> {
        check_fork()?;
        let initial = Initial::new(Some(state))?;
        let given = initial.state();
        let mut state = State::default();
        (state.h_0, state.c_0) = (of_rank_3("h_0", given.h_0)?, of_rank_3("c_0", given.c_0)?);
        py.detach(|| self.lock().set_state(rows.as_deref(), state)).map_err(to_python)
    }

    /// Sets the state of all rows, or of the listed ones, to zero.
    #[pyo3(signature = (rows=None))]
    fn reset(&self, py: Python<'_>, rows: Option<Vec<usize>>) -> PyResult<()> {
        check_fork()?;
        py.detach(|| self.lock().reset(rows.as_deref())).map_err(to_python)
    }

    fn __repr__(&self) -> String {
        format!("<Session of {} rows of {}>", self.rows, self.lock().layer().config())
    }
}

fn of_rank_3<'a>(
    name: &str,
    part: Option<CowArray<'a, f32, IxDyn>>,
) -> PyResult<Option<CowArray<'a, f32, Ix3>>> {
    let Some(part) = part else { return Ok(None) };
    let found = part.ndim();
    part.into_dimensionality::<Ix3>()
        .map(Some)
        .map_err(|_| raise("ShapeError", format!("{name}: expected 3 dimensions, found {found}")))
}
