//! A forward pass in the caller's own submission, from and to the caller's buffers.

mod check;
mod copies;
mod scratch;

use std::sync::{Arc, Mutex, PoisonError};

use wgpu::{BufferBinding, CommandEncoder};

use super::layer::{GpuLayer, Resident};
use super::plan::{CallShape, Endpoints};
use crate::Error;
use scratch::Scratch;

/// Shapes whose scratch buffers are kept at most.
const KEPT_SHAPES: usize = 4;

/// The buffers that [`GpuLayer::encode`] reads from and writes to: on the layer's device, with the usage `STORAGE`, dense and
/// row-major. N is `batch`, T is `steps`, the other letters are [the crate's](crate#words).
///
/// | buffer | shape | elements | | not given |
/// |---|---|---|---|---|
/// | `input` | `[N, T, I]` | f32 | read | |
/// | `lengths` | `[N]` | u32, above T taken as T | read | T for each row |
/// | `h_0` | `[L*D, N, H_out]` | f32 | read | zeros |
/// | `c_0` (LSTM) | `[L*D, N, H]` | f32 | read | zeros |
/// | `output` | `[N, T, D*H_out]` | f32 | written, zero past a row's length | |
/// | `h_n` | `[L*D, N, H_out]` | f32 | written | not written |
/// | `c_n` (LSTM) | `[L*D, N, H]` | f32 | written | not written |
///
/// **Range.** A binding's `offset` is a multiple of the device's `min_storage_buffer_offset_alignment`. Its `size`, or the rest
/// of the buffer where that is not given, holds the whole array; what lies behind the array is neither read nor written.
///
/// **Aliasing.** What is only read may share bytes. `output`, `h_n` and `c_n` have to be apart from each other, and `output`
/// has to be in another buffer than `input`: wgpu lets no dispatch read and write one buffer, not even in different places.
/// Everything else may overlap, so `h_n` may be `h_0` and `c_n` may be `c_0`, which makes a state that goes on from call to
/// call.
///
/// **Order.** The pass sees what the encoder recorded before it, and everything submitted before; what is recorded
/// behind it sees its results. wgpu puts the barriers there.
///
/// **Device.** A buffer of another device of the same `wgpu::Instance` is an [`Error::Buffer`](crate::Error::Buffer); one of
/// another instance makes wgpu panic, as it does wherever instances are mixed.
///
/// **Lifetime.** wgpu keeps the buffers until the submission is done, so they may be dropped after the recording. The layer
/// also remembers the buffers of its last calls (four for each of the last four shapes), whose memory is only freed when
/// others have taken their place or the layer is dropped; `Buffer::destroy` frees it at once.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GpuBuffers<'a> {
    /// N. With 0 nothing is recorded.
    pub batch: usize,
    /// T.
    pub steps: usize,
    /// The input sequences.
    pub input: BufferBinding<'a>,
    /// Each row's number of steps.
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
    /// N rows of T steps from `input` to `output`, from a state of zeros.
    pub fn new(batch: usize, steps: usize, input: BufferBinding<'a>, output: BufferBinding<'a>) -> Self {
        GpuBuffers { batch, steps, input, lengths: None, h_0: None, c_0: None, output, h_n: None, c_n: None }
    }

    /// Gives each row its own number of steps.
    pub fn lengths(mut self, lengths: BufferBinding<'a>) -> Self {
        self.lengths = Some(lengths);
        self
    }

    /// Starts from a hidden state.
    pub fn h_0(mut self, h_0: BufferBinding<'a>) -> Self {
        self.h_0 = Some(h_0);
        self
    }

    /// Starts from a cell state.
    pub fn c_0(mut self, c_0: BufferBinding<'a>) -> Self {
        self.c_0 = Some(c_0);
        self
    }

    /// Leaves the final hidden state there.
    pub fn h_n(mut self, h_n: BufferBinding<'a>) -> Self {
        self.h_n = Some(h_n);
        self
    }

    /// Leaves the final cell state there.
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

    /// As [`GpuBuffers`] names it.
    fn name(self) -> &'static str {
        ["input", "lengths", "h_0", "c_0", "output", "h_n", "c_n"][self as usize]
    }

    fn is_written(self) -> bool {
        matches!(self, Slot::Output | Slot::Hn | Slot::Cn)
    }
}

/// What a layer keeps for its next calls.
#[derive(Default)]
pub(super) struct Encodings(Mutex<Vec<Arc<Scratch>>>);

impl GpuLayer {
    /// Records a forward pass into an encoder of the caller's: one compute pass, from buffers and to buffers of the caller's.
    /// Nothing is submitted and nothing is waited for, so what makes the input and what uses the output can be in the same
    /// submission.
    ///
    /// [`GpuBuffers`] has the contract of each buffer. The first call with a shape compiles kernels and makes scratch
    /// buffers: what [`PlanReport::workspace_bytes`](crate::PlanReport::workspace_bytes) says, the hidden state twice, the
    /// cell state, and the input again where I is no multiple of 4. The first call with some buffers makes their bind groups;
    /// later calls make nothing. The encoder may be dropped unsubmitted, and the layer may be dropped before the encoder is
    /// submitted. Several recordings may be submitted in any order.
    ///
    /// The result has the bits of [`Layer::forward`](crate::Layer::forward) with the same strategy. With
    /// [`Tuning::Measure`](crate::Tuning::Measure) a pass takes the plan that `forward` has measured for the same N and T, if it
    /// has, and else the cost model's.
    ///
    /// # Errors
    ///
    /// In all of these cases nothing was recorded: [`Error::Buffer`] for a buffer that breaks the contract,
    /// [`Error::NoSteps`] for T = 0, [`Error::TooLarge`] if the batch does not fit the device's limits and the
    /// layer's budget at once, [`Error::OutOfMemory`], [`Error::DeviceLost`], [`Error::Gpu`]. What goes wrong later, such as
    /// a device that is lost, wgpu reports where the caller finishes and submits the encoder.
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

    /// As [`GpuLayer::encode`], for a browser, which says later whether it could make what a first call with a
    /// shape or with some buffers makes. Elsewhere the future is ready at the first poll. If it is dropped before it is
    /// ready, nothing was recorded.
    ///
    /// # Errors
    ///
    /// As [`GpuLayer::encode`].
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
    /// The scratch buffers of a shape. One set serves all recordings: work on one queue runs in the order of its submission,
    /// and each pass first writes what it reads.
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

/// Keeps something new; what was made first makes room.
fn keep<T>(kept: &mut Vec<T>, most: usize, new: T) {
    if kept.len() == most {
        kept.remove(0);
    }
    kept.push(new);
}
