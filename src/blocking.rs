//! The calls that block, which are the main interface of a native program. Each is a few lines around the
//! same async code as its twin, whose name ends in `_async`. A browser has only the twins: there, this file is
//! left out.

use ndarray::{Array, ArrayViewMut, ArrayViewMut3, Axis, Dimension};
#[cfg(feature = "gpu")]
use wgpu::CommandEncoder;

#[cfg(doc)]
use crate::ErrorKind;
use crate::auto::Choice;
use crate::batch::Batch;
use crate::gpu::Gpu;
#[cfg(feature = "gpu")]
use crate::gpu::GpuBuffers;
use crate::layer::Implementation;
use crate::session::{Active, Kept};
use crate::{
    AdapterChoice, Backend, Config, Error, Input, Layer, LayerOptions, Output, Session, State, Weights,
};

impl Gpu {
    /// Opens an adapter with all its limits, and with subgroups and timestamps if the adapter has them. For
    /// other limits, open the device yourself ([`Gpu::from_device`]).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Device`] if no adapter fits the choice (it lists the adapters that exist), if the driver
    /// refuses, or if the adapter cannot run the kernels.
    pub fn new(choice: &AdapterChoice) -> Result<Self, Error> {
        pollster::block_on(Gpu::new_async(choice))
    }
}

impl Backend {
    /// Chooses the GPU if it is expected to be at least twice as fast as the CPU for this layer and batches
    /// of `batch` rows (N) and `steps` steps (T), and otherwise the CPU. It never chooses a software
    /// adapter. The estimate for a GPU uses the strategy, precision and budget of the options.
    /// [`auto`](crate::auto) describes the rule, its sources and how far it can be trusted.
    ///
    /// The returned value has the backend and the reason; both are logged at level `info`.
    ///
    /// ```
    /// use wgpu_rnn::{Backend, Config, Layer, LayerOptions, Weights};
    ///
    /// let weights = Weights::seeded(Config::lstm(80, 256), 0)?;
    /// let choice = Backend::auto(weights.config(), 8, 200, &LayerOptions::default());
    /// println!("{choice}"); // cpu, since there are only software adapters, which …
    /// let layer = Layer::new(&weights, choice.backend)?;
    /// # Ok::<(), wgpu_rnn::Error>(())
    /// ```
    pub fn auto(config: &Config, batch: usize, steps: usize, options: &LayerOptions) -> Choice {
        pollster::block_on(Backend::auto_async(config, batch, steps, options))
    }
}

impl Layer {
    /// Prepares a layer on a backend: packs the weights, uploads them, compiles the kernels. The second
    /// argument is a [`Backend`], or a pair of a backend and [`LayerOptions`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Tensor`] if a weight is too large for f16 and the options store it as f16;
    /// [`ErrorKind::Config`] if the machine lacks the instruction set that the options name. On a GPU:
    /// [`ErrorKind::TooLarge`], [`ErrorKind::OutOfMemory`], [`ErrorKind::DeviceLost`],
    /// [`ErrorKind::Driver`].
    ///
    /// ```
    /// use wgpu_rnn::{Backend, Config, Layer, LayerOptions, Weights};
    ///
    /// let weights = Weights::seeded(Config::gru(40, 64), 0)?;
    /// let layer = Layer::new(&weights, Backend::Cpu)?;
    /// let on_one_thread = Layer::new(&weights, (Backend::Cpu, LayerOptions { threads: 1, ..LayerOptions::default() }))?;
    /// # Ok::<(), wgpu_rnn::Error>(())
    /// ```
    pub fn new(weights: &Weights, backend: impl Into<(Backend, LayerOptions)>) -> Result<Self, Error> {
        pollster::block_on(Layer::new_async(weights, backend))
    }

