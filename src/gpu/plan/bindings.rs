//! The buffers that each dispatch binds.

/// A buffer that a kernel binds. If two buffers alternate, the number selects one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) enum Bound {
    /// The `LayerDims` of a part of the weights.
    Dims(usize),
    /// The `DispatchParams`.
    Parameters,
    /// A part of the weights.
    Weights(usize),
    Sequence(Sequence),
    Hidden(usize),
    /// The result of a step's first product, which the second one reads.
    Intermediate,
    Cell,
    Gates,
    Lengths,
    /// A session's rows in the order of the pass.
    Rows,
    SavedHidden(Saved),
    SavedCell(Saved),
}

/// One of the two states of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) enum Saved {
    /// The state that a pass reads.
    Read,
    /// The state that a pass writes.
    Written,
}

/// A sequence: a buffer `[N, T, …]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) enum Sequence {
    Input,
    /// One of the two sequences between layers.
    Between(usize),
    Output,
}

impl Bound {
    /// Returns whether the buffer is one of the session's states.
    pub(in crate::gpu) fn is_saved(self) -> bool {
        matches!(self, Bound::SavedHidden(_) | Bound::SavedCell(_))
    }

    /// Returns the buffer's label, which is also its name in reports.
    pub(in crate::gpu) fn name(self) -> &'static str {
        match self {
            Bound::Dims(_) => "dimensions",
            Bound::Parameters => "dispatches' parameters",
            Bound::Weights(_) => "weights",
            Bound::Sequence(Sequence::Input) => "input",
            Bound::Sequence(Sequence::Between(_)) => "the sequence between layers",
            Bound::Sequence(Sequence::Output) => "output",
            Bound::Hidden(_) => "hidden state",
            Bound::Intermediate => "between the products of a step",
            Bound::Cell => "cell state",
            Bound::Gates => "gates",
            Bound::Lengths => "lengths",
            Bound::Rows => "rows",
            Bound::SavedHidden(_) => "the session's hidden state",
            Bound::SavedCell(_) => "the session's cell state",
        }
    }
}
