//! ONNX's recurrent operators, and the attributes and inputs of their nodes.

use super::proto::NodeProto;

/// ONNX's recurrent operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Rnn,
    Gru,
    Lstm,
}

impl Operator {
    /// Returns the operator of a node if it is a recurrent one.
    pub(super) fn of(node: &NodeProto<'_>) -> Option<Self> {
        match node.op_type {
            _ if !node.is_standard() => None,
            "RNN" => Some(Operator::Rnn),
            "GRU" => Some(Operator::Gru),
            "LSTM" => Some(Operator::Lstm),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Operator::Rnn => "RNN",
            Operator::Gru => "GRU",
            Operator::Lstm => "LSTM",
        }
    }

    /// Returns G, the number of gates.
    pub(super) fn gates(self) -> usize {
        match self {
            Operator::Rnn => 1,
            Operator::Gru => 3,
            Operator::Lstm => 4,
        }
    }

    /// Returns f, g and h of the operator's formulas, for one direction.
    pub(super) fn default_activations(self) -> &'static [&'static str] {
        match self {
            Operator::Rnn => &["Tanh"],
            Operator::Gru => &["Sigmoid", "Tanh"],
            Operator::Lstm => &["Sigmoid", "Tanh", "Tanh"],
        }
    }

    /// Returns the names of the attributes.
    pub(super) fn attributes(self) -> Vec<&'static str> {
        const SHARED: [&str; 7] = [
            "activation_alpha",
            "activation_beta",
            "activations",
            "clip",
            "direction",
            "hidden_size",
            "layout",
        ];
        let own = match self {
            Operator::Rnn => None,
            Operator::Gru => Some("linear_before_reset"),
            Operator::Lstm => Some("input_forget"),
        };
        SHARED.into_iter().chain(own).collect()
    }

    /// Returns the names of the inputs, in order.
    pub(super) fn inputs(self) -> &'static [&'static str] {
        const LSTM: &[&str] = &["X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"];
        match self {
            Operator::Rnn | Operator::Gru => &LSTM[..6],
            Operator::Lstm => LSTM,
        }
    }
}

/// The attribute `direction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    Reverse,
    Bidirectional,
}

impl Direction {
    pub(super) const ALL: [Direction; 3] = [Direction::Forward, Direction::Reverse, Direction::Bidirectional];

    pub(super) fn name(self) -> &'static str {
        match self {
            Direction::Forward => "forward",
            Direction::Reverse => "reverse",
            Direction::Bidirectional => "bidirectional",
        }
    }

    /// Returns D, the number of directions.
    pub(super) fn count(self) -> usize {
        if self == Direction::Bidirectional { 2 } else { 1 }
    }
}
