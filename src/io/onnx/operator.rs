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
    /// Returns the operator of a node if it is a recurrent one that can be read.
    pub(super) fn of(node: &NodeProto<'_>) -> Option<Self> {
        match node.op_type {
            _ if is_quantized(node) => Some(Operator::Lstm),
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
        match self {
            Operator::Rnn | Operator::Gru => &INPUTS[..6],
            Operator::Lstm => &INPUTS[..8],
        }
    }
}

/// The inputs of a `DynamicQuantizeLSTM`; an LSTM has the first eight.
pub(super) const INPUTS: [&str; 12] = [
    "X",
    "W",
    "R",
    "B",
    "sequence_lens",
    "initial_h",
    "initial_c",
    "P",
    "W_scale",
    "W_zero_point",
    "R_scale",
    "R_zero_point",
];

/// Returns whether a node is an LSTM of ONNX Runtime whose weights are integers.
pub(super) fn is_quantized(node: &NodeProto<'_>) -> bool {
    node.domain == "com.microsoft" && node.op_type == "DynamicQuantizeLSTM"
}

/// Returns whether a node of another domain is a recurrent one, to judge by its name.
pub(super) fn is_foreign(node: &NodeProto<'_>) -> bool {
    let name = node.op_type.to_lowercase();
    !node.is_standard() && ["lstm", "gru", "rnn"].iter().any(|cell| name.contains(cell))
}

/// Returns the name of a node's operator, with its domain unless that is ONNX's own.
pub(super) fn kind(node: &NodeProto<'_>) -> String {
    match node.is_standard() {
        true => node.op_type.to_owned(),
        false => format!("{}.{}", node.domain.escape_debug(), node.op_type.escape_debug()),
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
