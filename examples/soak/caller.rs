//! One thread's calls.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use wgpu_rnn::ndarray::Array3;
use wgpu_rnn::tolerance::{self, Comparison};
use wgpu_rnn::{Config, Error, ErrorKind, Input, Output, Precision, Session, Weights, reference};

use crate::subject::{Generation, Subject};

/// Rows and steps of a call at most, and rows of a session.
const ROWS: usize = 9;
const STEPS: usize = 12;

pub(crate) struct Caller<'a> {
    subject: &'a Subject,
    /// One of this many calls is checked.
    check: usize,
    /// One of this many calls destroys the device first; none if it is 0.
    lose: usize,
    /// The session, with the device that it is on.
    session: Option<(Arc<Generation>, Session)>,
    dice: u64,
}

/// How a call ended.
pub(crate) enum Outcome {
    Done,
    /// The device was lost before or in the call.
    Lost,
}

impl<'a> Caller<'a> {
    pub(crate) fn new(subject: &'a Subject, check: usize, lose: usize, seed: usize) -> Self {
        Caller { subject, check: check.max(1), lose, session: None, dice: seed as u64 }
    }

    /// One call of some kind.
    ///
    /// # Errors
    ///
    /// Any error but that of a device that was destroyed.
    pub(crate) fn call(&mut self, checked: &AtomicUsize) -> Result<Outcome, Error> {
        let _turn = self.subject.turn();
        if self.lose > 0 && self.below(self.lose) == 0 {
            self.subject.lose()?;
        }
        let generation = self.subject.current();
        match self.below(8) {
            0..4 => allowed(self.forward(&generation, checked), &generation),
            4 => allowed(self.dropped(&generation), &generation),
            5 => self.reopened(&generation),
            _ => self.push(&generation),
        }
    }

    /// Ends what lives between calls.
    pub(crate) fn close(&mut self) {
        self.session = None;
    }

    fn forward(&mut self, generation: &Generation, checked: &AtomicUsize) -> Result<(), Error> {
        let which = self.below(2);
        let layer = &generation.layers[which];
        let (x, lengths) = self.batch(layer.config());
        let input = Input::new(&x).lengths(&lengths);
        let blocks = self.below(2) == 0 || self.subject.takes_turns();
        let found = match blocks {
            true => layer.forward(&input)?,
            false => pollster::block_on(layer.forward_async(&input))?,
        };
        if self.below(self.check) == 0 {
            checked.fetch_add(1, Ordering::Relaxed);
            right(&self.subject.weights[which], &input, &found)?;
        }
        Ok(())
    }

    /// A future that is polled once. Where threads take turns, which futures do not, it is a call that blocks.
    fn dropped(&mut self, generation: &Generation) -> Result<(), Error> {
        let layer = &generation.layers[self.below(2)];
        let (x, lengths) = self.batch(layer.config());
        let input = Input::new(&x).lengths(&lengths);
        if self.subject.takes_turns() {
            return layer.forward(&input).map(drop);
        }
        let future = pin!(layer.forward_async(&input));
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            std::task::Poll::Ready(outcome) => outcome.map(|_| ()),
            std::task::Poll::Pending => Ok(()),
        }
    }

    /// Another session, in one of four calls of this kind; else a row of it begins anew.
    fn reopened(&mut self, generation: &Arc<Generation>) -> Result<Outcome, Error> {
        let (open, row) = (self.below(4) == 0, self.below(ROWS));
        match &mut self.session {
            Some((of, session)) if !open => {
                let reset = session.reset(Some(&[row]));
                allowed(reset, of)
            }
            _ => {
                let session = generation.layers[0].session(ROWS);
                let opened = session.map(|session| self.session = Some((Arc::clone(generation), session)));
                allowed(opened, generation)
            }
        }
    }

    /// A push. The session of a lost device ends with its first error.
    fn push(&mut self, generation: &Arc<Generation>) -> Result<Outcome, Error> {
        let Some((of, mut session)) = self.session.take() else { return self.reopened(generation) };
        let rows: Vec<usize> = (0..ROWS).filter(|_| self.below(2) == 0).collect();
        let (x, _) = self.batch_of(session.layer().config(), rows.len(), 2);
        let pushed = session.push(Input::from(&x).rows(&rows)).map(drop);
        let outcome = allowed(pushed, &of)?;
        if matches!(outcome, Outcome::Done) {
            self.session = Some((of, session));
        }
        Ok(outcome)
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

/// Returns how a call ended. That a device is lost is an error unless it was destroyed.
fn allowed(result: Result<(), Error>, generation: &Generation) -> Result<Outcome, Error> {
    match result {
        Ok(()) => Ok(Outcome::Done),
        Err(error) if error.kind() == ErrorKind::DeviceLost && generation.is_lost() => Ok(Outcome::Lost),
        Err(error) => Err(error),
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
