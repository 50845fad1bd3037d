//! The storage type of weight matrices.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use half::f16;

use super::{DirectionWeights, Weights};
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::error::Fault;

/// The type in which a layer stores its weight matrices. Biases and all arithmetic are f32 with either
/// precision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Precision {
    /// f32, unchanged.
    #[default]
    F32,
    /// f16: each weight is rounded to the nearest IEEE half, by at most 2⁻¹¹ of its value if it is at least
    /// 2⁻¹⁴. On a GPU two weights share a 32-bit word. They take half the memory and half the bandwidth, and
    /// each product unpacks them. A GPU may treat weights below 2⁻¹⁴ as zero. The other backends round the
    /// weights in the same way and keep them as f32.
    F16,
}

impl Precision {
    /// Every precision.
    pub const ALL: &'static [Precision] = &[Precision::F32, Precision::F16];

    /// Returns the number of bytes of four weights.
    #[cfg(feature = "gpu")]
    pub(crate) fn quad_bytes(self) -> usize {
        match self {
            Precision::F32 => 16,
            Precision::F16 => 8,
        }
    }

    /// Returns the weights as a layer with this precision stores them.
    ///
    /// ```
    /// use wgpu_rnn::{Config, Precision, Weights};
    ///
    /// let weights = Weights::seeded(Config::gru(3, 4), 0)?;
    /// let rounded = Precision::F16.round(&weights)?;
    /// let both = |name| (weights.get(name).unwrap(), rounded.get(name).unwrap());
    /// let (given, rounded) = both("weight_hh_l0");
    /// let mut pairs = given.iter().zip(&rounded);
    /// assert!(pairs.all(|(given, rounded)| (given - rounded).abs() <= given.abs() / 2048.0));
    /// assert_eq!(both("bias_hh_l0").0, both("bias_hh_l0").1);
    /// # Ok::<(), wgpu_rnn::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Tensor`] if a weight is too large for f16 (65520 or more); [`ErrorKind::OutOfMemory`].
    pub fn round(self, weights: &Weights) -> Result<Cow<'_, Weights>, Error> {
        if self == Precision::F32 {
            return Ok(Cow::Borrowed(weights));
        }
        check(weights)?;
        let rounded = weights.directions.iter().map(|direction| {
            let mut rounded = direction.copied()?;
            let DirectionWeights { weight_ih, weight_hh, weight_hr, .. } = &mut rounded;
            for matrix in [Some(weight_ih), Some(weight_hh), weight_hr.as_mut()].into_iter().flatten() {
                matrix.mapv_inplace(|weight| f16::from_f32(weight).to_f32());
            }
            Ok(rounded)
        });
        let directions = rounded.collect::<Result<Vec<_>, Error>>()?;
        Ok(Cow::Owned(Weights { config: weights.config, directions: Arc::new(directions) }))
    }
}

/// Checks that f16 can hold every weight.
fn check(weights: &Weights) -> Result<(), Error> {
    for (parameter, values) in weights.typed_parameters().filter(|(parameter, _)| !parameter.kind.is_bias()) {
        let large = values.indexed_iter().find(|(_, value)| !f16::from_f32(**value).is_finite());
        if let Some((index, &found)) = large {
            return Err(Error::from(Fault::Precision {
                name: parameter.to_string(),
                index: ndarray::Dimension::slice(&index).to_vec(),
                found,
            }));
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
            Error::from(Fault::Config {
                rule: "precision must be one of f32, f16".into(),
                found: format!("'{text}'"),
            })
        })
    }
}
