//! The tensors of a cell.

use crate::Error;
use crate::io::twice;

/// A tensor's name in the file, and its shape.
pub(super) type Tensor<'a> = (&'a str, &'a [usize]);

/// The weights of one cell.
#[derive(Clone, Debug, Default)]
pub(super) struct CellTensors<'a> {
    /// The path before the names of the weights.
    pub(super) path: String,
    pub(super) kernel: Option<Tensor<'a>>,
    pub(super) recurrent_kernel: Option<Tensor<'a>>,
    pub(super) bias: Option<Tensor<'a>>,
}

impl<'a> CellTensors<'a> {
    /// Adds another tensor of the cell.
    pub(super) fn join(&mut self, other: &CellTensors<'a>) -> Result<(), Error> {
        self.path.clone_from(&other.path);
        for (own, other) in [
            (&mut self.kernel, other.kernel),
            (&mut self.recurrent_kernel, other.recurrent_kernel),
            (&mut self.bias, other.bias),
        ] {
            match (&own, other) {
                (Some(_), Some((name, _))) => return Err(twice(name)),
                (None, Some(tensor)) => *own = Some(tensor),
                (_, None) => {}
            }
        }
        Ok(())
    }
}
