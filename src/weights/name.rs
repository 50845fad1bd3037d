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

    pub(super) fn stem(self) -> &'static str {
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
            ParameterKind::WeightCh => config.peepholes,
        };
        kind && self.layer < config.num_layers && (config.bidirectional || !self.reverse)
    }

    /// Returns the parameter of a name without a prefix, and whether it is a cell's, which has no layer.
    fn parse(rest: &str) -> Option<(Parameter, bool)> {
        let kind_of = |stem| ParameterKind::ALL.into_iter().find(|kind| kind.stem() == stem);
        match split_layer(rest) {
            Some((stem, layer, reverse)) => Some((Parameter { kind: kind_of(stem)?, layer, reverse }, false)),
            // Only these four are in PyTorch's cells.
            None => {
                let kind = kind_of(rest)
                    .filter(|kind| !matches!(kind, ParameterKind::WeightHr | ParameterKind::WeightCh));
                Some((Parameter { kind: kind?, layer: 0, reverse: false }, true))
            }
        }
    }

    /// Returns the prefix of a tensor whose name looks like a recurrent parameter (`something_l0`) but is
    /// not one.
    pub(super) fn parse_unknown(name: &str) -> Option<&str> {
        let (prefix, rest) = split(name);
        let (stem, ..) = split_layer(rest)?;
        let looks_like_one = stem.starts_with("weight_") || stem.starts_with("bias_");
        (looks_like_one && Parameter::parse(rest).is_none()).then_some(prefix)
    }
}

/// What a tensor is to its parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// The parameter itself.
    Plain,
    /// The matrix before a weight drop.
    Raw,
    /// The norms of a weight norm.
    G,
    /// The direction of a weight norm, or the right vector of a spectral norm.
    V,
    /// The matrix before a spectral norm.
    Original,
    /// The left vector of a spectral norm.
    U,
    /// A tensor of another parametrization.
    Unknown,
}

/// A tensor of a recurrent parameter, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named<'a> {
    pub(super) prefix: &'a str,
    pub(super) parameter: Parameter,
    pub(super) part: Part,
    /// Whether the name is that of a cell's parameter, without a layer.
    pub(super) is_cell: bool,
}

/// The folder of the tensors that `torch.nn.utils.parametrizations` makes.
const PARAMETRIZATIONS: &str = "parametrizations.";

impl<'a> Named<'a> {
    /// Splits a tensor's name into its prefix and the parameter, such as `rnn.weight_ih_l0` into `rnn.` and
    /// `weight_ih_l0`. Returns none for other tensors.
    pub(super) fn parse(name: &'a str) -> Option<Self> {
        if let Some(named) = Named::parametrized(name) {
            return Some(named);
        }
        const SUFFIXES: [(&str, Part); 6] = [
            ("", Part::Plain),
            ("_raw", Part::Raw),
            ("_g", Part::G),
            ("_v", Part::V),
            ("_orig", Part::Original),
            ("_u", Part::U),
        ];
        let (prefix, rest) = split(name);
        SUFFIXES.into_iter().find_map(|(suffix, part)| {
            let (parameter, is_cell) = Parameter::parse(rest.strip_suffix(suffix)?)?;
            Some(Named { prefix, parameter, part, is_cell })
        })
    }

    fn parametrized(name: &'a str) -> Option<Self> {
        let start = name.rfind(PARAMETRIZATIONS)?;
        let (prefix, rest) = name.split_at(start);
        if !(prefix.is_empty() || prefix.ends_with('.')) {
            return None;
        }
        let (parameter, tensor) = rest.strip_prefix(PARAMETRIZATIONS)?.split_once('.')?;
        let (parameter, is_cell) = Parameter::parse(parameter)?;
        let part = match tensor {
            "original0" => Part::G,
            "original1" | "0._v" => Part::V,
            "original" => Part::Original,
            "0._u" => Part::U,
            _ => Part::Unknown,
        };
        Some(Named { prefix, parameter, part, is_cell })
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
                let part = Part::Plain;
                assert_eq!(
                    Named::parse(&name),
                    Some(Named { prefix, parameter, part, is_cell: false }),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn other_names_are_no_parameters() {
        for name in
            ["weight", "embedding.weight", "weight_hr", "weight_ih_l", "weight_ih_l01", "weight_ih_l-1"]
        {
            assert_eq!(Named::parse(name), None, "{name}");
            assert_eq!(Parameter::parse_unknown(name), None, "{name}");
        }
        assert_eq!(Parameter::parse_unknown("rnn.weight_xh_l0"), Some("rnn."));
        assert_eq!(Parameter::parse_unknown("rnn.weight_ih_l0"), None);
    }

    #[test]
    fn names_say_what_a_tensor_is_to_its_parameter() {
        let named = |name| Named::parse(name).map(|named| (named.prefix, named.part, named.is_cell));
        assert_eq!(named("a.weight_ih"), Some(("a.", Part::Plain, true)));
        assert_eq!(named("a.bias_hh_l0_reverse_orig"), Some(("a.", Part::Original, false)));
        assert_eq!(named("weight_hh_l0_v"), Some(("", Part::V, false)));
        assert_eq!(named("a.parametrizations.weight_hh_l0.original0"), Some(("a.", Part::G, false)));
        assert_eq!(named("parametrizations.weight_hh.0._u"), Some(("", Part::U, true)));
        assert_eq!(named("parametrizations.weight_hh_l0.0.base"), Some(("", Part::Unknown, false)));
        assert_eq!(named("parametrizations.weight.original0"), None);
        assert_eq!(named("myparametrizations.weight_hh_l0.original0"), None);
    }
}
