//! How the elements of weight matrices are stored.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use half::f16;

use super::{DirectionWeights, Weights};
use crate::Error;

/// How a layer stores its weight matrices. Biases are f32, and so is all arithmetic, with either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Precision {
    /// As they are given.
    #[default]
    F32,
    /// Rounded to the nearest IEEE half: by at most 2⁻¹¹ of a weight from 2⁻¹⁴ on. On a GPU two share a word, so the
    /// weights take half of the memory and of its bandwidth, and each product unpacks them; a GPU may take those
    /// below 2⁻¹⁴ for zero. The other backends round them the same, and keep them as f32.
    F16,
}

impl Precision {
    /// Every precision.
    pub const ALL: &'static [Precision] = &[Precision::F32, Precision::F16];

    /// Bytes of four weights.
    pub(crate) fn quad_bytes(self) -> usize {
        match self {
            Precision::F32 => 16,
            Precision::F16 => 8,
        }
    }

    /// The weights that the layer has with this precision.
    ///
    /// ```
    /// use wgpu_rnn::{Config, Precision, Weights};
    ///
    /// let weights = Weights::seeded(Config::gru(3, 4), 0)?;
    /// let rounded = Precision::F16.round(&weights)?;
    /// let pairs = weights.directions()[0].weight_hh.iter().zip(&rounded.directions()[0].weight_hh);
    /// assert!(pairs.into_iter().all(|(given, rounded)| (given - rounded).abs() <= given.abs() / 2048.0));
    /// assert_eq!(weights.directions()[0].bias_hh, rounded.directions()[0].bias_hh);
    /// # Ok::<(), wgpu_rnn::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Precision`] if a weight is too large for a half, from 65520 on.
    pub fn round(self, weights: &Weights) -> Result<Cow<'_, Weights>, Error> {
        if self == Precision::F32 {
            return Ok(Cow::Borrowed(weights));
        }
        check(weights)?;
        let mut rounded = weights.clone();
        for direction in Arc::make_mut(&mut rounded.directions) {
            let DirectionWeights { weight_ih, weight_hh, weight_hr, .. } = direction;
            for matrix in [Some(weight_ih), Some(weight_hh), weight_hr.as_mut()].into_iter().flatten() {
                matrix.mapv_inplace(|weight| f16::from_f32(weight).to_f32());
            }
        }
        Ok(Cow::Owned(rounded))
    }
}

/// Every weight must be one that a half can hold.
fn check(weights: &Weights) -> Result<(), Error> {
    for (parameter, values) in weights.parameters().filter(|(parameter, _)| !parameter.kind.is_bias()) {
        let large = values.indexed_iter().find(|(_, value)| !f16::from_f32(**value).is_finite());
        if let Some((index, &found)) = large {
            return Err(Error::Precision {
                name: parameter.to_string(),
                index: ndarray::Dimension::slice(&index).to_vec(),
                found,
            });
        }
    }
    Ok(())
}

/// `f32` or `f16`.
impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Precision::F32 => "f32",
            Precision::F16 => "f16",
        })
    }
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Precision::ALL.iter().copied().find(|precision| precision.to_string() == text).ok_or_else(|| {
            Error::Config { rule: "precision must be one of f32, f16".into(), found: format!("'{text}'") }
        })
    }
}
