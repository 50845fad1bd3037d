//! One thread's calls.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use wgpu_rnn::ndarray::Array3;
use wgpu_rnn::tolerance::{self, Comparison};
use wgpu_rnn::{Config, Error, ErrorKind, Input, Layer, Output, Precision, Session, Weights, reference};

/// Rows and steps of a call at most, and rows of a session.
const ROWS: usize = 9;
const STEPS: usize = 12;

pub(crate) struct Caller<'a> {
    weights: &'a [Weights; 2],
    layers: &'a [Layer; 2],
    /// Of so many calls one is checked.
    check: usize,
    session: Option<Session>,
    dice: u64,
}

impl<'a> Caller<'a> {
    pub(crate) fn new(weights: &'a [Weights; 2], layers: &'a [Layer; 2], check: usize, seed: usize) -> Self {
        Caller { weights, layers, check: check.max(1), session: None, dice: seed as u64 }
    }

    /// One call of some kind.
    pub(crate) fn call(&mut self, checked: &AtomicUsize) -> Result<(), Error> {
        match self.below(8) {
            0..4 => self.forward(checked),
            4 => self.dropped(),
            5 => self.reopened(),
            _ => self.push(),
        }
    }

    /// Ends what lives between calls.
    pub(crate) fn close(&mut self) {
        self.session = None;
    }

    fn forward(&mut self, checked: &AtomicUsize) -> Result<(), Error> {
        let which = self.below(2);
        let layer = &self.layers[which];
        let (x, lengths) = self.batch(layer.config());
        let input = Input::new(&x).lengths(&lengths);
        let found = match self.below(2) {
            0 => layer.forward(&input)?,
            _ => pollster::block_on(layer.forward_async(&input))?,
        };
        if self.below(self.check) == 0 {
            checked.fetch_add(1, Ordering::Relaxed);
            right(&self.weights[which], &input, &found)?;
        }
        Ok(())
    }

    /// A future that is polled once.
    fn dropped(&mut self) -> Result<(), Error> {
        let layer = &self.layers[self.below(2)];
        let (x, lengths) = self.batch(layer.config());
        let input = Input::new(&x).lengths(&lengths);
        let future = pin!(layer.forward_async(&input));
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            std::task::Poll::Ready(outcome) => outcome.map(|_| ()),
            std::task::Poll::Pending => Ok(()),
        }
    }

    /// Another session, in one of four calls of this kind; else a row of it begins anew.
    fn reopened(&mut self) -> Result<(), Error> {
        let (open, row) = (self.below(4) == 0, self.below(ROWS));
        match &mut self.session {
            Some(session) if !open => session.reset(Some(&[row])),
            _ => {
                self.session = Some(self.layers[0].session(ROWS)?);
                Ok(())
            }
        }
    }

    fn push(&mut self) -> Result<(), Error> {
        let Some(mut session) = self.session.take() else { return self.reopened() };
        let rows: Vec<usize> = (0..ROWS).filter(|_| self.below(2) == 0).collect();
        let (x, _) = self.batch_of(session.layer().config(), rows.len(), 2);
        session.push(Input::from(&x).rows(&rows))?;
        self.session = Some(session);
        Ok(())
    }

    fn batch(&mut self, config: &Config) -> (Array3<f32>, Vec<usize>) {
        let (rows, steps) = (1 + self.below(ROWS), 1 + self.below(STEPS));
        self.batch_of(config, rows, steps)
    }

    fn batch_of(&mut self, config: &Config, rows: usize, steps: usize) -> (Array3<f32>, Vec<usize>) {
        let x = Array3::from_shape_simple_fn((rows, steps, config.input_size), || self.value());
        (x, (0..rows).map(|_| self.below(steps + 1)).collect())
    }

    /// In [-1, 1).
    fn value(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// A number below `end` (splitmix64).
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap_or(0)
    }

    fn next(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.dice;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }
}

/// Within the tolerance of the reference.
fn right(weights: &Weights, input: &Input<'_>, found: &Output) -> Result<(), Error> {
    let expected = reference::forward(weights, input)?;
    let allowed = tolerance::forward(weights, Precision::F32, input)?;
    let comparison = Comparison::new(found, &expected, &allowed)?;
    match comparison.passes() {
        true => Ok(()),
        false => {
            let text = format!("a result: expected one within its tolerance, found {comparison:?}");
            Err(Error::new(ErrorKind::Driver, text))
        }
    }
}
