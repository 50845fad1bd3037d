//! Inferring a configuration from the names and shapes of a state dict's tensors.

use std::collections::BTreeMap;

use super::modules::{Module, Source, modules};
use super::norm::{spectral_norm, weight_norm};
use super::{LoadOptions, Parameter, ParameterKind};
#[cfg(doc)]
use crate::ErrorKind;
use crate::array::push;
use crate::error::Fault;
use crate::{Cell, Config, Error};
use ndarray::ArrayD;

type Shapes<'a> = BTreeMap<Parameter, &'a [usize]>;

/// Returns the prefix and the configuration of the recurrent layer among named tensors.
///
/// H is the number of columns of `weight_hr_l0` if there is one, else of `weight_hh_l0`; G is the rows of
/// `weight_hh_l0` over H. Names that are not parameters of a recurrent layer are ignored. A stack of several
/// modules has the prefix of the lowest one.
///
/// These names are parameters, too: those of PyTorch's cells (`weight_ih` without `_l0`), those of weight norm
/// and spectral norm (`weight_hh_l0_g` and `_v`, `_orig`, `_u` and `_v`, or
/// `parametrizations.weight_hh_l0.original0` and so on), those of a weight drop (`weight_hh_l0_raw`), and those
/// of Paddle's cells (`0.cell_fw.weight_ih`).
///
/// # Errors
///
/// [`ErrorKind::Tensor`] if there is no recurrent layer, or several and none is named, and for a tensor
/// that is missing, unexpected or of a wrong shape; [`ErrorKind::TooLarge`] if the parameters
/// exceed [`LoadOptions::max_bytes`]; [`ErrorKind::Config`] for an option that the layer cannot have, or if the modules
/// of [`LoadOptions::layers`] do not form a stack.
pub fn infer_config<'a>(
    tensors: impl IntoIterator<Item = (&'a str, &'a [usize])>,
    options: &LoadOptions,
) -> Result<(String, Config), Error> {
    let inferred = Inferred::new(tensors, options)?;
    Ok((
        inferred.modules.into_iter().map(|(module, _)| module.prefix).next().unwrap_or_default(),
        inferred.config,
    ))
}

/// Returns the prefixes of the recurrent layers among named tensors, sorted. [`LoadOptions::layers`] accepts them.
pub fn recurrent_prefixes<'a>(tensors: impl IntoIterator<Item = (&'a str, &'a [usize])>) -> Vec<String> {
    modules(&tensors.into_iter().collect::<Vec<_>>()).into_keys().collect()
}

/// A recurrent layer among named tensors.
pub(crate) struct Inferred<'a> {
    pub(crate) config: Config,
    /// The modules of the stack, each with its number of layers, the lowest first.
    modules: Vec<(Module<'a>, usize)>,
}

impl<'a> Inferred<'a> {
    /// Finds the layer that the options choose. The errors are those of [`infer_config`].
    pub(crate) fn new(
        tensors: impl IntoIterator<Item = (&'a str, &'a [usize])>,
        options: &LoadOptions,
    ) -> Result<Self, Error> {
        let mut all = Vec::new();
        for tensor in tensors {
            push("the tensors of a file", &mut all, tensor)?;
        }
        let tensors = all;
        let mut known = modules(&tensors);
        let wanted: Vec<Option<&str>> = match options.layers.is_empty() {
            true => vec![None],
            false => options.layers.iter().map(|name| Some(name.as_str())).collect(),
        };
        let names: Vec<&str> = known.keys().map(String::as_str).collect();
        let prefixes = wanted.into_iter().map(|wanted| Ok(choose_prefix(&names, wanted)?.to_owned()));
        let prefixes = prefixes.collect::<Result<Vec<String>, Error>>()?;
        let mut stack = Vec::new();
        for prefix in prefixes {
            check_names(&tensors, &prefix, &known)?;
            let twice = || {
                Error::from(Fault::Prefix {
                    expected: "each layer once".into(),
                    found: format!("{prefix:?} twice"),
                })
            };
            let module = known.remove(&prefix).ok_or_else(twice)?;
            let config = config_of_module(&module, options)?;
            stack.push((module, config));
        }
        let config = stacked(&stack)?;
        options.check_bytes(&config)?;
        Ok(Inferred {
            config,
            modules: stack.into_iter().map(|(module, one)| (module, one.num_layers)).collect(),
        })
    }

