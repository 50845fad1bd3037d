//! Inferring a configuration from the names and shapes of a state dict's tensors.

use std::collections::{BTreeMap, BTreeSet};

use super::{Parameter, ParameterKind};
#[cfg(doc)]
use crate::ErrorKind;
use crate::error::Fault;
use crate::{Cell, Config, Error, Nonlinearity, Variant};

/// The settings that a state dict does not contain.
///
/// ```
/// use wgpu_rnn::LoadOptions;
///
/// let options = LoadOptions { prefix: Some("encoder.".into()), ..LoadOptions::default() };
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// The prefix of the parameters' names, such as `"encoder."`. If it is `None`, the only prefix is used.
    pub prefix: Option<String>,
    /// The activation of an Elman RNN; tanh by default. Other cells have no such option.
    pub nonlinearity: Option<Nonlinearity>,
}

type Shapes<'a> = BTreeMap<Parameter, &'a [usize]>;

/// Returns the prefix and the configuration of the recurrent layer among named tensors.
///
/// H is the number of columns of `weight_hr_l0` if there is one, else of `weight_hh_l0`; G is the rows of
/// `weight_hh_l0` over H. Names that are not parameters of a recurrent layer are ignored.
///
/// # Errors
///
/// [`ErrorKind::Tensor`] if there is no recurrent layer, or several and no prefix is given, and for a tensor
/// that is missing, unexpected or of a wrong shape; [`ErrorKind::Config`] if a nonlinearity is given for a cell
/// that has none.
pub fn infer_config<'a>(
    tensors: impl IntoIterator<Item = (&'a str, &'a [usize])>,
    options: &LoadOptions,
) -> Result<(String, Config), Error> {
    let tensors: Vec<_> = tensors.into_iter().collect();
    let names = || tensors.iter().map(|&(name, _)| name);
    let prefix = choose_prefix(names(), options.prefix.as_deref())?;
    let shapes: Shapes<'_> = tensors
        .iter()
        .filter_map(|&(name, shape)| match Parameter::parse(name) {
            Some((found, parameter)) if found == prefix => Some((parameter, shape)),
            _ => None,
        })
        .collect();
    if let Some(name) = names().find(|name| Parameter::parse_unknown(name) == Some(prefix)) {
        let reason = "expected weight_ih, weight_hh, bias_ih, bias_hh, weight_hr or weight_ch".into();
        return Err(Error::from(Fault::UnexpectedParameter { name: name.to_owned(), reason }));
    }
    let config = config_of(prefix, &shapes, options)?;
    check_parameters(prefix, &shapes, &config)?;
    Ok((prefix.to_owned(), config))
}

/// Returns the given prefix if it exists, else the only one.
fn choose_prefix<'a>(names: impl Iterator<Item = &'a str>, wanted: Option<&str>) -> Result<&'a str, Error> {
    let prefixes: BTreeSet<&str> = names.filter_map(|name| Some(Parameter::parse(name)?.0)).collect();
    let list = || {
        let quoted: Vec<String> = prefixes.iter().map(|prefix| format!("{prefix:?}")).collect();
        match &quoted[..] {
            [] => "no recurrent parameters".to_owned(),
            _ => format!("recurrent parameters with prefix {}", quoted.join(", ")),
        }
    };
    let error = |expected: String| Err(Error::from(Fault::Prefix { expected, found: list() }));
    match (wanted, prefixes.len()) {
        (Some(wanted), _) => {
            // `encoder` means `encoder.`, because users write a module's name without the dot.
            let dotted = format!("{wanted}.");
            match prefixes.iter().find(|&&prefix| prefix == wanted || prefix == dotted) {
                Some(prefix) => Ok(prefix),
                None => error(format!("prefix {wanted:?}")),
            }
        }
        (None, 1) => prefixes.first().map_or_else(|| error("one layer".into()), |prefix| Ok(prefix)),
        (None, 0) => error("weight_ih_l0, weight_hh_l0 and so on, with any prefix".into()),
        (None, _) => error("a prefix that says which of the layers to take".into()),
    }
}

