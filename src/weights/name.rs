//! PyTorch's names for the parameters, and the shapes that a configuration gives them.

use std::fmt;

use crate::Config;

/// The kinds of parameter, in PyTorch's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ParameterKind {
    /// `weight_ih [G*H, in]`.
    WeightIh,
    /// `weight_hh [G*H, H_out]`.
    WeightHh,
    /// `bias_ih [G*H]`.
    BiasIh,
    /// `bias_hh [G*H]`.
    BiasHh,
    /// `weight_hr [P, H]`, the projection of an LSTM's hidden state.
    WeightHr,
    /// `weight_ch [3*H]`, an LSTM's peepholes in the order i f o. PyTorch has none; the name is this
    /// library's.
    WeightCh,
}

impl ParameterKind {
    const ALL: [ParameterKind; 6] = [
        ParameterKind::WeightIh,
        ParameterKind::WeightHh,
        ParameterKind::BiasIh,
        ParameterKind::BiasHh,
        ParameterKind::WeightHr,
        ParameterKind::WeightCh,
    ];

    /// Returns whether it is a bias. The others are matrices.
    pub(super) fn is_bias(self) -> bool {
        matches!(self, ParameterKind::BiasIh | ParameterKind::BiasHh)
    }

    fn stem(self) -> &'static str {
        match self {
            ParameterKind::WeightIh => "weight_ih",
            ParameterKind::WeightHh => "weight_hh",
            ParameterKind::BiasIh => "bias_ih",
            ParameterKind::BiasHh => "bias_hh",
            ParameterKind::WeightHr => "weight_hr",
            ParameterKind::WeightCh => "weight_ch",
        }
    }
}

/// One parameter of a layer. Its `Display` is PyTorch's name, such as `weight_hh_l1_reverse`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Parameter {
    /// The kind of parameter.
    pub(crate) kind: ParameterKind,
    /// The layer, from 0.
    pub(crate) layer: usize,
    /// Whether it belongs to the reverse direction.
    pub(crate) reverse: bool,
}

impl Parameter {
    /// Returns the parameters of a configuration in PyTorch's order: by layer, forward before reverse.
    pub(crate) fn all(config: &Config) -> impl Iterator<Item = Parameter> + use<> {
        let config = *config;
        let reverse = if config.bidirectional { &[false, true][..] } else { &[false] };
        (0..config.num_layers).flat_map(move |layer| {
            reverse.iter().flat_map(move |&reverse| {
                let all = ParameterKind::ALL.into_iter();
                all.map(move |kind| Parameter { kind, layer, reverse }).filter(move |p| p.is_in(&config))
            })
        })
    }

    /// Returns the shape that `config` gives the parameter. A size that overflows is `usize::MAX`;
    /// [`Config::validate`] rejects such a configuration.
    pub(crate) fn shape(&self, config: &Config) -> Vec<usize> {
        let rows = config.cell.gates().saturating_mul(config.hidden_size);
        match self.kind {
            ParameterKind::WeightIh => vec![rows, config.layer_input_size(self.layer)],
            ParameterKind::WeightHh => vec![rows, config.hidden_output_size()],
            ParameterKind::BiasIh | ParameterKind::BiasHh => vec![rows],
            ParameterKind::WeightHr => vec![config.proj_size, config.hidden_size],
            ParameterKind::WeightCh => vec![config.hidden_size.saturating_mul(3)],
        }
    }

    /// Returns whether `config` has the parameter.
    pub(super) fn is_in(&self, config: &Config) -> bool {
        let kind = match self.kind {
            ParameterKind::WeightIh | ParameterKind::WeightHh => true,
            ParameterKind::BiasIh | ParameterKind::BiasHh => config.bias,
            ParameterKind::WeightHr => config.proj_size > 0,
            ParameterKind::WeightCh => config.variant.peepholes,
        };
        kind && self.layer < config.num_layers && (config.bidirectional || !self.reverse)
    }

    /// Splits a tensor's name into its prefix and the parameter: `rnn.weight_ih_l0` into `rnn.` and
    /// `weight_ih_l0`.
    pub(super) fn parse(name: &str) -> Option<(&str, Parameter)> {
        let (prefix, rest) = split(name);
        let (stem, layer, reverse) = split_layer(rest)?;
        let kind = ParameterKind::ALL.into_iter().find(|kind| kind.stem() == stem)?;
        Some((prefix, Parameter { kind, layer, reverse }))
    }

    /// Returns the prefix of a tensor whose name looks like a recurrent parameter (`something_l0`) but is
    /// not one.
    pub(super) fn parse_unknown(name: &str) -> Option<&str> {
        let (prefix, rest) = split(name);
        let (stem, ..) = split_layer(rest)?;
        let looks_like_one = stem.starts_with("weight_") || stem.starts_with("bias_");
        (looks_like_one && Parameter::parse(name).is_none()).then_some(prefix)
    }
}

/// Splits a name after its last dot.
fn split(name: &str) -> (&str, &str) {
    name.split_at(name.rfind('.').map_or(0, |dot| dot + 1))
}

/// Splits `_l{layer}` and `_reverse` off a name.
fn split_layer(rest: &str) -> Option<(&str, usize, bool)> {
    let (rest, reverse) = match rest.strip_suffix("_reverse") {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let (stem, layer) = rest.rsplit_once("_l")?;
    let canonical = layer == "0" || !layer.starts_with(['0', '+']);
    Some((stem, layer.parse().ok().filter(|_| canonical)?, reverse))
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_l{}{}", self.kind.stem(), self.layer, if self.reverse { "_reverse" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back_to_their_parameters() {
        let config = Config::lstm(3, 4).num_layers(12).bidirectional(true).proj_size(2);
        assert_eq!(Parameter::all(&config).count(), 12 * 2 * 5);
        for parameter in Parameter::all(&config) {
            for prefix in ["", "rnn.", "a.b."] {
                let name = format!("{prefix}{parameter}");
                assert_eq!(Parameter::parse(&name), Some((prefix, parameter)), "{name}");
            }
        }
    }

    #[test]
    fn other_names_are_no_parameters() {
        for name in
            ["weight", "embedding.weight", "weight_ih", "weight_ih_l", "weight_ih_l01", "weight_ih_l-1"]
        {
            assert_eq!(Parameter::parse(name), None, "{name}");
            assert_eq!(Parameter::parse_unknown(name), None, "{name}");
        }
        assert_eq!(Parameter::parse_unknown("rnn.weight_xh_l0"), Some("rnn."));
        assert_eq!(Parameter::parse_unknown("rnn.weight_ih_l0"), None);
    }
}
