//! The buffers and bind groups of one shape, kept between calls.

use std::collections::HashMap;
use std::sync::Arc;

use wgpu::{
    BindGroup, BindGroupEntry, BindingResource, Buffer, BufferBinding, BufferUsages, CommandEncoder,
    ComputePipeline,
};

use super::Gpu;
use super::kernel::{Moment, Shape};
use super::plan::{Bound, Kind, Plan, Segment, Sequence};
use super::timestamps::Timestamps;
use crate::{Config, Error};

/// The GPU objects of a plan. The upload buffers are mapped whenever the workspace lies unused.
pub(super) struct Workspace {
    pub(super) plan: Plan,
    /// One for each of the plan's segments.
    pub(super) staging: Vec<Staging>,
    buffers: Buffers,
    groups: HashMap<[Bound; 10], BindGroup>,
    /// Of each kind of dispatch. Looking for them again would wait for whoever compiles another.
    pipelines: HashMap<Kind, Arc<ComputePipeline>>,
    projected: bool,
    /// Bytes from one dispatch's `Moment` to the next one's.
    moment_stride: u32,
}

/// A segment's buffers on the host's side, if it takes or gives anything.
pub(super) struct Staging {
    pub(super) upload: Option<Buffer>,
    pub(super) download: Option<Buffer>,
}

struct Buffers {
    input: Buffer,
    between: [Buffer; 2],
    output: Buffer,
    hidden: [Buffer; 2],
    cell: Buffer,
    gates: Buffer,
    unprojected: Buffer,
    lengths: Buffer,
    moments: Buffer,
    /// One for each part of the weights.
    shapes: Vec<Buffer>,
}

impl Workspace {
    /// Makes everything that the plan needs; to be called with errors caught.
    pub(super) fn new(
        gpu: &Gpu,
        config: &Config,
        weights: &[Buffer],
        shapes: &[Shape],
        plan: Plan,
    ) -> Result<Self, Error> {
        let device = gpu.device();
        let moment_stride = gpu.capabilities().min_uniform_buffer_offset_alignment;
        let buffers = Buffers::new(gpu, &plan, shapes, moment_stride)?;
        let layout = gpu.kernels().layout(device);
        let pipeline = |&(kind, variant): &_| (kind, gpu.kernels().pipeline(device, variant));
        let pipelines = plan.variants.iter().map(pipeline).collect();
        let mut groups = HashMap::new();
        let projected = config.proj_size > 0;
        for dispatch in &plan.dispatches {
            groups.entry(dispatch.bindings(projected)).or_insert_with_key(|bindings| {
                let resources = bindings.iter().map(|&bound| buffers.resource(bound, weights));
                let entries: Vec<BindGroupEntry<'_>> = (0..)
                    .zip(resources)
                    .map(|(binding, resource)| BindGroupEntry { binding, resource })
                    .collect();
                device.create_bind_group(&wgpu::BindGroupDescriptor {
                    label: Some("wgpu-rnn"),
                    layout: &layout,
                    entries: &entries,
                })
            });
        }
        let staging = plan.segments.iter().map(|segment| Staging::new(gpu, &plan, segment)).collect();
        Ok(Workspace { plan, staging, buffers, groups, pipelines, projected, moment_stride })
    }

    /// A submission of a forward pass with its buffers on the host's side.
    pub(super) fn segment(&self, place: usize) -> (&Segment, &Staging) {
        (&self.plan.segments[place], &self.staging[place])
    }

    /// Records a segment of the forward pass: upload, dispatches, readback; and timestamps between them, if there are any.
    pub(super) fn record(
        &self,
        gpu: &Gpu,
        config: &Config,
        segment: &Segment,
        staging: &Staging,
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
        self.dispatch(&mut encoder, segment, timestamps);
        if let Some(download) = &staging.download {
            self.copy_out(&mut encoder, config, segment, download);
        }
        if let Some(timestamps) = timestamps {
            timestamps.end(&mut encoder);
        }
        encoder
    }

    /// From the upload buffer: the segment's steps of the input; with the first segment lengths, h_0 into both hidden
    /// buffers (each layer starts with the one that its parity says), c_0.
    fn copy_in(&self, encoder: &mut CommandEncoder, config: &Config, segment: &Segment, upload: &Buffer) {
        let (bytes, buffers) = (&self.plan.bytes, &self.buffers);
        for span in self.plan.spans(bytes.input, &segment.input) {
            encoder.copy_buffer_to_buffer(upload, span.staged, &buffers.input, span.resident, span.bytes);
        }
        if !segment.is_first {
            return;
        }
        let lengths = self.plan.part_of(bytes.input, &segment.input);
        encoder.copy_buffer_to_buffer(upload, lengths, &buffers.lengths, 0, bytes.lengths);
        let h_0 = lengths + bytes.lengths;
        for hidden in &buffers.hidden {
            encoder.copy_buffer_to_buffer(upload, h_0, hidden, 0, bytes.hidden);
        }
        if config.cell.has_cell_state() {
            encoder.copy_buffer_to_buffer(upload, h_0 + bytes.hidden, &buffers.cell, 0, bytes.cell);
        }
    }

