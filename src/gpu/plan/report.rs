//! A plan for people and programs to read.

use std::fmt;

use super::{Dispatch, Endpoints, First, Kind, Pieces, Plan, Request, Second, Strategy, parts};
use crate::gpu::{Capabilities, pack};
use crate::{Config, Error, LayerOptions};

/// What a forward pass does on a GPU: every dispatch and every buffer.
///
/// ```
/// use wgpu_rnn::{Capabilities, Config, LayerOptions, PlanReport, Strategy};
///
/// let config = Config::lstm(80, 256).num_layers(2);
/// let options = LayerOptions::default().strategy(Strategy::Scan);
/// let plan = PlanReport::new(&config, 8, 200, &Capabilities::default(), &options)?;
/// assert_eq!(plan.dispatch_count(), 4); // an input product and a scan for each layer
/// println!("{plan}");
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PlanReport {
    /// The strategy: the one asked for, or the planner's choice.
    pub strategy: Strategy,
    /// N, as many rows as go at once; the batch goes in pieces of these if that is less.
    pub rows: usize,
    /// Pieces that are on the GPU at once: two share the budget where there are several, so that one is uploaded or read
    /// back while the GPU computes the other.
    pub in_flight: usize,
    /// T.
    pub steps: usize,
    /// Steps whose input products are computed at once; T where none are computed ahead.
    pub chunk: usize,
    /// What the cost model expects of the dispatches, in microseconds. Coarse: it only orders the strategies.
    pub expected_us: f64,
    /// Submissions of a piece. Where time goes in several chunks, a layer of one direction takes several, so that the
    /// next steps of the input are written and the last ones of the output read while the GPU computes.
    pub submissions: usize,
    /// Bytes beyond weights, input, output and state, of all pieces in flight.
    pub workspace_bytes: u64,
    /// Name and bytes of the buffers on the GPU, those of the host's side included, of all pieces in flight.
    pub buffers: Vec<(&'static str, u64)>,
    /// The dispatches in order; neighbours that differ in the step alone stand together.
    pub dispatches: Vec<DispatchReport>,
}

/// Dispatches of one kernel with one grid.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DispatchReport {
    /// The kernel's entry point.
    pub kernel: &'static str,
    /// Times that it is dispatched in a row, a step later each time.
    pub times: usize,
    /// The lowest layer that takes part, and how many layers' directions do.
    pub layer: usize,
    /// Directions, of one or more layers: the grid's z.
    pub directions: usize,
    /// The first step.
    pub step: usize,
    /// Steps that one dispatch does.
    pub steps: usize,
    /// Workgroups along x, y and z.
    pub grid: [u32; 3],
    /// Invocations of a workgroup.
    pub invocations: u32,
    /// Rows of an invocation.
    pub rows: u32,
    /// Names and values of the kernel's overrides.
    pub overrides: Vec<(&'static str, f64)>,
    /// The buffers at bindings 0, 1, … of bind group 0, as [`PlanReport::buffers`] names them.
    pub bindings: Vec<&'static str>,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u64,
    /// Bytes of weights that one dispatch reads, at least.
    pub weight_bytes: u64,
    /// Bytes of vectors (input, state, gates) that one dispatch reads, and of those that it writes.
    pub read_bytes: u64,
    /// See `read_bytes`.
    pub written_bytes: u64,
}

impl PlanReport {
    /// Plans a forward pass of `rows` rows and `steps` steps. No GPU is needed.
    ///
    /// # Errors
    ///
    /// [`Error::Config`], [`Error::NoSteps`]; [`Error::TooLarge`] if not even one row fits the limits.
    pub fn new(
        config: &Config,
        rows: usize,
        steps: usize,
        capabilities: &Capabilities,
        options: &LayerOptions,
    ) -> Result<Self, Error> {
        config.validate()?;
        if steps == 0 {
            return Err(Error::NoSteps);
        }
        let parts = parts(config, options.precision, capabilities)?;
        let mut request = Request {
            config,
            precision: options.precision,
            parts: &parts,
            rows: rows.max(1),
            steps,
            capabilities,
            budget: options.budget,
            bounds_checks: options.bounds_checks,
            endpoints: Endpoints::Host,
        };
        let pieces = Pieces::of(&request, options.strategy)?;
        (request.rows, request.budget) = (pieces.rows, pieces.budget);
        Ok(PlanReport::of(&Plan::new(&request, options.strategy)?, &request, pieces.in_flight))
    }

    /// Describes a plan that was made for that request, of which so many are in flight.
    pub(in crate::gpu) fn of(plan: &Plan, request: &Request<'_>, in_flight: usize) -> Self {
        PlanReport {
            strategy: plan.strategy,
            rows: request.rows,
            in_flight,
            steps: request.steps,
            chunk: plan.bytes.chunk as usize,
            expected_us: plan.expected_us,
            submissions: plan.segments.len(),
            workspace_bytes: in_flight as u64 * plan.bytes.workspace(),
            buffers: buffers(plan, request, in_flight),
            dispatches: dispatches(plan, request),
        }
    }

    /// Dispatches in all.
    pub fn dispatch_count(&self) -> usize {
        self.dispatches.iter().map(|dispatch| dispatch.times).sum()
    }

    /// The first dispatch of each kernel with its bindings.
    fn kernels(&self) -> impl Iterator<Item = &DispatchReport> {
        let same = |a: &DispatchReport, b: &DispatchReport| {
            a.kernel == b.kernel && a.overrides == b.overrides && a.bindings == b.bindings
        };
        self.dispatches.iter().enumerate().filter_map(move |(place, dispatch)| {
            let before = &self.dispatches[..place];
            (!before.iter().any(|earlier| same(earlier, dispatch))).then_some(dispatch)
        })
    }

    /// Bytes of all buffers.
    pub fn bytes(&self) -> u64 {
        self.buffers.iter().map(|(_, bytes)| bytes).sum()
    }
}

fn buffers(plan: &Plan, request: &Request<'_>, in_flight: usize) -> Vec<(&'static str, u64)> {
    let weights = request.parts.iter().map(|part| part.bytes).sum();
    let of_a_piece = plan.bytes.buffers(request.parts.len()).into_iter();
    let in_flight = of_a_piece.map(|(name, bytes)| (name, in_flight as u64 * bytes));
    let all = [("weights", weights)].into_iter().chain(in_flight);
    all.filter(|(_, bytes)| *bytes > 0).collect()
}

fn dispatches(plan: &Plan, request: &Request<'_>) -> Vec<DispatchReport> {
    let mut reports: Vec<DispatchReport> = Vec::new();
    // A second product stands between two steps: what repeats is the kernel before last, too.
    for dispatch in
        plan.dispatches.iter().filter(|dispatch| !request.endpoints.kernels().contains(&dispatch.kind))
    {
        let report = report(plan, request, dispatch);
        let back = if Second::of(request.config).is_some() { 2 } else { 1 };
        let near = reports.len().saturating_sub(back);
        match reports[near..].iter_mut().find(|before| before.goes_on(&report)) {
            Some(before) => before.times += 1,
            None => reports.push(report),
        }
    }
    reports
}

impl DispatchReport {
    /// Whether `next` is the same a step later.
    fn goes_on(&self, next: &DispatchReport) -> bool {
        let expected = self.step + self.times * self.steps;
        next.steps == 1
            && *self == DispatchReport { times: self.times, step: self.step, ..next.clone() }
            && next.step == expected
    }
}

fn report(plan: &Plan, request: &Request<'_>, dispatch: &Dispatch) -> DispatchReport {
    let config = request.config;
    let (d, second) = (config.directions(), Second::of(config));
    let (first, directions) = (dispatch.params.first as usize, dispatch.grid[2] as usize);
    let variant = plan.variant(dispatch.kind);
    let (rows, steps) = (request.rows as u64, u64::from(dispatch.params.count));
    let (h, h_out) = (config.hidden_size as u64, config.hidden_output_size() as u64);
    let gates = config.cell.gates() as u64 * h;
    let hoisted = plan.strategy.is_hoisted();
    let recurrent_gates = First::of(config, plan.strategy).gates as u64;
    let state = h_out + if config.cell.has_cell_state() { h } else { 0 };
    let quad_bytes = request.precision.quad_bytes() as u64;
    let mut sums = [0; 3];
    for index in first..first + directions {
        let quads = pack::input_quads(config, index / d) as u64;
        let of_hidden = quad_bytes * recurrent_gates * h * h_out.div_ceil(4);
        let of_second = quad_bytes * second.map_or(0, |second| second.weights(config) as u64);
        let inputs = 16 * quads;
        let of_input = quad_bytes * gates * quads;
        let (weights, read, written) = match dispatch.kind {
            Kind::InputProduct => (of_input, steps * inputs, steps * 4 * gates),
            Kind::Step if hoisted => (of_hidden, 4 * (gates + state), 4 * (state + h_out)),
            Kind::Step => (of_input + of_hidden, inputs + 4 * state, 4 * (state + h_out)),
            Kind::Projection => (of_second, 4 * h, 8 * h_out),
            Kind::Candidate => (of_second, 4 * 4 * h, 8 * h),
            Kind::Scan => {
                // Weights kept on chip are read once.
                let times = if variant.is_some_and(|variant| variant.tiling().on_chip) { 1 } else { steps };
                ((of_hidden + of_second) * times, 4 * (steps * (gates + h) + h_out), 4 * steps * (h + h_out))
            }
            Kind::Gather | Kind::Scatter => (0, 4 * state, 4 * state),
        };
        sums = [sums[0] + weights, sums[1] + rows * read, sums[2] + rows * written];
    }
    let [weight_bytes, read_bytes, written_bytes] = sums;
    DispatchReport {
        kernel: variant.map_or("", |variant| variant.entry_point()),
        times: 1,
        layer: first / d,
        directions,
        step: dispatch.params.step as usize,
        steps: dispatch.params.count as usize,
        grid: dispatch.grid,
        invocations: variant.map_or(0, |variant| variant.tiling().units),
        rows: variant.map_or(0, |variant| variant.tiling().rows),
        overrides: variant.map_or_else(Vec::new, |variant| variant.overrides()),
        bindings: dispatch.bindings(second.is_some(), 0).map(|bound| bound.name()).to_vec(),
        workgroup_bytes: variant.map_or(0, |variant| variant.workgroup_bytes()),
        weight_bytes,
        read_bytes,
        written_bytes,
    }
}

/// `1 piece`, `2 pieces`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A line for the plan, then its dispatches as a table, its kernels and its buffers.
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