    /// Returns the module of a parameter of the stack, and the parameter's name in it.
    fn find(&self, parameter: &Parameter) -> Option<(&Module<'a>, Parameter)> {
        let mut layer = parameter.layer;
        for (module, num_layers) in &self.modules {
            match layer.checked_sub(*num_layers) {
                Some(above) => layer = above,
                None => return Some((module, Parameter { layer, ..*parameter })),
            }
        }
        None
    }

    /// Returns a parameter's name in the file.
    pub(crate) fn name(&self, parameter: &Parameter) -> String {
        self.find(parameter).map_or_else(|| parameter.to_string(), |(module, inner)| module.name(&inner))
    }

    /// Returns a parameter. `read` returns the tensor of a name; it is called once for each tensor.
    ///
    /// # Errors
    ///
    /// The errors of `read`, and [`ErrorKind::Tensor`] for the tensors of a norm.
    pub(crate) fn parameter(
        &self,
        parameter: &Parameter,
        mut read: impl FnMut(&str) -> Result<ArrayD<f32>, Error>,
    ) -> Result<ArrayD<f32>, Error> {
        let source = self.find(parameter).and_then(|(module, inner)| module.sources.get(&inner));
        match source {
            Some(Source::Plain((name, _))) => read(name),
            Some(Source::WeightNorm { g, v }) => weight_norm(g.0, &read(g.0)?, read(v.0)?),
            Some(Source::SpectralNorm { original, u, v }) => {
                spectral_norm(read(original.0)?, (u.0, read(u.0)?), (v.0, read(v.0)?))
            }
            Some(Source::Broken(error)) => Err(error.clone()),
            None => {
                let expected = format!("{:?}", parameter.shape(&self.config));
                Err(Error::from(Fault::MissingParameter { name: self.name(parameter), expected }))
            }
        }
    }
}

/// Returns the configuration of modules on top of each other.
fn stacked(stack: &[(Module<'_>, Config)]) -> Result<Config, Error> {
    let mut configs = stack.iter().map(|(_, config)| *config);
    let mut all = configs
        .next()
        .ok_or_else(|| Error::from(Fault::Prefix { expected: "one layer".into(), found: "none".into() }))?;
    for above in configs {
        let expected = Config { input_size: all.layer_input_size(1), num_layers: above.num_layers, ..all };
        if above != expected {
            let rule = format!("a layer above {all} must be {expected}");
            return Err(Error::from(Fault::Config { rule, found: above.to_string() }));
        }
        all.num_layers = all.num_layers.saturating_add(above.num_layers);
    }
    all.validate()?;
    Ok(all)
}

/// Rejects tensors of the module that look like parameters and are not. PyTorch's cells have no other tensors.
fn check_names(
    tensors: &[(&str, &[usize])],
    prefix: &str,
    known: &BTreeMap<String, Module<'_>>,
) -> Result<(), Error> {
    let is_cell = known.get(prefix).is_some_and(|module| module.is_cell);
    let is_inside = |name: &str| is_cell && !prefix.is_empty() && name.starts_with(prefix);
    let is_extra = |name: &str| {
        is_inside(name) && super::name::Named::parse(name).is_none_or(|named| named.prefix != prefix)
    };
    let mut names = tensors.iter().map(|&(name, _)| name);
    match names.find(|name| Parameter::parse_unknown(name) == Some(prefix) || is_extra(name)) {
        Some(name) => {
            let reason = "expected weight_ih, weight_hh, bias_ih, bias_hh, weight_hr or weight_ch".into();
            Err(Error::from(Fault::UnexpectedParameter { name: name.to_owned(), reason }))
        }
        None => Ok(()),
    }
}

/// Returns the wanted prefix if it exists, else the only one. `encoder` means `encoder.`, because users write a
/// module's name without the dot, and it also means the only prefix that begins or ends with it.
fn choose_prefix<'a>(prefixes: &[&'a str], wanted: Option<&str>) -> Result<&'a str, Error> {
    let list = || {
        let quoted: Vec<String> = prefixes.iter().map(|prefix| format!("{prefix:?}")).collect();
        match &quoted[..] {
            [] => "no recurrent parameters".to_owned(),
            _ => format!("recurrent parameters with prefix {}", quoted.join(", ")),
        }
    };
    let error = |expected: String| Err(Error::from(Fault::Prefix { expected, found: list() }));
    let Some(wanted) = wanted else {
        return match prefixes {
            [prefix] => Ok(prefix),
            [] => error("weight_ih_l0, weight_hh_l0 and so on, with any prefix".into()),
            _ => error("a prefix that says which of the layers to take".into()),
        };
    };
    let dotted = format!("{}.", wanted.strip_suffix('.').unwrap_or(wanted));
    if let Some(prefix) = prefixes.iter().find(|&&prefix| prefix == wanted || prefix == dotted) {
        return Ok(prefix);
    }
    let inside = format!(".{dotted}");
    let is_part = |prefix: &&&str| prefix.starts_with(&dotted) || prefix.ends_with(&inside);
    let mut parts = prefixes.iter().filter(is_part);
    match (parts.next(), parts.next()) {
        (Some(prefix), None) if !wanted.is_empty() => Ok(prefix),
        (Some(_), Some(_)) if !wanted.is_empty() => {
            error(format!("one prefix that begins or ends with {wanted:?}"))
        }
        _ => error(format!("prefix {wanted:?}")),
    }
}

