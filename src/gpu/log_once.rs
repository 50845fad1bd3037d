//! Chooses log levels so that each shape of a layer is logged at level `debug` only once.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use log::Level;

use super::plan::CallShape;

/// The largest number of shapes that are logged at level `debug`. Without it, a program whose every call
/// has another shape would get a line for each call.
const SHAPES: usize = 64;

/// The shapes that have been logged.
#[derive(Debug, Default)]
pub(super) struct LogOnce(Mutex<HashSet<CallShape>>);

impl LogOnce {
    /// Returns the level at which to log a shape: `debug` the first time, unless there are too many shapes
    /// already, and `trace` otherwise.
    pub(super) fn level(&self, size: CallShape) -> Level {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.len() < SHAPES && logged.insert(size) { Level::Debug } else { Level::Trace }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::plan::Endpoints;

    #[test]
    fn a_shape_is_told_once_and_not_too_many_are() {
        let logged = LogOnce::default();
        let level = |rows| logged.level(CallShape { rows, steps: 1, budget: 0, endpoints: Endpoints::Host });
        assert_eq!([level(1), level(2), level(1)], [Level::Debug, Level::Debug, Level::Trace]);
        let debug = (3..200).filter(|&rows| level(rows) == Level::Debug).count();
        assert_eq!(debug, SHAPES - 2);
    }
}
