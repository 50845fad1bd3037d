//! PyTorch's initialisation, from PyTorch's generator.

use ndarray::{ArrayD, IxDyn};
use rand_mt::Mt;

use crate::Error;
use crate::array::collected;

/// `torch.Generator` on the CPU: an mt19937 stream that several layers can be drawn from in turn.
#[derive(Clone, Debug)]
pub(crate) struct Generator(Mt);

impl Generator {
    /// Creates the stream that `torch.manual_seed(seed)` starts. As in PyTorch, only the low 32 bits of the
    /// seed count.
    pub(crate) fn seeded(seed: u64) -> Self {
        #[allow(clippy::cast_possible_truncation, reason = "init_genrand takes 32 bits, as in PyTorch")]
        Generator(Mt::new(seed as u32))
    }

    /// Draws `torch.nn.init.uniform_(tensor, -k, k)` with `k = 1/√hidden_size`, as
    /// `RNNBase.reset_parameters` does.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::OutOfMemory`](crate::ErrorKind::OutOfMemory) if there is not enough memory for the tensor `name`.
    pub(crate) fn uniform(
        &mut self,
        name: &str,
        shape: &[usize],
        hidden_size: usize,
    ) -> Result<ArrayD<f32>, Error> {
        #[allow(clippy::cast_possible_truncation, reason = "PyTorch computes k in f64 and fills in f32")]
        let k = (1.0 / (hidden_size as f64).sqrt()) as f32;
        // PyTorch's compiler contracts u·2k - k to a fused multiply-add with one rounding.
        let count = shape.iter().fold(1usize, |count, &size| count.saturating_mul(size));
        let values = (0..count).map(|_| self.next_unit().mul_add(k + k, -k));
        collected(name, IxDyn(shape), values)
    }

    /// Returns a multiple of 2⁻²⁴ in [0, 1), which PyTorch derives from 32 random bits in this way.
    fn next_unit(&mut self) -> f32 {
        const BITS: u32 = 0xFF_FFFF;
        (self.0.next_u32() & BITS) as f32 * (1.0 / (BITS + 1) as f32)
    }
}
