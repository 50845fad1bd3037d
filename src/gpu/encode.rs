//! Records a forward pass into the caller's own submission, from and to the caller's buffers.

mod check;
mod copies;
mod scratch;

use std::sync::{Arc, Mutex, PoisonError};

use wgpu::{BufferBinding, CommandEncoder};

use super::layer::{GpuLayer, Resident};
use super::plan::{CallShape, Endpoints};
use crate::Error;
use scratch::Scratch;

/// The largest number of shapes whose scratch buffers are kept.
const KEPT_SHAPES: usize = 4;

/// The buffers that [`GpuLayer::encode`] reads and writes. They must be on the layer's device and have the
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
/// **Device.** A buffer of another device of the same `wgpu::Instance` is an
/// [`Error::Buffer`](crate::Error::Buffer). A buffer of another instance makes wgpu panic, as it always
/// does if instances are mixed.
///
/// **Lifetime.** wgpu keeps the buffers until the submission is done, so they may be dropped after the
/// recording. The layer also keeps the buffers of its last calls (four sets for each of the last four
/// shapes). Their memory is only freed when other buffers replace them or the layer is dropped;
/// `Buffer::destroy` frees it at once.
#[derive(Clone, Debug)]
#[non_exhaustive]
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

    /// Gives each row its own number of steps.
    pub fn lengths(mut self, lengths: BufferBinding<'a>) -> Self {
        self.lengths = Some(lengths);
        self
    }

    /// Sets the initial hidden state.
    pub fn h_0(mut self, h_0: BufferBinding<'a>) -> Self {
        self.h_0 = Some(h_0);
        self
    }

    /// Sets the initial cell state.
    pub fn c_0(mut self, c_0: BufferBinding<'a>) -> Self {
        self.c_0 = Some(c_0);
        self
    }

    /// Writes the final hidden state to this buffer.
    pub fn h_n(mut self, h_n: BufferBinding<'a>) -> Self {
        self.h_n = Some(h_n);
        self
    }

    /// Writes the final cell state to this buffer.
    pub fn c_n(mut self, c_n: BufferBinding<'a>) -> Self {
        self.c_n = Some(c_n);
        self
    }
}

/// One of the caller's buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Input,
    Lengths,
    H0,
    C0,
    Output,
    Hn,
    Cn,
}

impl Slot {
    const ALL: [Slot; 7] = [Slot::Input, Slot::Lengths, Slot::H0, Slot::C0, Slot::Output, Slot::Hn, Slot::Cn];

    /// Returns the name of its field in [`GpuBuffers`].
    fn name(self) -> &'static str {
        ["input", "lengths", "h_0", "c_0", "output", "h_n", "c_n"][self as usize]
    }

    fn is_written(self) -> bool {
        matches!(self, Slot::Output | Slot::Hn | Slot::Cn)
    }
}

/// The scratch buffers that a layer keeps for its next calls.
#[derive(Default)]
pub(super) struct Encodings(Mutex<Vec<Arc<Scratch>>>);

