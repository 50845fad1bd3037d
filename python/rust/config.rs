//! A configuration as a Python dictionary, with the names of PyTorch's arguments.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use wgpu_rnn::{Activation, Cell, Config};

use crate::errors::{raise, to_python};

/// Returns the configuration with every key, also those with their default.
pub(crate) fn to_dict<'py>(py: Python<'py>, config: &Config) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("cell", config.cell.name())?;
    dict.set_item("input_size", config.input_size)?;
    dict.set_item("hidden_size", config.hidden_size)?;
    dict.set_item("num_layers", config.num_layers)?;
    dict.set_item("nonlinearity", if config.cell == Cell::RnnRelu { "relu" } else { "tanh" })?;
    dict.set_item("bias", config.bias)?;
    dict.set_item("bidirectional", config.bidirectional)?;
    dict.set_item("proj_size", config.proj_size)?;
    dict.set_item("reverse", config.reverse)?;
    let activations = config.activations.map(|both| both.map(|one| one.map(|function| function.to_string())));
    dict.set_item("activations", activations)?;
    dict.set_item("clip", config.clip)?;
    dict.set_item("input_forget", config.input_forget)?;
    dict.set_item("peepholes", config.peepholes)?;
    dict.set_item("reset_after", config.reset_after)?;
    Ok(dict)
}

/// Reads a configuration. Only `cell`, `input_size` and `hidden_size` are required.
pub(crate) fn from_dict(dict: &Bound<'_, PyDict>) -> PyResult<Config> {
    for key in dict.keys() {
        let key: String = key.extract()?;
        if !KEYS.contains(&key.as_str()) {
            return Err(raise(
                "ConfigError",
                format!("config: expected one of {}, found '{key}'", KEYS.join(", ")),
            ));
        }
    }
    let config = Config {
        num_layers: value(dict, "num_layers", 1)?,
        bias: value(dict, "bias", true)?,
        bidirectional: value(dict, "bidirectional", false)?,
        proj_size: value(dict, "proj_size", 0)?,
        reverse: value(dict, "reverse", false)?,
        clip: value(dict, "clip", None)?,
        input_forget: value(dict, "input_forget", false)?,
        peepholes: value(dict, "peepholes", false)?,
        reset_after: value(dict, "reset_after", true)?,
        ..sized(dict)?
    };
    match value::<Option<Vec<Vec<String>>>>(dict, "activations", None)? {
        Some(both) => with_activations(config, &both),
        None => Ok(config),
    }
}

const KEYS: [&str; 14] = [
    "cell",
    "input_size",
    "hidden_size",
    "num_layers",
    "nonlinearity",
    "bias",
    "bidirectional",
    "proj_size",
    "reverse",
    "activations",
    "clip",
    "input_forget",
    "peepholes",
    "reset_after",
];

/// Reads the cell and its sizes.
fn sized(dict: &Bound<'_, PyDict>) -> PyResult<Config> {
    let (input, hidden) = (value(dict, "input_size", 0)?, value(dict, "hidden_size", 0)?);
    let cell: String = value(dict, "cell", String::new())?;
    let nonlinearity: String = value(dict, "nonlinearity", "tanh".to_owned())?;
    match (cell.as_str(), nonlinearity.as_str()) {
        ("rnn", "tanh") => Ok(Config::rnn(input, hidden)),
        ("rnn", "relu") => Ok(Config::rnn_relu(input, hidden)),
        ("lstm", "tanh") => Ok(Config::lstm(input, hidden)),
        ("gru", "tanh") => Ok(Config::gru(input, hidden)),
        ("rnn" | "lstm" | "gru", other) => Err(raise(
            "ConfigError",
            format!("nonlinearity: expected 'tanh', or 'relu' for an rnn, found '{other}'"),
        )),
        (other, _) => {
            Err(raise("ConfigError", format!("cell: expected 'rnn', 'lstm' or 'gru', found '{other}'")))
        }
    }
}

/// Sets the functions f, g and h of each direction, as the library writes them: `HardSigmoid(0.2, 0.5)`.
fn with_activations(config: Config, both: &[Vec<String>]) -> PyResult<Config> {
    let wrong = || {
        let expected = "expected three names of functions for each of two directions";
        raise("ConfigError", format!("activations: {expected}, found {both:?}"))
    };
    let read = |name: &String| name.parse::<Activation>().map_err(to_python);
    let one = |functions: &Vec<String>| match &functions[..] {
        [f, g, h] => Ok([read(f)?, read(g)?, read(h)?]),
        _ => Err(wrong()),
    };
    match both {
        [forward, reverse] => Ok(config.activations([one(forward)?, one(reverse)?])),
        _ => Err(wrong()),
    }
}

fn value<'py, T: FromPyObjectOwned<'py>>(dict: &Bound<'py, PyDict>, key: &str, default: T) -> PyResult<T> {
    match dict.get_item(key)? {
        Some(value) => value.extract().map_err(Into::into),
        None => Ok(default),
    }
}
