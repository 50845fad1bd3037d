//! The rules of a configuration, and its values as text.

use std::str::FromStr;

use super::{Cell, Config};
#[cfg(doc)]
use crate::ErrorKind;
use crate::error::Fault;
use crate::{Activation, Error};

/// The most layers of a stack. PyTorch has no limit; this one is far above every stack in use. It bounds the
/// work for a configuration from a file or a command line before the sizes are known to fit in memory.
const MOST_LAYERS: usize = 1 << 16;

impl Config {
    /// Checks what PyTorch's constructors check, and that every size is at least 1. A stack may have at most
    /// 65536 layers.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] names the option and the rule it breaks.
    pub fn validate(&self) -> Result<(), Error> {
        let error = |rule: &str, found: usize| {
            Err(Error::from(Fault::Config { rule: rule.to_owned(), found: found.to_string() }))
        };
        if self.input_size == 0 {
            return error("input_size must be greater than zero", 0);
        }
        if self.hidden_size == 0 {
            return error("hidden_size must be greater than zero", 0);
        }
        if self.num_layers == 0 {
            return error("num_layers must be greater than zero", 0);
        }
        if self.num_layers > MOST_LAYERS {
            return error(&format!("num_layers must be at most {MOST_LAYERS}"), self.num_layers);
        }
        if self.proj_size > 0 && self.cell != Cell::Lstm {
            let rule = format!(
                "proj_size argument is only supported for LSTM, not RNN or GRU; it must be 0 for {}",
                self.cell
            );
            return error(&rule, self.proj_size);
        }
        if self.proj_size >= self.hidden_size {
            let rule = format!("proj_size has to be smaller than hidden_size ({})", self.hidden_size);
            return error(&rule, self.proj_size);
        }
        self.check_variant()?;
        self.check_counts()
    }

    /// Rejects sizes whose parameters take more bytes than a `usize` can hold.
    fn check_counts(&self) -> Result<(), Error> {
        let widest = self.input_size.max(self.hidden_size);
        let bytes = widest
            .checked_mul(4)
            .and_then(|inputs| inputs.checked_add(2))
            .and_then(|inputs| inputs.checked_mul(8 * self.cell.gates()))
            .and_then(|one| one.checked_mul(self.hidden_size))
            .and_then(|one| one.checked_mul(self.num_layers))
            .filter(|&bytes| bytes <= isize::MAX as usize);
        match bytes {
            Some(_) => Ok(()),
            None => Err(Error::from(Fault::Config {
                rule: "the parameters must be countable in memory".into(),
                found: format!(
                    "input_size {}, hidden_size {}, num_layers {}",
                    self.input_size, self.hidden_size, self.num_layers
                ),
            })),
        }
    }

    fn check_variant(&self) -> Result<(), Error> {
        let error =
            |rule: &str, found: String| Err(Error::from(Fault::Config { rule: rule.to_owned(), found }));
        if self.reverse && self.bidirectional {
            return error("reverse is for a layer of one direction", "a bidirectional one".into());
        }
        let Config { activations, clip, input_forget, peepholes, reset_after, .. } = *self;
        if let Some(clip) = clip.filter(|clip| !(*clip > 0.0 && clip.is_finite())) {
            return error("clip must be positive and finite", clip.to_string());
        }
        let only_for = [
            ("input_forget", input_forget, Cell::Lstm),
            ("peepholes", peepholes, Cell::Lstm),
            ("reset_after = false", !reset_after, Cell::Gru),
        ];
        if let Some((name, _, cell)) = only_for.iter().find(|(_, set, cell)| *set && self.cell != *cell) {
            return error(&format!("{name} is for {cell} only"), self.cell.to_string());
        }
        let mut used = activations.iter().flatten().flat_map(|all| all.iter().take(self.cell.functions()));
        match used.find(|function| !function.parameters().iter().all(|value| value.is_finite())) {
            Some(function) => error("alpha and beta must be finite", function.to_string()),
            None => Ok(()),
        }
    }
}

#[cfg(any(
    feature = "safetensors",
    feature = "npz",
    feature = "onnx",
    feature = "pytorch",
    feature = "keras"
))]
impl Cell {
    /// Returns the RNN with PyTorch's `nonlinearity`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] unless it is `tanh` or `relu`.
    pub(crate) fn rnn(nonlinearity: &str) -> Result<Self, Error> {
        match nonlinearity {
            "tanh" => Ok(Cell::RnnTanh),
            "relu" => Ok(Cell::RnnRelu),
            _ => Err(Error::from(Fault::Config {
                rule: "unknown nonlinearity: select from 'tanh' or 'relu'".into(),
                found: format!("'{nonlinearity}'"),
            })),
        }
    }
}

/// Parses what `Display` writes, such as `Tanh` or `HardSigmoid(0.2, 0.5)`. The name may be in any letter case.
/// Without numbers, alpha and beta are the defaults of ONNX's operator of that name.
///
/// ```
/// use wgpu_rnn::Activation;
///
/// let hard: Activation = "HardSigmoid(0.2, 0.5)".parse()?;
/// assert_eq!(hard, Activation::HardSigmoid { alpha: 0.2, beta: 0.5 });
/// assert_eq!("elu".parse::<Activation>()?, Activation::Elu { alpha: 1.0 });
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
impl FromStr for Activation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || {
            let rule = "an activation must be a name of ONNX's, with its alpha and beta if it has them: \
                        Tanh or HardSigmoid(0.2, 0.5)";
            Error::from(Fault::Config { rule: rule.into(), found: format!("'{text}'") })
        };
        let (name, numbers) = match text.split_once('(') {
            Some((name, rest)) => (name, rest.strip_suffix(')').ok_or_else(wrong)?),
            None => (text, ""),
        };
        let numbers = numbers.split_terminator(',').map(|number| number.trim().parse::<f32>());
        let numbers = numbers.collect::<Result<Vec<f32>, _>>().map_err(|_| wrong())?;
        let activation = Activation::named(name, numbers.first().copied(), numbers.get(1).copied());
        let activation = activation.ok_or_else(wrong)?;
        let most = usize::from(activation.has_alpha()) + usize::from(activation.has_beta());
        if numbers.is_empty() || numbers.len() == most { Ok(activation) } else { Err(wrong()) }
    }
}