fn config_of(prefix: &str, shapes: &Shapes<'_>, options: &LoadOptions) -> Result<Config, Error> {
    let matrix = |kind| matrix_shape(prefix, shapes, Parameter { kind, layer: 0, reverse: false });
    let (rows, columns) = matrix(ParameterKind::WeightHh)?;
    let (_, input_size) = matrix(ParameterKind::WeightIh)?;
    let has = |kind| shapes.keys().any(|parameter| parameter.kind == kind);
    let (proj_size, hidden_size) =
        if has(ParameterKind::WeightHr) { matrix(ParameterKind::WeightHr)? } else { (0, columns) };
    let gates = if hidden_size > 0 && rows.is_multiple_of(hidden_size) { rows / hidden_size } else { 0 };
    let cell = match gates {
        1 => Cell::Rnn(options.nonlinearity.unwrap_or_default()),
        3 => Cell::Gru,
        4 => Cell::Lstm,
        _ => {
            return Err(Error::from(Fault::UnknownShape {
                name: format!("{prefix}weight_hh_l0"),
                expected: format!("H = {hidden_size} and 1 (RNN), 3 (GRU) or 4 (LSTM) times H rows, H > 0"),
                found: vec![rows, columns],
            }));
        }
    };
    if let (Some(nonlinearity), Cell::Lstm | Cell::Gru) = (options.nonlinearity, cell) {
        let rule = format!("nonlinearity is only supported for RNN, not {cell}");
        return Err(Error::from(Fault::Config { rule, found: nonlinearity.to_string() }));
    }
    let config = Config {
        cell,
        input_size,
        hidden_size,
        num_layers: shapes
            .keys()
            .map(|parameter| parameter.layer)
            .max()
            .map_or(1, |layer| layer.saturating_add(1)),
        bias: has(ParameterKind::BiasIh) || has(ParameterKind::BiasHh),
        bidirectional: shapes.keys().any(|parameter| parameter.reverse),
        proj_size,
        reverse: false,
        variant: Variant { peepholes: has(ParameterKind::WeightCh), ..Variant::default() },
    };
    // A layer number such as 10^18 must not make the check below list that many missing parameters.
    if config.num_layers > shapes.len() {
        let first_missing = (0..config.num_layers)
            .map(|layer| Parameter { kind: ParameterKind::WeightIh, layer, reverse: false })
            .find(|parameter| !shapes.contains_key(parameter));
        if let Some(parameter) = first_missing {
            let name = format!("{prefix}{parameter}");
            return Err(Error::from(Fault::MissingParameter {
                name,
                expected: format!("{:?}", parameter.shape(&config)),
            }));
        }
    }
    config.validate()?;
    Ok(config)
}

fn matrix_shape(prefix: &str, shapes: &Shapes<'_>, parameter: Parameter) -> Result<(usize, usize), Error> {
    let name = format!("{prefix}{parameter}");
    match shapes.get(&parameter) {
        Some(&&[rows, columns]) if rows > 0 && columns > 0 => Ok((rows, columns)),
        Some(shape) => Err(Error::from(Fault::UnknownShape {
            name,
            expected: "two dimensions, both greater than zero".into(),
            found: shape.to_vec(),
        })),
        None => {
            Err(Error::from(Fault::MissingParameter { name, expected: "[G*H, in] or [G*H, H_out]".into() }))
        }
    }
}

/// Checks that every parameter of `config` exists with its shape, and that there are no others.
fn check_parameters(prefix: &str, shapes: &Shapes<'_>, config: &Config) -> Result<(), Error> {
    if let Some(parameter) = shapes.keys().find(|parameter| !parameter.is_in(config)) {
        let reason = format!("{config} has none");
        return Err(Error::from(Fault::UnexpectedParameter { name: format!("{prefix}{parameter}"), reason }));
    }
    for parameter in Parameter::all(config) {
        let name = format!("{prefix}{parameter}");
        let expected = parameter.shape(config);
        match shapes.get(&parameter) {
            None => {
                return Err(Error::from(Fault::MissingParameter { name, expected: format!("{expected:?}") }));
            }
            Some(&found) if found != expected => {
                return Err(Error::from(Fault::Shape { name, expected, found: found.to_vec() }));
            }
            Some(_) => {}
        }
    }
    Ok(())
}