    /// Runs the layer over a batch and waits for the result.
    ///
    /// Shapes: the input is `[N, T, I]` or `[T, I]`; [`State`] and [`Output`] list the shapes of the state
    /// and the output. N may be 0; T must be at least 1. An array is an input by itself; [`Input`] adds
    /// lengths, an initial state and more.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] for a wrong shape, where PyTorch raises an error too. From the machine:
    /// [`ErrorKind::OutOfMemory`], and on a GPU [`ErrorKind::TooLarge`], [`ErrorKind::DeviceLost`],
    /// [`ErrorKind::Timeout`], [`ErrorKind::Driver`].
    ///
    /// ```no_run
    /// # use wgpu_rnn::{AdapterChoice, Backend, Config, Gpu, Input, Layer, Weights, ndarray::Array3};
    /// let gpu = Gpu::new(&AdapterChoice::Best)?;
    /// let layer = Layer::new(&Weights::seeded(Config::gru(80, 128), 0)?, Backend::Gpu(gpu))?;
    /// let input = Array3::zeros((4, 50, 80));
    /// let output = layer.forward(&input)?;
    /// let next = layer.forward(Input::new(&input).lengths(&[50, 7, 0, 33]).state(&output).timed())?;
    /// if let Some(timings) = next.timings {
    ///     println!("{:?} + {:?} + {:?}", timings.upload, timings.compute, timings.readback);
    /// }
    /// # Ok::<(), wgpu_rnn::Error>(())
    /// ```
    pub fn forward<'i, D: Dimension>(&self, input: impl Into<Input<'i, D>>) -> Result<Output<D>, Error> {
        let input = input.into();
        let batch = self.checked(&input)?;
        let output = match self.implementation() {
            Implementation::Gpu(layer) if batch.rows() > 0 => match input.is_timed() {
                true => layer.run_timed(&batch)?,
                false => layer.run(&batch)?,
            },
            other => other.run(self.config(), &batch)?,
        };
        batch.restore(output)
    }

    /// Starts a session with R rows. Every row has the state zero.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the layer has a reverse direction; [`ErrorKind::OutOfMemory`], and on a GPU
    /// [`ErrorKind::TooLarge`], [`ErrorKind::DeviceLost`], [`ErrorKind::Driver`].
    pub fn session(&self, rows: usize) -> Result<Session, Error> {
        pollster::block_on(self.session_async(rows))
    }

    /// Records a forward pass into the caller's encoder: one compute pass, from and to the caller's
    /// buffers. It submits nothing and waits for nothing. So the work that makes the input and the work
    /// that uses the output can be in the same submission.
    ///
    /// [`GpuBuffers`] has the contract of each buffer. The first call with a shape compiles kernels and
    /// makes scratch buffers: [`PlanReport::workspace_bytes`](crate::inspect::PlanReport::workspace_bytes), the
    /// hidden state twice, the cell state, and a copy of the input if I is not a multiple of 4. The first
    /// call with a set of buffers makes their bind groups; later calls make nothing. The encoder may be
    /// dropped unsubmitted, and the layer may be dropped before the encoder is submitted. Several
    /// recordings may be submitted in any order.
    ///
    /// The result is bit-identical to that of [`Layer::forward`] with the same strategy. With
    /// [`LayerOptions::measure`], a pass uses the plan that `forward` measured for the same N and T. If
    /// `forward` has not measured one, the pass uses the cost model's plan.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the layer is not on a GPU; [`ErrorKind::Input`] for a buffer that breaks the
    /// contract and for T = 0; [`ErrorKind::TooLarge`] if the batch does not fit the device's limits and the
    /// layer's budget at once; [`ErrorKind::OutOfMemory`], [`ErrorKind::DeviceLost`], [`ErrorKind::Driver`].
    /// After any of these errors, nothing was recorded.
    ///
    /// wgpu reports later failures, such as a lost device, where the caller finishes and submits the
    /// encoder.
    ///
    /// ```no_run
    /// # use wgpu_rnn::{AdapterChoice, Backend, Config, Gpu, GpuBuffers, Layer, Weights, wgpu};
    /// # let gpu = Gpu::new(&AdapterChoice::Best)?;
    /// # let (device, queue) = (gpu.device().clone(), gpu.queue().clone());
    /// // `device` and `queue` are those of the program.
    /// let gpu = Gpu::from_device(device.clone(), queue.clone())?;
    /// let weights = Weights::seeded(Config::gru(80, 128), 0)?;
    /// let layer = Layer::new(&weights, Backend::Gpu(gpu))?;
    /// let storage = |floats: u64| {
    ///     let usage = wgpu::BufferUsages::STORAGE;
    ///     device.create_buffer(&wgpu::BufferDescriptor { label: None, size: 4 * floats, usage, mapped_at_creation: false })
    /// };
    /// let (features, output, state) = (storage(4 * 50 * 80), storage(4 * 50 * 128), storage(4 * 128));
    /// let mut encoder = device.create_command_encoder(&Default::default());
    /// // … a pass that writes the features …
    /// let [features, output, state] = [&features, &output, &state].map(|buffer| buffer.as_entire_buffer_binding());
    /// let buffers = GpuBuffers {
    ///     h_0: Some(state.clone()),
    ///     h_n: Some(state),
    ///     ..GpuBuffers::new(4, 50, features, output)
    /// };
    /// layer.encode(&mut encoder, &buffers)?;
    /// // … a pass that reads the output …
    /// queue.submit([encoder.finish()]);
    /// # Ok::<(), wgpu_rnn::Error>(())
    /// ```
    #[cfg(feature = "gpu")]
    pub fn encode(&self, encoder: &mut CommandEncoder, buffers: &GpuBuffers<'_>) -> Result<(), Error> {
        pollster::block_on(self.encode_async(encoder, buffers))
    }
}

