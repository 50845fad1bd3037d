//! The buffers and bind groups of one shape, kept between calls.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use log::Level;
use wgpu::{
    BindGroup, BindGroupEntry, BindingResource, Buffer, BufferBinding, BufferUsages, CommandEncoder,
    ComputePass, ComputePipeline,
};

use super::Gpu;
use super::Instant;
use super::first_pass::{FirstPass, Making};
use super::kernel::{DispatchParams, LayerDims};
use super::plan::{self, Bound, Plan, Segment, Sequence};
use super::timed::timed;
use super::timestamps::Timestamps;
use crate::array::filled;
use crate::{Config, Error};

/// The bind groups of the plan's sets of buffers, for each state of a session that a pass may read.
pub(super) type Groups = Vec<[BindGroup; 2]>;

/// The GPU objects of a plan. The upload buffers are mapped while the workspace is unused.
pub(super) struct Workspace {
    pub(super) plan: Plan,
    /// One for each of the plan's segments.
    pub(super) staging: Vec<Staging>,
    buffers: HashMap<Bound, Buffer>,
    /// Empty if the caller's buffers are bound.
    groups: Groups,
    /// The states of the session, if the workspace belongs to one.
    saved: Option<Saved>,
    /// The pipelines of the plan's kernels, so that recording compiles nothing.
    pipelines: Vec<Arc<ComputePipeline>>,
    /// The distance from one dispatch's `DispatchParams` to the next, in bytes.
    params_stride: u32,
    pub(super) first_pass: FirstPass,
}

/// A segment's buffers on the host's side: `upload` if it has input from the host, `download` if it returns
/// output to the host.
pub(super) struct Staging {
    pub(super) upload: Option<Buffer>,
    pub(super) download: Option<Buffer>,
}

/// The two states of a session. A pass reads one and writes the other.
#[derive(Clone)]
pub(super) struct Saved {
    /// `[L, R, quads of H_out]`.
    pub(super) hidden: [Buffer; 2],
    /// `[L, R, H]`.
    pub(super) cell: [Buffer; 2],
}

/// How a submission uses the two states of a session.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turn {
    /// The index of the state that is read.
    pub(super) from: usize,
    /// Whether the whole state is copied to the other one before the pass writes its rows there.
    pub(super) carries: bool,
}

impl Workspace {
    /// Makes everything that the plan needs. Call this inside error scopes. The first pass is logged at `level`.
    pub(super) fn new(
        gpu: &Gpu,
        weights: &[Buffer],
        dims: &[LayerDims],
        plan: Plan,
        saved: Option<Saved>,
        level: Level,
    ) -> Result<Self, Error> {
        let start = Instant::now();
        let params_stride = gpu.capabilities().min_uniform_buffer_offset_alignment;
        let buffers = buffers(gpu, &plan, dims, params_stride)?;
        let staging = plan.segments.iter().map(|segment| Staging::new(gpu, &plan, segment)).collect();
        let mut compiling = Duration::ZERO;
        let new_kernels = gpu.new_kernels(&plan.kernels);
        let pipelines = timed(Some(&mut compiling), || gpu.pipelines(&plan.kernels))?;
        let making = Making { level, new_kernels, compiling, others: Duration::ZERO };
        let (groups, first_pass) = (Groups::new(), FirstPass::after(making));
        let mut made =
            Workspace { plan, staging, buffers, groups, saved, pipelines, params_stride, first_pass };
        if !made.plan.endpoints.are_buffers() {
            made.groups = made.bind(gpu, weights, |_| None);
        }
        let others = start.elapsed().saturating_sub(compiling);
        made.first_pass = FirstPass::after(Making { others, ..making });
        Ok(made)
    }