    fn dispatch(&self, encoder: &mut CommandEncoder, segment: &Segment, timestamps: Option<&Timestamps>) {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some("wgpu-rnn forward"),
            timestamp_writes: timestamps.map(Timestamps::of_pass),
        });
        let mut current = None;
        let dispatches = &self.plan.dispatches[segment.dispatches.clone()];
        // The plan holds the moments' bytes to 32 bits.
        let mut offset = u32::try_from(segment.dispatches.start).unwrap_or(u32::MAX) * self.moment_stride;
        for dispatch in dispatches {
            if current != Some(dispatch.kind)
                && let Some(pipeline) = self.pipelines.get(&dispatch.kind)
            {
                pass.set_pipeline(pipeline);
                current = Some(dispatch.kind);
            }
            pass.set_bind_group(0, self.groups.get(&dispatch.bindings(self.projected)), &[offset]);
            let [x, y, z] = dispatch.grid;
            pass.dispatch_workgroups(x, y, z);
            offset += self.moment_stride;
        }
    }

    /// Into the download buffer: the segment's steps of the output; with the last segment h_n, c_n.
    fn copy_out(&self, encoder: &mut CommandEncoder, config: &Config, segment: &Segment, download: &Buffer) {
        let (bytes, buffers) = (&self.plan.bytes, &self.buffers);
        for span in self.plan.spans(bytes.output, &segment.output) {
            encoder.copy_buffer_to_buffer(&buffers.output, span.resident, download, span.staged, span.bytes);
        }
        if !segment.is_last {
            return;
        }
        let h_n = self.plan.part_of(bytes.output, &segment.output);
        let layer_bytes = bytes.hidden / config.num_layers as u64;
        for (layer, &parity) in (0..).zip(&self.plan.final_parity) {
            let at = layer * layer_bytes;
            encoder.copy_buffer_to_buffer(&buffers.hidden[parity], at, download, h_n + at, layer_bytes);
        }
        if config.cell.has_cell_state() {
            encoder.copy_buffer_to_buffer(&buffers.cell, 0, download, h_n + bytes.hidden, bytes.cell);
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

impl Buffers {
    fn new(gpu: &Gpu, plan: &Plan, shapes: &[Shape], moment_stride: u32) -> Result<Self, Error> {
        let bytes = &plan.bytes;
        // A binding holds at least one element.
        let storage =
            |label, size: u64, extra| gpu.buffer(label, size.max(16), BufferUsages::STORAGE | extra, false);
        let uniform = |label, contents: &[u8]| gpu.buffer_with(label, contents, BufferUsages::UNIFORM);
        let (to, from) = (BufferUsages::COPY_DST, BufferUsages::COPY_SRC);
        let none = BufferUsages::empty();
        Ok(Buffers {
            input: storage("input", bytes.input, to),
            between: bytes.between.map(|size| storage("the sequence between layers", size, none)),
            output: storage("output", bytes.output, from),
            hidden: [0, 1].map(|_| storage("hidden state", bytes.hidden, to | from)),
            cell: storage("cell state", bytes.cell, to | from),
            gates: storage("gates", bytes.gates, none),
            unprojected: storage("hidden state before projection", bytes.unprojected, none),
            lengths: storage("lengths", bytes.lengths, to),
            moments: uniform("dispatches' parameters", &moments(plan, moment_stride))?,
            shapes: shapes
                .iter()
                .map(|&shape| {
                    let shape = Shape { rows: plan.rows, steps: plan.steps, ..shape };
                    uniform("sizes", bytemuck::bytes_of(&shape))
                })
                .collect::<Result<_, _>>()?,
        })
    }

    fn sequence(&self, sequence: Sequence) -> &Buffer {
        match sequence {
            Sequence::Input => &self.input,
            Sequence::Between(which) => &self.between[which],
            Sequence::Output => &self.output,
        }
    }

    fn resource<'a>(&'a self, bound: Bound, weights: &'a [Buffer]) -> BindingResource<'a> {
        let buffer = match bound {
            Bound::Sizes(part) => &self.shapes[part],
            Bound::Parameters => {
                let size = std::num::NonZeroU64::new(size_of::<Moment>() as u64);
                return BindingResource::Buffer(BufferBinding { buffer: &self.moments, offset: 0, size });
            }
            Bound::Weights(part) => &weights[part],
            Bound::Sequence(sequence) => self.sequence(sequence),
            Bound::Hidden(parity) => &self.hidden[parity],
            Bound::Unprojected => &self.unprojected,
            Bound::Cell => &self.cell,
            Bound::Gates => &self.gates,
            Bound::Lengths => &self.lengths,
        };
        buffer.as_entire_binding()
    }
}

/// Each dispatch's `Moment`, `stride` bytes from one to the next.
fn moments(plan: &Plan, stride: u32) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(plan.bytes.moments).unwrap_or(usize::MAX)];
    for (dispatch, place) in plan.dispatches.iter().zip(bytes.chunks_exact_mut(stride as usize)) {
        place[..size_of::<Moment>()].copy_from_slice(bytemuck::bytes_of(&dispatch.moment));
    }
    bytes
}
