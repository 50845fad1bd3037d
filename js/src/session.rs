//! Sessions. A push reads its input from memory of the session, where JavaScript has written it, and leaves its output
//! there, so that a repeated push allocates nothing on either side.

use wasm_bindgen::prelude::wasm_bindgen;
use wgpu_rnn::Error;
use wgpu_rnn::ndarray::{ArrayView3, ArrayViewMut3};
use wgpu_rnn::{Input, State};

use crate::failure::Failure;
use crate::layer::initial;
use crate::now::now;

/// The state of live streams.
#[wasm_bindgen]
pub struct Session {
    session: wgpu_rnn::Session,
    arrays: Arrays,
    failure: Option<Failure>,
}

/// The arrays of a push.
#[derive(Default)]
struct Arrays {
    /// `[M, T, I]`.
    input: Vec<f32>,
    /// `[M, T, H_out]`.
    output: Vec<f32>,
    /// M rows of the session.
    rows: Vec<usize>,
    /// M lengths.
    lengths: Vec<usize>,
    /// M and T.
    size: [usize; 2],
    /// I and H_out.
    widths: [usize; 2],
}

impl Session {
    pub(crate) fn new(session: wgpu_rnn::Session) -> Session {
        Session { session, arrays: Arrays::default(), failure: None }
    }

    fn note<T>(&mut self, result: Result<T, Failure>) -> Option<T> {
        result.map_err(|failure| self.failure = Some(failure)).ok()
    }
}

#[wasm_bindgen]
impl Session {
    /// Makes room for pushes of `rows` rows and `steps` steps. Where the arrays are may change, and where memory is, too.
    /// False means that `failure` says why.
    pub fn reserve(&mut self, rows: usize, steps: usize) -> bool {
        let config = self.session.layer().config();
        self.arrays.widths = [config.input_size, config.output_size()];
        let made = self.arrays.resize([rows, steps]);
        self.note(made).is_some()
    }

    /// Where the input is, as an address in bytes.
    pub fn input(&self) -> *const f32 {
        self.arrays.input.as_ptr()
    }

    /// Where the output is.
    pub fn output(&self) -> *const f32 {
        self.arrays.output.as_ptr()
    }

    /// Where the rows are, unsigned numbers of 32 bits.
    pub fn rows(&self) -> *const usize {
        self.arrays.rows.as_ptr()
    }

    /// Where the lengths are, unsigned numbers of 32 bits.
    pub fn lengths(&self) -> *const usize {
        self.arrays.lengths.as_ptr()
    }

    /// Pushes the input on the CPU: for the rows that are listed if `named`, and with lengths if `padded`. False means
    /// that `failure` says why.
    pub fn push(&mut self, named: bool, padded: bool) -> bool {
        let pushed = self.arrays.views(named, padded).and_then(|(input, output)| {
            now(self.session.push_into_async(input, output)).map_err(Failure::from)
        });
        self.note(pushed).is_some()
    }

    /// Returns the error of the last call that returned false, once.
    pub fn failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }

    /// Returns the hidden state of all rows, on the CPU.
    ///
    /// # Errors
    ///
    /// The library's.
    pub fn state(&self) -> Result<Saved, Failure> {
        Ok(Saved(now(self.session.state_async())?))
    }

    /// Sets the state of some rows or of all, on the CPU.
    ///
    /// # Errors
    ///
    /// The library's.
    pub fn set_state(
        &mut self,
        rows: Option<Vec<usize>>,
        h_0: Option<Vec<f32>>,
        c_0: Option<Vec<f32>>,
    ) -> Result<(), Failure> {
        let state = self.initial(rows.as_deref(), [h_0, c_0])?;
        Ok(now(self.session.set_state_async(rows.as_deref(), state))?)
    }

    /// Sets the state of some rows or of all to zero.
    ///
    /// # Errors
    ///
    /// The library's.
    pub fn reset(&mut self, rows: Option<Vec<usize>>) -> Result<(), Failure> {
        Ok(self.session.reset(rows.as_deref())?)
    }
}