    /// Makes the bind groups of the plan's dispatches. A buffer that `given` returns replaces the
    /// workspace's own.
    pub(super) fn bind<'a>(
        &'a self,
        gpu: &Gpu,
        weights: &'a [Buffer],
        given: impl Fn(Bound) -> Option<BindingResource<'a>>,
    ) -> Groups {
        let group = |bindings: [Bound; 10], from| {
            let own = |bound| self.resource(bound, weights, from);
            bind_group(gpu, bindings.map(|bound| given(bound).unwrap_or_else(|| own(bound))))
        };
        let both = |bindings: &[Bound; 10]| {
            let first = group(*bindings, 0);
            let is_saved = bindings.iter().any(|bound| bound.is_saved());
            let second = if is_saved { group(*bindings, 1) } else { first.clone() };
            [first, second]
        };
        self.plan.bindings.iter().map(both).collect()
    }

    /// Returns a buffer of the workspace, of the session or of the weights. `from` is the index of the
    /// session's state that is read.
    pub(super) fn resource<'a>(
        &'a self,
        bound: Bound,
        weights: &'a [Buffer],
        from: usize,
    ) -> BindingResource<'a> {
        // A recording changes the state in place, so that one that is never submitted changes nothing.
        let in_place = self.plan.endpoints.are_buffers();
        let index = |which| if in_place || which == plan::Saved::Read { from } else { 1 - from };
        let buffer = match (bound, &self.saved) {
            (Bound::Weights(part), _) => &weights[part],
            (Bound::SavedHidden(which), Some(saved)) => &saved.hidden[index(which)],
            (Bound::SavedCell(which), Some(saved)) => &saved.cell[index(which)],
            _ => &self.buffers[&bound],
        };
        let size = NonZeroU64::new(size_of::<DispatchParams>() as u64);
        match bound {
            Bound::Parameters => BindingResource::Buffer(BufferBinding { buffer, offset: 0, size }),
            _ => buffer.as_entire_binding(),
        }
    }

    /// Returns one of the workspace's own buffers.
    pub(super) fn own(&self, bound: Bound) -> &Buffer {
        &self.buffers[&bound]
    }

    /// Returns a segment of the forward pass with its buffers on the host's side.
    pub(super) fn segment(&self, place: usize) -> (&Segment, &Staging) {
        (&self.plan.segments[place], &self.staging[place])
    }

    /// Records a segment of the forward pass: upload, dispatches and readback, with timestamps between them
    /// if there are any.
    pub(super) fn record(
        &self,
        gpu: &Gpu,
        config: &Config,
        segment: &Segment,
        staging: &Staging,
        turn: Turn,
        timestamps: Option<&Timestamps>,
    ) -> CommandEncoder {
        let mut encoder = gpu
            .device()
            .create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("wgpu-rnn forward") });
        if let Some(timestamps) = timestamps {
            timestamps.begin(&mut encoder);
        }
        if let Some(upload) = &staging.upload {
            self.copy_in(&mut encoder, config, segment, upload);
        }
        if let (true, Some(saved)) = (turn.carries && segment.is_first, &self.saved) {
            saved.carry(&mut encoder, turn.from);
        }
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some("wgpu-rnn forward"),
            timestamp_writes: timestamps.map(Timestamps::of_pass),
        });
        self.dispatch(&mut pass, &self.groups, segment.dispatches.clone(), turn.from);
        drop(pass);
        if let Some(download) = &staging.download {
            self.copy_out(&mut encoder, config, segment, download);
        }
        if let Some(timestamps) = timestamps {
            timestamps.end(&mut encoder);
        }
        encoder
    }

    /// Records the copies from the upload buffer. Each segment copies its steps of the input. The first
    /// segment also copies the lengths, and either a session's rows or h_0 and c_0. h_0 goes to both hidden
    /// buffers, since each layer starts with the buffer of its parity.
    fn copy_in(&self, encoder: &mut CommandEncoder, config: &Config, segment: &Segment, upload: &Buffer) {
        let (bytes, buffers) = (&self.plan.bytes, &self.buffers);
        let input = &buffers[&Bound::Sequence(Sequence::Input)];
        for span in self.plan.spans(bytes.input, &segment.input) {
            encoder.copy_buffer_to_buffer(upload, span.staged, input, span.resident, span.bytes);
        }
        if !segment.is_first {
            return;
        }
        let lengths = self.plan.part_of(bytes.input, &segment.input);
        encoder.copy_buffer_to_buffer(upload, lengths, &buffers[&Bound::Lengths], 0, bytes.lengths);
        let h_0 = lengths + bytes.lengths;
        if let Some(rows) = buffers.get(&Bound::Rows) {
            encoder.copy_buffer_to_buffer(upload, h_0, rows, 0, bytes.rows);
            return;
        }
        for hidden in [0, 1].map(Bound::Hidden) {
            encoder.copy_buffer_to_buffer(upload, h_0, &buffers[&hidden], 0, bytes.hidden);
        }
        if config.cell.has_cell_state() {
            encoder.copy_buffer_to_buffer(upload, h_0 + bytes.hidden, &buffers[&Bound::Cell], 0, bytes.cell);
        }
    }

    /// Records some of the plan's dispatches with their bind groups. `from` is the index of the session's
    /// state that is read.
    pub(super) fn dispatch(
        &self,
        pass: &mut ComputePass<'_>,
        groups: &Groups,
        dispatches: Range<usize>,
        from: usize,
    ) {
        let mut current = None;
        // The plan limits the bytes of the parameters to 32 bits.
        let mut offset = u32::try_from(dispatches.start).unwrap_or(u32::MAX) * self.params_stride;
        for dispatch in &self.plan.dispatches[dispatches] {
            if current != Some(dispatch.kernel) {
                pass.set_pipeline(&self.pipelines[dispatch.kernel]);
                current = Some(dispatch.kernel);
            }
            pass.set_bind_group(0, &groups[dispatch.bindings][from], &[offset]);
            let [x, y, z] = dispatch.grid;
            pass.dispatch_workgroups(x, y, z);
            offset += self.params_stride;
        }
    }

    /// Records the copies to the download buffer. Each segment copies its steps of the output. The last
    /// segment also copies h_n and c_n.
    fn copy_out(&self, encoder: &mut CommandEncoder, config: &Config, segment: &Segment, download: &Buffer) {
        let (bytes, buffers) = (&self.plan.bytes, &self.buffers);
        let output = &buffers[&Bound::Sequence(Sequence::Output)];
        for span in self.plan.spans(bytes.output, &segment.output) {
            encoder.copy_buffer_to_buffer(output, span.resident, download, span.staged, span.bytes);
        }
        if !segment.is_last || bytes.end == 0 {
            return;
        }
        let h_n = self.plan.part_of(bytes.output, &segment.output);
        let layer_bytes = bytes.hidden / config.num_layers as u64;
        for (layer, &parity) in (0..).zip(&self.plan.final_parity) {
            let at = layer * layer_bytes;
            encoder.copy_buffer_to_buffer(
                &buffers[&Bound::Hidden(parity)],
                at,
                download,
                h_n + at,
                layer_bytes,
            );
        }
        if config.cell.has_cell_state() {
            let c_n = h_n + bytes.hidden;
            encoder.copy_buffer_to_buffer(&buffers[&Bound::Cell], 0, download, c_n, bytes.cell);
        }
    }
}

