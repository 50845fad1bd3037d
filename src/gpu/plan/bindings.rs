//! What each dispatch binds.

use super::dispatch::{Dispatch, Kind, Sequence};

/// A buffer that a kernel sees. Of two that alternate the number tells which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) enum Bound {
    /// `Shape`, of a part of the weights.
    Sizes(usize),
    /// `Moment`.
    Parameters,
    /// A part of the weights.
    Weights(usize),
    Sequence(Sequence),
    Hidden(usize),
    Unprojected,
    Cell,
    Gates,
    Lengths,
}

impl Bound {
    /// As the plan's list of buffers names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Bound::Sizes(_) => "sizes",
            Bound::Parameters => "dispatches' parameters",
            Bound::Weights(_) => "weights",
            Bound::Sequence(Sequence::Input) => "input",
            Bound::Sequence(Sequence::Between(_)) => "the sequence between layers",
            Bound::Sequence(Sequence::Output) => "output",
            Bound::Hidden(_) => "hidden state",
            Bound::Unprojected => "hidden state before projection",
            Bound::Cell => "cell state",
            Bound::Gates => "gates",
            Bound::Lengths => "lengths",
        }
    }
}

impl Dispatch {
    /// What is at bindings 0 to 9 of `bindings.wgsl`, of a layer with or without a projection.
    pub(in crate::gpu) fn bindings(&self, projected: bool) -> [Bound; 10] {
        let input = match self.kind {
            Kind::Projection => Bound::Unprojected,
            Kind::Project | Kind::Step | Kind::Scan => Bound::Sequence(self.input),
        };
        let next_hidden = match self.kind {
            Kind::Project => Bound::Gates,
            Kind::Step if projected => Bound::Unprojected,
            Kind::Step | Kind::Projection | Kind::Scan => Bound::Hidden(1 - self.parity),
        };
        // The product that makes the gates cannot read them.
        let gates = if self.kind == Kind::Project { Bound::Lengths } else { Bound::Gates };
        [
            Bound::Sizes(self.part),
            Bound::Parameters,
            Bound::Weights(self.part),
            input,
            Bound::Hidden(self.parity),
            next_hidden,
            Bound::Cell,
            Bound::Sequence(self.output),
            Bound::Lengths,
            gates,
        ]
    }
}
