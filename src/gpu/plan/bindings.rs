//! What each dispatch binds.

use super::dispatch::{Dispatch, Kind, Sequence};

/// A buffer that a kernel sees. Of two that alternate the number tells which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) enum Bound {
    /// `LayerDims`, of a part of the weights.
    Dims(usize),
    /// `DispatchParams`.
    Parameters,
    /// A part of the weights.
    Weights(usize),
    Sequence(Sequence),
    Hidden(usize),
    /// What the first product of a step leaves for the second one.
    Halfway,
    Cell,
    Gates,
    Lengths,
    /// Of a session: its rows in the order of the pass, and its two states, of which a pass reads the one and writes the
    /// other.
    Rows,
    SavedHidden(usize),
    SavedCell(usize),
}

impl Bound {
    /// As the plan's list of buffers names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Bound::Dims(_) => "dimensions",
            Bound::Parameters => "dispatches' parameters",
            Bound::Weights(_) => "weights",
            Bound::Sequence(Sequence::Input) => "input",
            Bound::Sequence(Sequence::Between(_)) => "the sequence between layers",
            Bound::Sequence(Sequence::Output) => "output",
            Bound::Hidden(_) => "hidden state",
            Bound::Halfway => "halfway through a step",
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
    /// What is at bindings 0 to 9 of `bindings.wgsl` or `exchange.wgsl`, of a layer whose steps have one product or two;
    /// `from` is which of a session's states is read.
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
            Kind::Projection | Kind::Candidate => Bound::Halfway,
            _ => Bound::Sequence(self.input),
        };
        let next_hidden = match self.kind {
            Kind::InputProduct => Bound::Gates,
            Kind::Step if two_products => Bound::Halfway,
            _ => Bound::Hidden(1 - self.parity),
        };
        // The product that makes the gates cannot read them.
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