/// Returns the configuration of one module, whose parameters are checked.
fn config_of_module(module: &Module<'_>, options: &LoadOptions) -> Result<Config, Error> {
    let mut shapes = Shapes::new();
    for (parameter, source) in &module.sources {
        match source {
            Source::Broken(error) => return Err(error.clone()),
            source => _ = source.shape().map(|shape| shapes.insert(*parameter, shape)),
        }
    }
    let config = config_of(module, &shapes, options)?;
    check_parameters(module, &shapes, &config)?;
    Ok(config)
}

fn config_of(module: &Module<'_>, shapes: &Shapes<'_>, options: &LoadOptions) -> Result<Config, Error> {
    let matrix = |kind| matrix_shape(module, shapes, Parameter { kind, layer: 0, reverse: false });
    let (rows, columns) = matrix(ParameterKind::WeightHh)?;
    let (_, input_size) = matrix(ParameterKind::WeightIh)?;
    let has = |kind| module.has(kind);
    let (proj_size, hidden_size) =
        if has(ParameterKind::WeightHr) { matrix(ParameterKind::WeightHr)? } else { (0, columns) };
    let gates = if hidden_size > 0 && rows.is_multiple_of(hidden_size) { rows / hidden_size } else { 0 };
    let cell = match gates {
        1 => options.rnn()?,
        3 => Cell::Gru,
        4 => Cell::Lstm,
        _ => {
            return Err(Error::from(Fault::UnknownShape {
                name: module.name(&Parameter { kind: ParameterKind::WeightHh, layer: 0, reverse: false }),
                expected: format!("H = {hidden_size} and 1 (RNN), 3 (GRU) or 4 (LSTM) times H rows, H > 0")
                    + if matches!(columns.checked_div(rows), Some(3 | 4)) && columns.is_multiple_of(rows) {
                        " (the matrix seems to be transposed)"
                    } else {
                        ""
                    },
                found: vec![rows, columns],
            }));
        }
    };
    options.check_cell(cell)?;
    let config = Config {
        cell,
        num_layers: shapes
            .keys()
            .map(|parameter| parameter.layer)
            .max()
            .map_or(1, |layer| layer.saturating_add(1)),
        bias: has(ParameterKind::BiasIh) || has(ParameterKind::BiasHh),
        bidirectional: shapes.keys().any(|parameter| parameter.reverse),
        proj_size,
        reverse: options.reverse,
        peepholes: has(ParameterKind::WeightCh),
        ..Config::rnn(input_size, hidden_size)
    };
    // A layer number such as 10^18 must not make the check below list that many missing parameters.
    if config.num_layers > shapes.len() {
        let first_missing = (0..config.num_layers)
            .map(|layer| Parameter { kind: ParameterKind::WeightIh, layer, reverse: false })
            .find(|parameter| !shapes.contains_key(parameter));
        if let Some(parameter) = first_missing {
            let name = module.name(&parameter);
            return Err(Error::from(Fault::MissingParameter {
                name,
                expected: format!("{:?}", parameter.shape(&config)),
            }));
        }
    }
    config.validate()?;
    Ok(config)
}

fn matrix_shape(
    module: &Module<'_>,
    shapes: &Shapes<'_>,
    parameter: Parameter,
) -> Result<(usize, usize), Error> {
    let name = module.name(&parameter);
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
fn check_parameters(module: &Module<'_>, shapes: &Shapes<'_>, config: &Config) -> Result<(), Error> {
    if let Some(parameter) = shapes.keys().find(|parameter| !parameter.is_in(config)) {
        let reason = format!("{config} has none");
        return Err(Error::from(Fault::UnexpectedParameter { name: module.name(parameter), reason }));
    }
    for parameter in Parameter::all(config) {
        let name = module.name(&parameter);
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
