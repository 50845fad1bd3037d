//! Converts a recurrent node to a [`Config`], and rejects the variants of ONNX that the crate does not
//! support.

use super::node::Node;
use super::operator::{Direction, Operator};
#[cfg(doc)]
use crate::ErrorKind;
use crate::io::format_error;
use crate::{Activation, Config, Error};

/// Returns the configuration of a node, whether it is part of a stack or alone.
///
/// # Errors
///
/// [`ErrorKind::File`] names the node and the unsupported attribute.
pub(super) fn config_of(node: &Node<'_>) -> Result<Config, Error> {
    let attributes = &node.attributes;
    if let Some(clip) = attributes.clip.filter(|clip| !(*clip > 0.0 && clip.is_finite())) {
        return Err(refused(node, "clip", "a positive number", &clip.to_string()));
    }
    let new = match attributes.operator {
        Operator::Rnn if attributes.activations.iter().all(|name| name.eq_ignore_ascii_case("relu")) => {
            Config::rnn_relu
        }
        Operator::Rnn => Config::rnn,
        Operator::Gru => Config::gru,
        Operator::Lstm => Config::lstm,
    };
    let config = new(node.input_size, attributes.hidden_size)
        .bidirectional(attributes.direction == Direction::Bidirectional)
        .reverse(attributes.direction == Direction::Reverse)
        .bias(node.b.is_some())
        .reset_after(attributes.operator != Operator::Gru || attributes.linear_before_reset != 0);
    let config = Config {
        clip: attributes.clip,
        input_forget: attributes.input_forget != 0,
        peepholes: node.p.is_some(),
        ..config.activations(activations(node, &config)?)
    };
    config.validate()?;
    Ok(config)
}

fn refused(node: &Node<'_>, name: &str, expected: &str, found: &str) -> Error {
    format_error(&format!("{}: {name}", node.what), expected, found)
}

/// Returns the functions of both directions. If there is one direction, the second functions equal the
/// first.
///
/// Each function that has an alpha or a beta takes the next unused one of the node, as in ONNX Runtime, or
/// else the default of its operator.
fn activations(node: &Node<'_>, config: &Config) -> Result<[[Activation; 3]; 2], Error> {
    let attributes = &node.attributes;
    let mut alphas = attributes.activation_alpha.iter().copied();
    let mut betas = attributes.activation_beta.iter().copied();
    let mut functions = Vec::new();
    for name in &attributes.activations {
        let Some(default) = Activation::named(name, None, None) else {
            return Err(refused(node, "activations", "ONNX's activation functions", name));
        };
        let alpha = if default.has_alpha() { alphas.next() } else { None };
        let beta = if default.has_beta() { betas.next() } else { None };
        functions.push(Activation::named(name, alpha, beta).unwrap_or(default));
    }
    for (name, mut left) in [("activation_alpha", alphas), ("activation_beta", betas)] {
        if let Some(value) = left.next() {
            let expected = "one for each function that takes one";
            return Err(refused(node, name, expected, &format!("also {value}")));
        }
    }
    let count = config.cell.functions();
    let of_direction = |direction: usize| {
        let mut given = functions.iter().copied().skip(direction * count).take(count);
        config.cell.activations().map(|own| given.next().unwrap_or(own))
    };
    let first = of_direction(0);
    Ok([first, if config.bidirectional { of_direction(1) } else { first }])
}
