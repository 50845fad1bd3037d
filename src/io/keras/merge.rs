//! `merge_mode` of Keras' `Bidirectional`.

use std::fmt;
use std::str::FromStr;

use ndarray::{ArrayD, ArrayViewD, Axis};

use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::error::Fault;

/// How Keras' `Bidirectional` merges the outputs of its two directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MergeMode {
    /// One behind the other: the output of a layer of this library. It also stands for `merge_mode=None`, with
    /// which Keras returns the two halves as separate arrays.
    #[default]
    Concat,
    /// Their sum.
    Sum,
    /// Their product.
    Mul,
    /// Their average.
    Ave,
}

impl MergeMode {
    /// Merges the halves of an output's last axis, `[…, 2*H]`, to `[…, H]`. [`MergeMode::Concat`] changes
    /// nothing.
    ///
    /// ```
    /// use wgpu_rnn::{io::MergeMode, ndarray::array};
    ///
    /// let output = array![[1.0, 2.0, 10.0, 20.0]].into_dyn();
    /// assert_eq!(MergeMode::Sum.merge(output.view())?, array![[11.0, 22.0]].into_dyn());
    /// # Ok::<(), wgpu_rnn::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the last axis has no two halves.
    #[allow(clippy::needless_pass_by_value, reason = "a view is a reference, passed as ndarray does")]
    pub fn merge(self, output: ArrayViewD<'_, f32>) -> Result<ArrayD<f32>, Error> {
        if self == MergeMode::Concat {
            return Ok(output.to_owned());
        }
        let Some(&width) = output.shape().last().filter(|width| width.is_multiple_of(2)) else {
            let rule = format!("the last axis of an output to merge by {self} must have two halves");
            return Err(Error::from(Fault::Config { rule, found: format!("shape {:?}", output.shape()) }));
        };
        let (forward, backward) = output.view().split_at(Axis(output.ndim() - 1), width / 2);
        Ok(match self {
            MergeMode::Mul => &forward * &backward,
            MergeMode::Ave => (&forward + &backward) / 2.0,
            _ => &forward + &backward,
        })
    }
}

/// Keras' name: `concat`, `sum`, `mul` or `ave`.
impl fmt::Display for MergeMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MergeMode::Concat => "concat",
            MergeMode::Sum => "sum",
            MergeMode::Mul => "mul",
            MergeMode::Ave => "ave",
        })
    }
}

impl FromStr for MergeMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Ok(match text {
            "concat" | "none" => MergeMode::Concat,
            "sum" => MergeMode::Sum,
            "mul" => MergeMode::Mul,
            "ave" => MergeMode::Ave,
            other => {
                let rule = "merge_mode must be one of concat, sum, mul, ave, none".to_owned();
                return Err(Error::from(Fault::Config { rule, found: format!("'{other}'") }));
            }
        })
    }
}