impl Session {
    fn initial(
        &self,
        rows: Option<&[usize]>,
        state: [Option<Vec<f32>>; 2],
    ) -> Result<State<'static>, Failure> {
        let count = rows.map_or(self.session.rows(), <[usize]>::len);
        initial(self.session.layer().config(), count, state)
    }
}

#[cfg(feature = "gpu")]
#[wasm_bindgen]
impl Session {
    /// Like `push`, on any device.
    pub async fn push_async(&mut self, named: bool, padded: bool) -> bool {
        let pushed = match self.arrays.views(named, padded) {
            Ok((input, output)) => self.session.push_into_async(input, output).await.map_err(Failure::from),
            Err(failure) => Err(failure),
        };
        self.note(pushed).is_some()
    }

    /// Like `state`, on any device.
    ///
    /// # Errors
    ///
    /// The library's.
    pub async fn state_async(&self) -> Result<Saved, Failure> {
        Ok(Saved(self.session.state_async().await?))
    }

    /// Like `set_state`, on any device.
    ///
    /// # Errors
    ///
    /// The library's.
    pub async fn set_state_async(
        &mut self,
        rows: Option<Vec<usize>>,
        h_0: Option<Vec<f32>>,
        c_0: Option<Vec<f32>>,
    ) -> Result<(), Failure> {
        let state = self.initial(rows.as_deref(), [h_0, c_0])?;
        Ok(self.session.set_state_async(rows.as_deref(), state).await?)
    }
}

impl Arrays {
    fn resize(&mut self, size: [usize; 2]) -> Result<(), Failure> {
        let ([rows, steps], [inputs, outputs]) = (size, self.widths);
        let count = rows.checked_mul(steps);
        for (values, width) in [(&mut self.input, inputs), (&mut self.output, outputs)] {
            let count = count.and_then(|count| count.checked_mul(width)).ok_or_else(|| too_large(size))?;
            fill(values, count, 0.0).map_err(|()| too_large(size))?;
        }
        fill(&mut self.rows, rows, 0).map_err(|()| too_large(size))?;
        fill(&mut self.lengths, rows, 0).map_err(|()| too_large(size))?;
        self.size = size;
        Ok(())
    }

    fn views(&mut self, named: bool, padded: bool) -> Result<(Input<'_>, ArrayViewMut3<'_, f32>), Failure> {
        let ([rows, steps], [inputs, outputs]) = (self.size, self.widths);
        let unfit = |_| too_large([rows, steps]);
        let input = ArrayView3::from_shape([rows, steps, inputs], &self.input).map_err(unfit)?;
        let output = ArrayViewMut3::from_shape([rows, steps, outputs], &mut self.output).map_err(unfit)?;
        let mut input = Input::new(input);
        if named {
            input = input.rows(&self.rows);
        }
        if padded {
            input = input.lengths(&self.lengths);
        }
        Ok((input, output))
    }
}

fn too_large([rows, steps]: [usize; 2]) -> Failure {
    let message = format!("out of memory: a push of {rows} rows and {steps} steps");
    Failure::from(Error::new(wgpu_rnn::ErrorKind::OutOfMemory, message))
}

fn fill<T: Clone>(values: &mut Vec<T>, count: usize, value: T) -> Result<(), ()> {
    values.try_reserve_exact(count.saturating_sub(values.len())).map_err(|_| ())?;
    values.resize(count, value);
    Ok(())
}

/// The state of a session's rows.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Saved(State<'static>);

#[wasm_bindgen]
impl Saved {
    /// `[L, R, H_out]`.
    pub fn h_0(&self) -> Vec<f32> {
        self.0.h_0.iter().flatten().copied().collect()
    }

    /// `[L, R, H]` of an LSTM.
    pub fn c_0(&self) -> Option<Vec<f32>> {
        self.0.c_0.as_ref().map(|c_0| c_0.iter().copied().collect())
    }
}
