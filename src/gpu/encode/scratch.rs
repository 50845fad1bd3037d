//! The objects that all recordings of one shape share: the layer's own buffers, and bind groups with the
//! caller's.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};

use wgpu::{
    BindGroup, BindingResource, Buffer, BufferBinding, BufferUsages, CommandEncoder, ComputePass,
    ComputePipeline,
};

use super::buffers::Slot;
use super::check::{AllGiven, Given};
use super::copies::{self, Copy};
use crate::array::filled;
use crate::error::Fault;
use crate::gpu::kernel::{KernelSpec, Vectors};
use crate::gpu::plan::{Bound, CallShape, Plan, Sequence};
use crate::gpu::resident::{Resident, keep};
use crate::gpu::workspace::{Groups, Workspace, bind_group};
use crate::{Error, ErrorKind};

/// The number of sets of the caller's buffers that are kept for a shape. It is enough for a program that
/// alternates between a few sets.
const KEPT_BINDINGS: usize = 4;

/// The largest number of shapes whose scratch buffers are kept.
const KEPT_SHAPES: usize = 4;

/// The scratch buffers that a layer keeps for its next calls.
#[derive(Default)]
pub(in crate::gpu) struct Encodings(Mutex<Vec<Arc<Scratch>>>);

impl Encodings {
    /// Returns the scratch buffers of a shape. One set serves all recordings, because work on one queue
    /// runs in the order of its submission, and each pass writes scratch data before it reads them.
    pub(super) async fn scratch(&self, resident: &Resident, size: CallShape) -> Result<Arc<Scratch>, Error> {
        let kept = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(scratch) = kept().iter().find(|scratch| scratch.size() == size) {
            return Ok(Arc::clone(scratch));
        }
        let made = Arc::new(Scratch::new(resident, resident.plan(size)?).await?);
        keep(&mut kept(), KEPT_SHAPES, Arc::clone(&made));
        Ok(made)
    }
}

/// The GPU objects of a plan that reads and writes the caller's buffers.
pub(super) struct Scratch {
    workspace: Workspace,
    copies: Vec<Copy>,
    pipeline: Arc<ComputePipeline>,
    /// The `Vectors` of each copy, one every `stride` bytes.
    parameters: Buffer,
    stride: u32,
    /// The largest number of workgroups along one dimension of a grid.
    side: u32,
    bound: Mutex<Vec<(Key, Arc<Bindings>)>>,
}

/// Identifies the buffers of a call: each buffer that was given, and its offset.
type Key = [Option<(Buffer, u64)>; 7];

/// The bind groups of a call.
pub(super) struct Bindings {
    groups: Groups,
    /// One for each copy; `None` if the call does not need the copy.
    copies: Vec<Option<BindGroup>>,
}

impl Scratch {
    pub(super) async fn new(resident: &Resident, plan: Plan) -> Result<Self, Error> {
        let Resident { gpu, config, weights, dims, options, .. } = resident;
        let copies = copies::list(config, &plan);
        let copy = KernelSpec::copy(options.bounds_checks);
        let stride = gpu.capabilities().min_uniform_buffer_offset_alignment;
        let vectors = parameters(&copies, stride as usize);
        let saved = resident.saved.clone();
        let make = |plan, level| {
            Ok(Scratch {
                workspace: Workspace::new(gpu, weights, dims, plan, saved, level)?,
                copies,
                pipeline: gpu.kernels().pipeline(gpu.device(), &copy),
                parameters: gpu.buffer_with("copies' parameters", &vectors, BufferUsages::UNIFORM)?,
                stride,
                side: gpu.capabilities().max_compute_workgroups_per_dimension,
                bound: Mutex::default(),
            })
        };
        let made: Scratch = resident.make(plan, std::slice::from_ref(&copy), make).await?;
        if made.size().endpoints.session_rows().is_some() {
            made.fill_lengths(resident).await?;
        }
        Ok(made)
    }

    /// Gives every row the length T, for all recordings of a session.
    async fn fill_lengths(&self, Resident { gpu, .. }: &Resident) -> Result<(), Error> {
        let CallShape { rows, .. } = self.size();
        let lengths = filled("lengths", rows, self.workspace.plan.steps)?;
        let write = || {
            gpu.queue().write_buffer(self.workspace.own(Bound::Lengths), 0, bytemuck::cast_slice(&lengths));
            Ok(())
        };
        gpu.caught(write).await
    }

    pub(super) fn size(&self) -> CallShape {
        self.workspace.plan.size()
    }