impl GpuLayer {
    /// Records a forward pass into the caller's encoder: one compute pass, from and to the caller's
    /// buffers. It submits nothing and waits for nothing. So the work that makes the input and the work
    /// that uses the output can be in the same submission.
    ///
    /// [`GpuBuffers`] has the contract of each buffer. The first call with a shape compiles kernels and
    /// makes scratch buffers: [`PlanReport::workspace_bytes`](crate::PlanReport::workspace_bytes), the
    /// hidden state twice, the cell state, and a copy of the input if I is not a multiple of 4. The first
    /// call with a set of buffers makes their bind groups; later calls make nothing. The encoder may be
    /// dropped unsubmitted, and the layer may be dropped before the encoder is submitted. Several
    /// recordings may be submitted in any order.
    ///
    /// The result is bit-identical to that of [`Layer::forward`](crate::Layer::forward) with the same
    /// strategy. With [`Tuning::Measure`](crate::Tuning::Measure), a pass uses the plan that `forward`
    /// measured for the same N and T. If `forward` has not measured one, the pass uses the cost model's
    /// plan.
    ///
    /// # Errors
    ///
    /// [`Error::Buffer`] for a buffer that breaks the contract, [`Error::NoSteps`] for T = 0,
    /// [`Error::TooLarge`] if the batch does not fit the device's limits and the layer's budget at once,
    /// [`Error::OutOfMemory`], [`Error::DeviceLost`], [`Error::Gpu`]. After any of these errors, nothing
    /// was recorded.
    ///
    /// wgpu reports later failures, such as a lost device, where the caller finishes and submits the
    /// encoder.
    ///
    /// ```no_run
    /// # use wgpu_rnn::{AdapterChoice, Config, Gpu, GpuBuffers, GpuLayer, LayerOptions, Weights, wgpu};
    /// # let gpu = Gpu::new(&AdapterChoice::Best)?;
    /// # let (device, queue) = (gpu.device().clone(), gpu.queue().clone());
    /// // `device` and `queue` are those of the program.
    /// let gpu = Gpu::from_device(device.clone(), queue.clone())?;
    /// let weights = Weights::seeded(Config::gru(80, 128), 0)?;
    /// let layer = GpuLayer::new(&gpu, &weights, &LayerOptions::default())?;
    /// let storage = |floats: u64| {
    ///     let usage = wgpu::BufferUsages::STORAGE;
    ///     device.create_buffer(&wgpu::BufferDescriptor { label: None, size: 4 * floats, usage, mapped_at_creation: false })
    /// };
    /// let (features, output, state) = (storage(4 * 50 * 80), storage(4 * 50 * 128), storage(4 * 128));
    /// let mut encoder = device.create_command_encoder(&Default::default());
    /// // … a pass that writes the features …
    /// let buffers = GpuBuffers::new(4, 50, features.as_entire_buffer_binding(), output.as_entire_buffer_binding())
    ///     .h_0(state.as_entire_buffer_binding())
    ///     .h_n(state.as_entire_buffer_binding());
    /// layer.encode(&mut encoder, &buffers)?;
    /// // … a pass that reads the output …
    /// queue.submit([encoder.finish()]);
    /// # Ok::<(), wgpu_rnn::Error>(())
    /// ```
    #[cfg(not(target_arch = "wasm32"))]
    pub fn encode(&self, encoder: &mut CommandEncoder, buffers: &GpuBuffers<'_>) -> Result<(), Error> {
        pollster::block_on(self.encode_async(encoder, buffers))
    }

    /// Records a forward pass like [`GpuLayer::encode`], and also works in a browser. A browser reports
    /// later whether it could make the objects of the first call with a shape or with a set of buffers.
    /// Elsewhere, the future is ready at the first poll. If the future is dropped before it is ready,
    /// nothing was recorded.
    ///
    /// # Errors
    ///
    /// The same as for [`GpuLayer::encode`].
    pub async fn encode_async(
        &self,
        encoder: &mut CommandEncoder,
        buffers: &GpuBuffers<'_>,
    ) -> Result<(), Error> {
        let resident = &self.0;
        let given = check::check(&resident.config, resident.gpu.capabilities(), buffers)?;
        if buffers.batch == 0 {
            return Ok(());
        }
        if let Some(found) = resident.gpu.lost() {
            return Err(Error::DeviceLost { found });
        }
        let size = CallShape {
            rows: buffers.batch,
            steps: buffers.steps,
            budget: resident.options.budget,
            endpoints: Endpoints::Buffers,
        };
        let scratch = resident.scratch(size).await?;
        let bindings = scratch.bindings(resident, &given).await?;
        scratch.record(encoder, &bindings);
        Ok(())
    }
}

impl Resident {
    /// Returns the scratch buffers of a shape. One set serves all recordings, because work on one queue
    /// runs in the order of its submission, and each pass writes scratch data before it reads them.
    async fn scratch(&self, size: CallShape) -> Result<Arc<Scratch>, Error> {
        let kept = || self.encodings.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(scratch) = kept().iter().find(|scratch| scratch.size() == size) {
            return Ok(Arc::clone(scratch));
        }
        let made = Arc::new(Scratch::new(self, self.plan(size)?).await?);
        keep(&mut kept(), KEPT_SHAPES, Arc::clone(&made));
        Ok(made)
    }
}

/// Keeps a new item. If there are `most` items already, the oldest one is dropped.
fn keep<T>(kept: &mut Vec<T>, most: usize, new: T) {
    if kept.len() == most {
        kept.remove(0);
    }
    kept.push(new);
}