impl Session {
    /// Computes the next steps of all rows, or of [some rows](Input::rows), and waits for the output.
    ///
    /// Shapes: for M rows the input is `[M, T, I]` and the output `[M, T, H_out]`; for one row, they may be
    /// `[T, I]` and `[T, H_out]`. If rows have [lengths](Input::lengths), the output past a row's length is
    /// zero, and a row of length 0 keeps its state.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] for a wrong shape, for a row that the session does not have or that is listed
    /// twice, and if the input does not have exactly one row for each listed row. From the machine:
    /// [`ErrorKind::OutOfMemory`], and on a GPU [`ErrorKind::TooLarge`], [`ErrorKind::DeviceLost`],
    /// [`ErrorKind::Timeout`], [`ErrorKind::Driver`].
    pub fn push<'i, D: Dimension>(&mut self, input: impl Into<Input<'i, D>>) -> Result<Array<f32, D>, Error> {
        let input = input.into();
        let (active, batch) = self.checked(&input)?;
        let mut output = batch.output(self.layer.config())?;
        self.run(active, &batch, output.view_mut())?;
        batch.restore_rank(output, Axis(0))
    }

    /// Like [`Session::push`], but writes the output into an array of the output's shape, with any strides.
    /// The contents of the array are unspecified after an error.
    ///
    /// On the CPU a repeated push of one step allocates nothing, unless several threads share the work.
    ///
    /// # Errors
    ///
    /// The same as [`Session::push`]; [`ErrorKind::Input`] for the array's shape.
    pub fn push_into<'i, D: Dimension>(
        &mut self,
        input: impl Into<Input<'i, D>>,
        output: ArrayViewMut<'_, f32, D>,
    ) -> Result<(), Error> {
        let input = input.into();
        let (active, batch) = self.checked(&input)?;
        let mut output = batch.checked_output(self.layer.config(), output)?;
        output.fill(0.0);
        self.run(active, &batch, output)
    }

    /// Records a push into the caller's encoder: one compute pass from the buffer `input`, `[M, T, I]`, to the
    /// buffer `output`, `[M, T, H_out]`, over the listed rows or over all rows. It submits nothing and waits for
    /// nothing, so a stream's push can be part of the program's own submission.
    ///
    /// [`GpuBuffers`] has the contract of both buffers; its other buffers must not be given, because the session
    /// keeps the state. The first call with a shape compiles kernels and makes scratch buffers, as with
    /// [`Layer::encode`]. A later call with the same shape, buffers and rows makes nothing. The bits are those of
    /// [`Session::push`].
    ///
    /// The state changes on the GPU when the submission runs. Submit the recordings of a session in the order in
    /// which they were made, and before any other call of the session but [`Session::reset`]. A recording that is
    /// never submitted leaves the state as it was; a row that had been reset before it must be reset again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the layer is not on a GPU; [`ErrorKind::Input`] for a row that the session does
    /// not have or that is listed twice, for a `batch` other than the number of listed rows, for T = 0 and for a
    /// buffer that breaks the contract; [`ErrorKind::TooLarge`], [`ErrorKind::OutOfMemory`],
    /// [`ErrorKind::DeviceLost`], [`ErrorKind::Driver`]. After any of these errors, nothing was recorded.
    ///
    /// ```no_run
    /// use wgpu_rnn::{Error, GpuBuffers, Session, wgpu};
    ///
    /// /// Records the next step of two of the session's streams.
    /// fn record(
    ///     session: &mut Session,
    ///     encoder: &mut wgpu::CommandEncoder,
    ///     features: &wgpu::Buffer, // [2, 1, I]
    ///     output: &wgpu::Buffer,   // [2, 1, H_out]
    /// ) -> Result<(), Error> {
    ///     let [features, output] = [features, output].map(|buffer| buffer.as_entire_buffer_binding());
    ///     session.encode(encoder, &GpuBuffers::new(2, 1, features, output), Some(&[7, 3]))
    /// }
    /// ```
    #[cfg(feature = "gpu")]
    pub fn encode(
        &mut self,
        encoder: &mut CommandEncoder,
        buffers: &GpuBuffers<'_>,
        rows: Option<&[usize]>,
    ) -> Result<(), Error> {
        pollster::block_on(self.encode_async(encoder, buffers, rows))
    }

    /// Returns the state of all rows.
    ///
    /// # Errors
    ///
    /// On a GPU [`ErrorKind::OutOfMemory`], [`ErrorKind::DeviceLost`], [`ErrorKind::Timeout`],
    /// [`ErrorKind::Driver`].
    pub fn state(&self) -> Result<State<'static>, Error> {
        match &self.kept {
            Kept::Host(state) => state.saved(self.layer.config()),
            Kept::Gpu(session) => session.state(),
        }
    }

    /// Sets the state of the M listed rows in their order, or of all rows: `h_0 [L, M, H_out]` and, for an
    /// LSTM, `c_0 [L, M, H]`. A part that is `None` is set to zero. The state may come from another session,
    /// another backend or a forward pass.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] for a wrong shape, and for a row that the session does not have or that is listed
    /// twice; on a GPU [`ErrorKind::OutOfMemory`], [`ErrorKind::DeviceLost`], [`ErrorKind::Driver`].
    pub fn set_state<'s>(
        &mut self,
        rows: Option<&[usize]>,
        state: impl Into<State<'s>>,
    ) -> Result<(), Error> {
        pollster::block_on(self.set_state_async(rows, state))
    }

    fn run(
        &mut self,
        active: Active<'_>,
        batch: &Batch<'_>,
        mut output: ArrayViewMut3<'_, f32>,
    ) -> Result<(), Error> {
        match &mut self.kept {
            Kept::Host(state) => {
                state.push(self.layer.implementation(), self.layer.config(), batch, active, output)
            }
            Kept::Gpu(session) => {
                output.assign(&session.push(batch, active)?);
                Ok(())
            }
        }
    }
}
