//! The buffers that each dispatch binds.

use super::dispatch::{Dispatch, Sequence};
use crate::gpu::kernel::Kind;

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
    /// A session's rows in the order of the pass. The session has two states; a pass reads one and writes
    /// the other.
    Rows,
    SavedHidden(usize),
    SavedCell(usize),
}

impl Bound {
    /// Returns the name that the plan's list of buffers uses.
    pub(super) fn name(self) -> &'static str {
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

impl Dispatch {
    /// Returns the buffers at bindings 0 to 9 of `bindings.wgsl` or `exchange.wgsl`. `two_products` says
    /// whether a step of the layer has two products; `from` is the number of the session's state that is
    /// read.
    pub(in crate::gpu) fn bindings(&self, two_products: bool, from: usize) -> [Bound; 10] {
        let input = Bound::Sequence(self.input);
        let (dims, weights) = (Bound::Dims(self.part), Bound::Weights(self.part));
        let [first, second] = [0, 1].map(Bound::Hidden);
        match self.kind {
            Kind::Gather => {
                let [hidden, cell] = [Bound::SavedHidden(from), Bound::SavedCell(from)];
                let (parameters, rows) = (Bound::Parameters, Bound::Rows);
                [dims, parameters, weights, input, hidden, first, Bound::Cell, second, rows, cell]
            }
            Kind::Scatter => {
                let [hidden, cell] = [Bound::SavedHidden(1 - from), Bound::SavedCell(1 - from)];
                let (parameters, rows) = (Bound::Parameters, Bound::Rows);
                [dims, parameters, weights, input, first, hidden, Bound::Cell, cell, rows, second]
            }
            Kind::InputProduct | Kind::Step | Kind::Projection | Kind::Candidate | Kind::Scan => {
                self.of_cell(two_products)
            }
        }
    }

    fn of_cell(&self, two_products: bool) -> [Bound; 10] {
        let input = match self.kind {
            Kind::Projection | Kind::Candidate => Bound::Intermediate,
            _ => Bound::Sequence(self.input),
        };
        let next_hidden = match self.kind {
            Kind::InputProduct => Bound::Gates,
            Kind::Step if two_products => Bound::Intermediate,
            _ => Bound::Hidden(1 - self.parity),
        };
        // The input product writes the gates and cannot read them, too.
        let gates = if self.kind == Kind::InputProduct { Bound::Lengths } else { Bound::Gates };
        [
            Bound::Dims(self.part),
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
