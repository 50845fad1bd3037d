//! The caller's buffers.

#[cfg(doc)]
use crate::ErrorKind;
use wgpu::BufferBinding;

/// The buffers that [`Layer::encode`](crate::Layer::encode) reads and writes. They must be on the layer's device and have the
/// usage `STORAGE`. Their arrays are dense and row-major. N is `batch` and T is `steps`; the other letters
/// are [the crate's](crate#words).
///
/// | buffer | shape | elements | access | if not given |
/// |---|---|---|---|---|
/// | `input` | `[N, T, I]` | f32 | read | |
/// | `lengths` | `[N]` | u32, values above T count as T | read | T for each row |
/// | `h_0` | `[L*D, N, H_out]` | f32 | read | zeros |
/// | `c_0` (LSTM) | `[L*D, N, H]` | f32 | read | zeros |
/// | `output` | `[N, T, D*H_out]` | f32 | written, zeros after a row's length | |
/// | `h_n` | `[L*D, N, H_out]` | f32 | written | not written |
/// | `c_n` (LSTM) | `[L*D, N, H]` | f32 | written | not written |
///
/// **Range.** A binding's `offset` must be a multiple of the device's
/// `min_storage_buffer_offset_alignment`. Its `size`, or the rest of the buffer if there is no `size`, must
/// hold the whole array. Bytes after the array are neither read nor written.
///
/// **Aliasing.** Arrays that are only read may overlap. `output`, `h_n` and `c_n` must not overlap each
/// other. `output` must be in another buffer than `input`, because wgpu does not let a dispatch read and
/// write the same buffer, even at different places. All other arrays may overlap. So `h_n` may be `h_0` and
/// `c_n` may be `c_0`, which carries the state from call to call.
///
/// **Order.** The pass sees the results of all work that was submitted or that the encoder recorded before
/// it. Work that is recorded after the pass sees its results. wgpu adds the barriers.
///
/// **Device.** A buffer of another device of the same `wgpu::Instance` is an [`ErrorKind::Input`]. A buffer
/// of another instance makes wgpu panic, as it always does if instances are mixed.
///
/// **Lifetime.** wgpu keeps the buffers until the submission is done, so they may be dropped after the
/// recording. The layer also keeps the buffers of its last calls (four sets for each of the last four
/// shapes). Their memory is only freed when other buffers replace them or the layer is dropped;
/// `Buffer::destroy` frees it at once.
#[derive(Clone, Debug)]
pub struct GpuBuffers<'a> {
    /// N, the number of rows. If it is 0, nothing is recorded.
    pub batch: usize,
    /// T, the number of steps.
    pub steps: usize,
    /// The input sequences.
    pub input: BufferBinding<'a>,
    /// The number of steps of each row.
    pub lengths: Option<BufferBinding<'a>>,
    /// The initial hidden state.
    pub h_0: Option<BufferBinding<'a>>,
    /// The initial cell state.
    pub c_0: Option<BufferBinding<'a>>,
    /// The last layer's hidden state at every step.
    pub output: BufferBinding<'a>,
    /// The final hidden state.
    pub h_n: Option<BufferBinding<'a>>,
    /// The final cell state.
    pub c_n: Option<BufferBinding<'a>>,
}

impl<'a> GpuBuffers<'a> {
    /// Describes a pass over N rows of T steps from `input` to `output`. The initial state is zero.
    pub fn new(batch: usize, steps: usize, input: BufferBinding<'a>, output: BufferBinding<'a>) -> Self {
        GpuBuffers { batch, steps, input, lengths: None, h_0: None, c_0: None, output, h_n: None, c_n: None }
    }
}

/// One of the caller's buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Input,
    Lengths,
    H0,
    C0,
    Output,
    Hn,
    Cn,
}

impl Slot {
    pub(super) const ALL: [Slot; 7] =
        [Slot::Input, Slot::Lengths, Slot::H0, Slot::C0, Slot::Output, Slot::Hn, Slot::Cn];

    /// Returns the name of its field in [`GpuBuffers`].
    pub(super) fn name(self) -> &'static str {
        ["input", "lengths", "h_0", "c_0", "output", "h_n", "c_n"][self as usize]
    }

    pub(super) fn is_written(self) -> bool {
        matches!(self, Slot::Output | Slot::Hn | Slot::Cn)
    }
}
