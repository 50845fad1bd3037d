//! A readable report of a plan, for people and programs.

use std::fmt;

use super::{Bound, CallShape, Dispatch, Endpoints, Pieces, Plan, Request, Strategy, parts};
#[cfg(doc)]
use crate::ErrorKind;
use crate::array::push;
use crate::error::Fault;
use crate::gpu::Capabilities;
use crate::gpu::kernel::{LayerDims, WeightsIn};
use crate::{Config, Error, LayerOptions};

/// A report of all dispatches and buffers of a forward pass on a GPU.
///
/// ```
/// use wgpu_rnn::{Config, LayerOptions, Strategy, inspect::PlanReport, wgpu::Limits};
///
/// let config = Config::lstm(80, 256).num_layers(2);
/// let options = LayerOptions { strategy: Strategy::Scan, ..LayerOptions::default() };
/// let plan = PlanReport::new(&config, 8, 200, &Limits::default(), &options)?; // WebGPU's limits
/// assert_eq!(plan.dispatches.len(), 4); // an input product and a scan for each layer
/// println!("{plan}");
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PlanReport {
    /// The strategy: the requested one, or the planner's choice for [`Strategy::Auto`].
    pub strategy: Strategy,
    /// N, the number of rows that are computed at once. If the batch has more rows, it is divided into
    /// pieces of at most this size.
    pub rows: usize,
    /// The number of pieces that are on the GPU at once. If there are several pieces, two share the budget:
    /// one is uploaded or read back while the GPU computes the other.
    pub in_flight: usize,
    /// T, the number of steps.
    pub steps: usize,
    /// The number of steps whose input products are computed at once; T if none are computed ahead.
    pub chunk: usize,
    /// The time that the cost model expects for the dispatches, in microseconds. It is coarse and serves
    /// only to order the strategies.
    pub expected_us: f64,
    /// The number of submissions of a piece. If there are several chunks, a layer of one direction may use
    /// several submissions. The host then writes the next steps of the input and reads earlier steps of the
    /// output while the GPU computes.
    pub submissions: usize,
    /// The bytes of workspace of all pieces in flight, without weights, input, output and state.
    pub workspace_bytes: u64,
    /// The names and bytes of the buffers of all pieces in flight, including the staging buffers.
    pub buffers: Vec<(&'static str, u64)>,
    /// The dispatches in order. Neighbours that differ only in the step are combined.
    pub dispatches: Vec<DispatchReport>,
}

/// One or more dispatches of the same kernel with the same grid.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DispatchReport {
    /// The kernel's entry point.
    pub kernel: &'static str,
    /// The number of dispatches, each one step later than the one before.
    pub times: usize,
    /// The lowest layer that the dispatch computes.
    pub layer: usize,
    /// The number of directions, of one or more layers. This is the grid's z.
    pub directions: usize,
    /// The first step.
    pub step: usize,
    /// The number of steps that one dispatch computes.
    pub steps: usize,
    /// The number of workgroups along x, y and z.
    pub grid: [u32; 3],
    /// The number of invocations in a workgroup.
    pub invocations: u32,
    /// The number of rows of an invocation.
    pub rows: u32,
    /// The names and values of the kernel's overrides.
    pub overrides: Vec<(&'static str, f64)>,
    /// The buffers at bindings 0, 1, … of bind group 0, with their names in [`PlanReport::buffers`].
    pub bindings: Vec<&'static str>,
    /// The bytes of workgroup memory.
    pub workgroup_bytes: u64,
    /// The minimum number of bytes of weights that one dispatch reads.
    pub weight_bytes: u64,
    /// The bytes of vectors (input, state, gates) that one dispatch reads.
    pub read_bytes: u64,
    /// The bytes of vectors that one dispatch writes.
    pub written_bytes: u64,
}

impl PlanReport {
    /// Plans a forward pass of `rows` rows and `steps` steps for an integrated GPU with these limits and without
    /// subgroups. No GPU is needed. [`Gpu::plan`](crate::Gpu::plan) plans for a device that is open.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the configuration is not valid, [`ErrorKind::Input`] if `steps` is 0,
    /// [`ErrorKind::Device`] if no layer runs on a device with these limits, and [`ErrorKind::TooLarge`] if not
    /// even one row fits the limits; [`ErrorKind::OutOfMemory`].
    pub fn new(
        config: &Config,
        rows: usize,
        steps: usize,
        limits: &wgpu::Limits,
        options: &LayerOptions,
    ) -> Result<Self, Error> {
        PlanReport::of_device(config, rows, steps, &Capabilities::of(limits), options)
    }

    /// Plans a forward pass for a device, like [`PlanReport::new`].
    pub(crate) fn of_device(
        config: &Config,
        rows: usize,
        steps: usize,
        capabilities: &Capabilities,
        options: &LayerOptions,
    ) -> Result<Self, Error> {
        config.validate()?;
        capabilities.check()?;
        if steps == 0 {
            return Err(Error::from(Fault::NoSteps));
        }
        let parts = parts(config, options.precision, capabilities)?;
        let size = CallShape { rows: rows.max(1), steps, budget: options.budget, endpoints: Endpoints::Host };
        let mut request = Request::new(config, options.precision, &parts, capabilities, size);
        request.bounds_checks = options.bounds_checks;
        let pieces = Pieces::of(&request, options.strategy)?;
        (request.rows, request.budget) = (pieces.rows, pieces.budget);
        PlanReport::of(&Plan::new(&request, options.strategy)?, &request, pieces.in_flight)
    }

    /// Describes the plan of a request. `in_flight` is the number of pieces on the GPU at once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::OutOfMemory`].
    pub(in crate::gpu) fn of(plan: &Plan, request: &Request<'_>, in_flight: usize) -> Result<Self, Error> {
        Ok(PlanReport {
            strategy: plan.choice.strategy,
            rows: request.rows,
            in_flight,
            steps: request.steps,
            chunk: plan.bytes.chunk as usize,
            expected_us: plan.expected_us,
            submissions: plan.segments.len(),
            workspace_bytes: in_flight as u64 * plan.bytes.workspace(),
            buffers: buffers(plan, request, in_flight),
            dispatches: dispatches(plan, request)?,
        })
    }

    /// Returns the total number of dispatches.
    fn dispatch_count(&self) -> usize {
        self.dispatches.iter().map(|dispatch| dispatch.times).sum()
    }

    /// Returns the first dispatch of each combination of kernel, overrides and bindings.
    fn kernels(&self) -> impl Iterator<Item = &DispatchReport> {
        let same = |a: &DispatchReport, b: &DispatchReport| {
            a.kernel == b.kernel && a.overrides == b.overrides && a.bindings == b.bindings
        };
        self.dispatches.iter().enumerate().filter_map(move |(place, dispatch)| {
            let before = &self.dispatches[..place];
            (!before.iter().any(|earlier| same(earlier, dispatch))).then_some(dispatch)
        })
    }

    /// Returns the total bytes of all buffers.
    pub fn bytes(&self) -> u64 {
        self.buffers.iter().map(|(_, bytes)| bytes).sum()
    }
}

fn buffers(plan: &Plan, request: &Request<'_>, in_flight: usize) -> Vec<(&'static str, u64)> {
    let weights = request.parts.iter().map(|part| part.bytes).sum();
    let others = [
        (Bound::Parameters.name(), plan.bytes.params),
        (Bound::Dims(0).name(), (size_of::<LayerDims>() * request.parts.len()) as u64),
        ("upload", plan.bytes.upload),
        ("download", plan.bytes.download),
    ];
    let made = plan.bytes.buffers().map(|(bound, bytes)| (bound.name(), bytes)).chain(others);
    let made: Vec<_> = made.filter(|(_, bytes)| *bytes > 0).collect();
    // Buffers that alternate have the same name.
    let named = made.chunk_by(|(a, _), (b, _)| a == b).map(|same| {
        let bytes: u64 = same.iter().map(|(_, bytes)| bytes).sum();
        (same[0].0, in_flight as u64 * bytes)
    });
    [(Bound::Weights(0).name(), weights)].into_iter().chain(named).collect()
}

fn dispatches(plan: &Plan, request: &Request<'_>) -> Result<Vec<DispatchReport>, Error> {
    let mut reports: Vec<DispatchReport> = Vec::new();
    let stages = &plan.choice.stages;
    // If steps have a second product, a dispatch may continue the last report or the one before it.
    let back = plan.choice.paced(false).count().max(1);
    for dispatch in plan.dispatches.iter().filter(|dispatch| dispatch.kernel < stages.len()) {
        let report = report(plan, request, dispatch);
        let near = reports.len().saturating_sub(back);
        match reports[near..].iter_mut().find(|before| before.goes_on(&report)) {
            Some(before) => before.times += 1,
            None => push("the report of a plan", &mut reports, report)?,
        }
    }
    Ok(reports)
}

impl DispatchReport {
    /// Returns whether `next` is the same dispatch one step later.
    fn goes_on(&self, next: &DispatchReport) -> bool {
        let expected = self.step + self.times * self.steps;
        next.steps == 1
            && *self == DispatchReport { times: self.times, step: self.step, ..next.clone() }
            && next.step == expected
    }
}

fn report(plan: &Plan, request: &Request<'_>, dispatch: &Dispatch) -> DispatchReport {
    let d = request.config.directions();
    let (stage, kernel) = (&plan.choice.stages[dispatch.kernel], &plan.kernels[dispatch.kernel]);
    let (first, directions) = (dispatch.params.first as usize, dispatch.grid[2] as usize);
    let (rows, steps) = (request.rows as u64, dispatch.params.count as usize);
    // Weights that are kept on chip are read once.
    let readings = if stage.loops() && stage.tiling.weights == WeightsIn::Buffer { steps } else { 1 };
    let sum = |of_layer: &dyn Fn(usize) -> usize| -> u64 {
        (first..first + directions).map(|index| of_layer(index / d) as u64).sum()
    };
    let bound = &plan.bindings[dispatch.bindings];
    let part = bound.iter().find_map(|bound| match bound {
        Bound::Weights(part) => Some(&request.parts[*part]),
        _ => None,
    });
    let share = |whole| part.map_or(whole, |part| part.share(request.config, whole));
    let weight_bytes = sum(&|layer| request.precision.quad_bytes() * readings * stage.weight_quads(layer));
    let written_bytes = 4 * rows * sum(&|layer| stage.floats(&stage.writes, layer, steps));
    DispatchReport {
        kernel: kernel.entry_point,
        times: 1,
        layer: first / d,
        directions,
        step: dispatch.params.step as usize,
        steps,
        grid: dispatch.grid,
        invocations: kernel.tiling.units,
        rows: kernel.tiling.rows,
        overrides: kernel.overrides(),
        bindings: bound.map(Bound::name).to_vec(),
        workgroup_bytes: kernel.workgroup_bytes,
        weight_bytes: share(weight_bytes),
        read_bytes: 4 * rows * sum(&|layer| stage.floats(&stage.reads, layer, steps)),
        written_bytes: share(written_bytes),
    }
}

/// Formats a count with its noun, such as `1 piece` or `2 pieces`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Writes a line for the plan, then a table of its dispatches, its kernels and its buffers.
impl fmt::Display for PlanReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "strategy {}, {} rows at once, {} in flight, {} steps in chunks of {}: {} dispatches in {}, about {:.0} us",
            self.strategy,
            self.rows,
            counted(self.in_flight, "piece"),
            self.steps,
            self.chunk,
            self.dispatch_count(),
            counted(self.submissions, "submission"),
            self.expected_us
        )?;
        writeln!(
            f,
            "{:>7}  {:<10}  {:>5}  {:>10}  {:>6}  {:>6}  {:>16}  {:>9}  {:>9}  {:>9}  {:>9}  {:>9}",
            "times",
            "kernel",
            "layer",
            "directions",
            "step",
            "steps",
            "grid",
            "workgroup",
            "memory",
            "weights",
            "read",
            "written"
        )?;
        for dispatch in &self.dispatches {
            let [x, y, z] = dispatch.grid;
            writeln!(
                f,
                "{:>7}  {:<10}  {:>5}  {:>10}  {:>6}  {:>6}  {:>16}  {:>9}  {:>9}  {:>9}  {:>9}  {:>9}",
                dispatch.times,
                dispatch.kernel,
                dispatch.layer,
                dispatch.directions,
                dispatch.step,
                dispatch.steps,
                format!("{x} x {y} x {z}"),
                format!("{} x {}", dispatch.invocations, dispatch.rows),
                dispatch.workgroup_bytes,
                dispatch.weight_bytes,
                dispatch.read_bytes,
                dispatch.written_bytes,
            )?;
        }
        for dispatch in self.kernels() {
            let overrides: Vec<_> =
                dispatch.overrides.iter().map(|(name, value)| format!("{name}={value}")).collect();
            writeln!(f, "{} with {}", dispatch.kernel, overrides.join(" "))?;
            writeln!(f, "    binds {}", dispatch.bindings.join(", "))?;
        }
        for (name, bytes) in &self.buffers {
            writeln!(f, "{bytes:>12} bytes of {name}")?;
        }
        writeln!(f, "{:>12} bytes of workspace, {} in all", self.workspace_bytes, self.bytes())
    }
}
