//! What a recurrent node is in this library's words, and what of ONNX's variants it has none for.

use super::node::{Attributes, Node};
use super::operator::{Direction, Operator};
use crate::io::format_error;
use crate::{Config, Error};

/// The layer that a node is, one of a stack or alone.
///
/// # Errors
///
/// [`Error::Format`] names the node and the attribute that no layer can have.
pub(super) fn config_of(node: &Node<'_>) -> Result<Config, Error> {
    let attributes = &node.attributes;
    let refuse = |name: &str, expected: &str, found: String| {
        Err(format_error(&format!("{}: {name}", node.what), expected, found))
    };
    let Some(new) = cell(attributes) else {
        let expected = match attributes.operator {
            Operator::Rnn => "Tanh or Relu, for all directions",
            Operator::Gru => "Sigmoid and Tanh",
            Operator::Lstm => "Sigmoid, Tanh and Tanh",
        };
        return refuse("activations", expected, attributes.activations.join(", "));
    };
    if let Some(value) = attributes.activation_alpha.first() {
        return refuse("activation_alpha", "none, since no activation here has one", value.to_string());
    }
    if let Some(value) = attributes.activation_beta.first() {
        return refuse("activation_beta", "none, since no activation here has one", value.to_string());
    }
    if let Some(clip) = attributes.clip {
        return refuse("clip", "none", clip.to_string());
    }
    if attributes.direction == Direction::Reverse {
        return refuse("direction", "forward or bidirectional", attributes.direction.name().into());
    }
    if attributes.operator == Operator::Gru && attributes.linear_before_reset == 0 {
        return refuse("linear_before_reset", "1, as PyTorch exports", "0".into());
    }
    if attributes.input_forget != 0 {
        return refuse("input_forget", "0", attributes.input_forget.to_string());
    }
    if node.p.is_some() {
        return refuse("P", "none, or peephole weights of zero", "others".into());
    }
    let config = new(node.input_size, attributes.hidden_size)
        .bidirectional(attributes.direction == Direction::Bidirectional)
        .bias(node.b.is_some());
    config.validate()?;
    Ok(config)
}

/// The constructor of the cell with those activations. ONNX Runtime takes their names in any case, and so does this.
fn cell(attributes: &Attributes) -> Option<fn(usize, usize) -> Config> {
    let are = |names: &[&str]| {
        let mut directions = attributes.activations.chunks(names.len());
        directions.all(|found| found.iter().zip(names).all(|(found, name)| found.eq_ignore_ascii_case(name)))
    };
    match attributes.operator {
        Operator::Rnn if are(&["Tanh"]) => Some(Config::rnn),
        Operator::Rnn if are(&["Relu"]) => Some(Config::rnn_relu),
        Operator::Gru if are(&["Sigmoid", "Tanh"]) => Some(Config::gru),
        Operator::Lstm if are(&["Sigmoid", "Tanh", "Tanh"]) => Some(Config::lstm),
        _ => None,
    }
}