    /// Returns the bind groups with the caller's buffers: those of an earlier call, or new ones.
    pub(super) async fn bindings(
        &self,
        resident: &Resident,
        given: &AllGiven<'_>,
    ) -> Result<Arc<Bindings>, Error> {
        let bound = || self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bindings)) = bound().iter().find(|(key, _)| is_key_of(key, given)) {
            return Ok(Arc::clone(bindings));
        }
        let bind = || Ok(Arc::new(self.bind(resident, given)));
        let made = match resident.gpu.caught(bind).await {
            Ok(made) => made,
            Err(error) => {
                let Fault::Gpu { found } = error.fault() else { return Err(error) };
                return Err(self.refused(resident, given, found.clone()).await);
            }
        };
        let key = given.map(|given| given.map(|Given { buffer, offset, .. }| (buffer.clone(), offset)));
        keep(&mut bound(), KEPT_BINDINGS, (key, Arc::clone(&made)));
        Ok(made)
    }

    /// Returns the error for buffers that wgpu refused to bind together. It names the first one that wgpu
    /// also refuses to bind alone. The earlier checks do not detect a destroyed buffer or a buffer of another
    /// device.
    async fn refused(&self, resident: &Resident, given: &AllGiven<'_>, found: String) -> Error {
        let Resident { gpu, weights, .. } = resident;
        let mut name = "buffers";
        for slot in Slot::ALL {
            let Some(resource) = resource(given, slot) else { continue };
            let resources =
                self.of_a_copy(weights, self.workspace.resource(Bound::Gates, weights, 0), resource);
            let bound = gpu.caught(|| Ok(bind_group(gpu, resources))).await;
            if bound.is_err_and(|error| error.kind() == ErrorKind::Driver) {
                name = slot.name();
                break;
            }
        }
        Error::from(Fault::Buffer {
            name,
            expected: "a buffer of the layer's device that is not destroyed".into(),
            found,
        })
    }

    fn bind(&self, Resident { gpu, weights, .. }: &Resident, given: &AllGiven<'_>) -> Bindings {
        let of_the_caller = |bound| match bound {
            Bound::Sequence(Sequence::Input) if self.workspace.plan.bytes.own_input == 0 => {
                resource(given, Slot::Input)
            }
            Bound::Sequence(Sequence::Output) => resource(given, Slot::Output),
            _ => None,
        };
        let copies = self.copies.iter().map(|copy| {
            let wanted = copy.given == given[copy.slot as usize].is_some();
            wanted.then(|| bind_group(gpu, self.resources(copy, weights, given)))
        });
        Bindings { groups: self.workspace.bind(gpu, weights, of_the_caller), copies: copies.collect() }
    }

    /// Returns the resources at bindings 0 to 9 for a copy: its parameters at 1, the buffer that it writes
    /// at 7, and the buffer that it reads at 9. The layout has the other bindings for the plan's kernels.
    /// They get buffers that no copy writes or reads.
    fn resources<'a>(
        &'a self,
        copy: &Copy,
        weights: &'a [Buffer],
        given: &AllGiven<'a>,
    ) -> [BindingResource<'a>; 10] {
        let own = |bound| self.workspace.resource(bound, weights, 0);
        let (of_the_caller, of_the_layer) = (resource(given, copy.slot), own(copy.own));
        let unread = || own(Bound::Weights(0));
        let caller = of_the_caller.unwrap_or_else(unread);
        match copy.slot.is_written() {
            true => self.of_a_copy(weights, caller, of_the_layer),
            false => self.of_a_copy(weights, of_the_layer, caller),
        }
    }

    /// Returns the resources for a copy that writes one resource and reads another.
    fn of_a_copy<'a>(
        &'a self,
        weights: &'a [Buffer],
        written: BindingResource<'a>,
        read: BindingResource<'a>,
    ) -> [BindingResource<'a>; 10] {
        let own = |bound| self.workspace.resource(bound, weights, 0);
        let unread = || own(Bound::Weights(0));
        let size = NonZeroU64::new(size_of::<Vectors>() as u64);
        [
            own(Bound::Dims(0)),
            BindingResource::Buffer(BufferBinding { buffer: &self.parameters, offset: 0, size }),
            unread(),
            unread(),
            unread(),
            own(Bound::Gates),
            own(Bound::Intermediate),
            written,
            unread(),
            read,
        ]
    }

    /// Records a pass over some rows of a session. `rows` has the row of each slot, as `exchange.wgsl` reads it, and
    /// `from` is the index of the session's state.
    pub(super) fn record_rows(
        &self,
        encoder: &mut CommandEncoder,
        bindings: &Bindings,
        rows: &Buffer,
        from: usize,
    ) {
        encoder.copy_buffer_to_buffer(rows, 0, self.workspace.own(Bound::Rows), 0, rows.size());
        self.record(encoder, bindings, from);
    }

    /// Records the whole pass. `from` is the index of a session's state.
    pub(super) fn record(&self, encoder: &mut CommandEncoder, bindings: &Bindings, from: usize) {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some("wgpu-rnn encode"),
            timestamp_writes: None,
        });
        self.copy(&mut pass, bindings, false);
        self.workspace.dispatch(&mut pass, &bindings.groups, 0..self.workspace.plan.dispatches.len(), from);
        self.copy(&mut pass, bindings, true);
    }

    /// Records the copies to the layer's buffers or, with `back`, the copies from them.
    fn copy(&self, pass: &mut ComputePass<'_>, bindings: &Bindings, back: bool) {
        pass.set_pipeline(&self.pipeline);
        for (index, (copy, group)) in (0..).zip(self.copies.iter().zip(&bindings.copies)) {
            if copy.slot.is_written() == back && group.is_some() {
                pass.set_bind_group(0, group, &[index * self.stride]);
                let [x, y, z] = copy.vectors.grid(self.side);
                pass.dispatch_workgroups(x, y, z);
            }
        }
    }
}

/// Returns one of the caller's buffers, if it was given.
fn resource<'a>(given: &AllGiven<'a>, slot: Slot) -> Option<BindingResource<'a>> {
    given[slot as usize].map(|Given { buffer, offset, bytes }| {
        BindingResource::Buffer(BufferBinding { buffer, offset, size: NonZeroU64::new(bytes) })
    })
}

fn is_key_of(key: &Key, given: &AllGiven<'_>) -> bool {
    key.iter().zip(given).all(|(key, given)| match (key, given) {
        (Some((buffer, offset)), Some(given)) => buffer == given.buffer && *offset == given.offset,
        (None, None) => true,
        _ => false,
    })
}

fn parameters(copies: &[Copy], stride: usize) -> Vec<u8> {
    let mut bytes = vec![0; copies.len() * stride];
    for (copy, place) in copies.iter().zip(bytes.chunks_exact_mut(stride)) {
        place[..size_of::<Vectors>()].copy_from_slice(bytemuck::bytes_of(&copy.vectors));
    }
    bytes
}