impl Saved {
    /// Copies the state that is read to the one that is written.
    fn carry(&self, encoder: &mut CommandEncoder, from: usize) {
        for buffers in [&self.hidden, &self.cell] {
            encoder.copy_buffer_to_buffer(&buffers[from], 0, &buffers[1 - from], 0, buffers[from].size());
        }
    }
}

impl Staging {
    fn new(gpu: &Gpu, plan: &Plan, segment: &Segment) -> Self {
        let made = |label, bytes, usage, mapped| (bytes > 0).then(|| gpu.buffer(label, bytes, usage, mapped));
        let (upload, download) = (plan.upload_bytes(segment), plan.download_bytes(segment));
        Staging {
            upload: made("upload", upload, BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC, true),
            download: made("download", download, BufferUsages::MAP_READ | BufferUsages::COPY_DST, false),
        }
    }
}

/// Makes the buffers of a plan.
fn buffers(
    gpu: &Gpu,
    plan: &Plan,
    dims: &[LayerDims],
    params_stride: u32,
) -> Result<HashMap<Bound, Buffer>, Error> {
    let (to, from) = (BufferUsages::COPY_DST, BufferUsages::COPY_SRC);
    let storage = |(bound, size): (Bound, u64)| {
        let copied = match bound {
            Bound::Sequence(Sequence::Input) | Bound::Lengths | Bound::Rows => to,
            Bound::Sequence(Sequence::Output) => from,
            Bound::Hidden(_) | Bound::Cell => to | from,
            _ => BufferUsages::empty(),
        };
        (bound, gpu.buffer(bound.name(), size, BufferUsages::STORAGE | copied, false))
    };
    let uniform = |bound: Bound, contents: &[u8]| {
        Ok::<_, Error>((bound, gpu.buffer_with(bound.name(), contents, BufferUsages::UNIFORM)?))
    };
    let dims = dims.iter().enumerate().map(|(part, &dims)| {
        let dims = LayerDims { rows: plan.rows, steps: plan.steps, ..dims };
        uniform(Bound::Dims(part), bytemuck::bytes_of(&dims))
    });
    let params = uniform(Bound::Parameters, &params(plan, params_stride)?);
    plan.bytes.buffers().map(|made| Ok(storage(made))).chain([params]).chain(dims).collect()
}

/// Makes the bind group of bindings 0 to 9.
pub(super) fn bind_group(gpu: &Gpu, resources: [BindingResource<'_>; 10]) -> BindGroup {
    let entries: Vec<BindGroupEntry<'_>> =
        (0..).zip(resources).map(|(binding, resource)| BindGroupEntry { binding, resource }).collect();
    gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("wgpu-rnn"),
        layout: &gpu.kernels().layout(gpu.device()),
        entries: &entries,
    })
}

/// Returns the `DispatchParams` of each dispatch, one every `stride` bytes.
fn params(plan: &Plan, stride: u32) -> Result<Vec<u8>, Error> {
    let size = usize::try_from(plan.bytes.params).unwrap_or(usize::MAX);
    let mut bytes = filled("the parameters of the dispatches", size, 0)?;
    for (dispatch, place) in plan.dispatches.iter().zip(bytes.chunks_exact_mut(stride as usize)) {
        place[..size_of::<DispatchParams>()].copy_from_slice(bytemuck::bytes_of(&dispatch.params));
    }
    Ok(bytes)
}
