//! What has been logged of a layer's shapes.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use log::Level;

use super::plan::CallShape;

/// Shapes that are told at level `debug`. A program whose every call has another shape would get a line a call.
const SHAPES: usize = 64;

/// The shapes of which something has been told.
#[derive(Debug, Default)]
pub(super) struct LogOnce(Mutex<HashSet<CallShape>>);

impl LogOnce {
    /// At which level to tell of a shape: `debug` the first time, if there are not too many, and else `trace`.
    pub(super) fn level(&self, size: CallShape) -> Level {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < SHAPES && told.insert(size) { Level::Debug } else { Level::Trace }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::plan::Endpoints;

    #[test]
    fn a_shape_is_told_once_and_not_too_many_are() {
        let told = LogOnce::default();
        let level = |rows| told.level(CallShape { rows, steps: 1, budget: 0, endpoints: Endpoints::Host });
        assert_eq!([level(1), level(2), level(1)], [Level::Debug, Level::Debug, Level::Trace]);
        let debug = (3..200).filter(|&rows| level(rows) == Level::Debug).count();
        assert_eq!(debug, SHAPES - 2);
    }
}
