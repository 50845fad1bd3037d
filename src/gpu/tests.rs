//! Mutation tests of the shaders. Each mutation of `mutations` changes a piece of a shader's text, and must fail the
//! comparison that every test of the suite makes.
//!
//! These tests are inside the crate because a kernel's text can be replaced only here. The environment
//! variables are those of `tests/harness.rs`.

mod encode;
mod faults;
mod memory;
mod mutations;
mod recording;
mod session;

use std::env;

use ndarray::{Array3, Ix3};

use super::kernel::{KernelSpec, WeightsIn};
use super::plan::{CallShape, Endpoints, Plan, Request, parts};
use super::tune::Tuner;
use super::{Gpu, GpuLayer};
use crate::batch::Batch;
use crate::options::BUDGET;
use crate::tolerance::{self, Comparison};
use crate::{
    Activation, AdapterChoice, Config, Error, Generator, Input, LayerOptions, Output, Precision, State,
    Strategy, Weights, gpu::Capabilities, reference,
};
use mutations::{MUTATIONS, Mutation};

/// Returns the adapter that the environment variables choose; `None` if they turn GPU tests off.
pub(crate) fn gpu() -> Option<Gpu> {
    if env::var("WGPU_RNN_TEST_NO_GPU").is_ok_and(|value| value == "1") {
        return None;
    }
    let wanted = env::var("WGPU_RNN_TEST_ADAPTER").ok().filter(|wanted| !wanted.is_empty());
    let choice = match wanted {
        Some(wanted) => wanted.parse().map_or(AdapterChoice::Name(wanted), AdapterChoice::Index),
        None => AdapterChoice::Best,
    };
    Some(
        Gpu::new(&choice)
            .unwrap_or_else(|error| panic!("{error}; WGPU_RNN_TEST_NO_GPU=1 leaves the GPU out")),
    )
}

pub(super) fn random(generator: &mut Generator, shape: [usize; 3]) -> Array3<f32> {
    generator.uniform("values", &shape, 1).unwrap().into_dimensionality().unwrap()
}

/// A layer with its input, states and lengths, and the expected result.
struct Case {
    weights: Weights,
    precision: Precision,
    x: Array3<f32>,
    lengths: Vec<usize>,
    h_0: Array3<f32>,
    c_0: Option<Array3<f32>>,
    expected: Output<Ix3, f64>,
    tolerance: Output<Ix3, f64>,
}

impl Case {
    fn new((config, n, precision): Work) -> Result<Self, Error> {
        let t = 5;
        let mut generator = Generator::seeded(3);
        let weights = Weights::draw(config, &mut generator)?;
        let states = config.num_layers * config.directions();
        let x = random(&mut generator, [n, t, config.input_size]);
        let h_0 = random(&mut generator, [states, n, config.hidden_output_size()]);
        let c_0 = random(&mut generator, [states, n, config.hidden_size]);
        let c_0 = config.cell.has_cell_state().then_some(c_0);
        let lengths: Vec<usize> = (0..n).map(|row| (t + 3 * row) % (t + 1)).collect();
        let input = borrowed(&x, &lengths, &h_0, c_0.as_ref());
        // The expected result is that of the rounded weights, since the kernels do not round them.
        let rounded = precision.round(&weights)?;
        let expected = reference::forward(&rounded, &input)?;
        let tolerance = tolerance::forward(&rounded, Precision::F32, &input)?;
        Ok(Case { weights: rounded.into_owned(), precision, x, lengths, h_0, c_0, expected, tolerance })
    }

    fn work(&self) -> Work {
        (*self.weights.config(), self.lengths.len(), self.precision)
    }

    fn compare(&self, device: &TestDevice, strategy: Strategy) -> Result<Comparison, Error> {
        let input = borrowed(&self.x, &self.lengths, &self.h_0, self.c_0.as_ref());
        // The budget holds the gates of about half of the steps, so that time is split into chunks.
        let config = self.weights.config();
        let gates = 4 * self.lengths.len() * config.directions() * config.cell.gates() * config.hidden_size;
        let budget = if config.num_layers == 1 { 2 * gates as u64 + 6000 } else { BUDGET };
        let options = LayerOptions { strategy, precision: self.precision, budget, ..LayerOptions::default() };
        let mut layer = GpuLayer::new(&device.gpu, &self.weights, &options)?;
        if !device.plans.are_planned() {
            let size = CallShape { budget, ..size(self.lengths.len(), self.x.dim().1) };
            let plan = device.plans.of(&layer.0.request(size), strategy)?;
            layer = GpuLayer::of(layer.0.like(Tuner::with(size, plan.choice)));
        }
        let found = layer.run(&Batch::new(self.weights.config(), &input)?)?;
        Comparison::new(&found, &self.expected, &self.tolerance)
    }
}

/// A device, and the plans that it takes.
struct TestDevice {
    gpu: Gpu,
    plans: Plans,
}

/// The plans that are tested.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plans {
    /// Those of the planner.
    Planned,
    /// Those with the most kernels that have weights in registers.
    InRegisters,
    /// The plans of `scan` for hardware, in which several invocations share the terms of an item.
    InParts,
    /// The plans for hardware with the most kernels whose invocations each compute blocks of an item.
    InBlocks,
    /// Those whose steps sum the input apart, in blocks if there are any.
    Apart,
    /// Those whose kernels compute the most rows at once, in tiles if there are any.
    ManyRows,
    /// Those of the planner for a device that binds [`LITTLE`] bytes, fewer than the weights of a direction have.
    Divided,
}

/// The bytes that the device of [`Plans::Divided`] binds at once.
const LITTLE: u64 = 2000;

impl Plans {
    /// Returns whether the planner's choice is taken.
    fn are_planned(self) -> bool {
        matches!(self, Plans::Planned | Plans::Divided)
    }

    /// Returns whether a strategy has such plans for a layer.
    fn has(self, config: &Config, strategy: Strategy) -> bool {
        match self {
            Plans::InParts => strategy == Strategy::Scan,
            Plans::InBlocks => strategy != Strategy::Scan,
            Plans::Apart => strategy == Strategy::HoistedStep,
            // A projection's weights cannot be divided, and an input vector of many elements has no place.
            Plans::Divided => {
                strategy == Strategy::Step && config.proj_size == 0 && [10, 20].contains(&config.hidden_size)
            }
            Plans::Planned | Plans::InRegisters | Plans::ManyRows => true,
        }
    }

    fn of(self, request: &Request<'_>, strategy: Strategy) -> Result<Plan, Error> {
        let count =
            |plan: &Plan, weights| plan.choice.tilings().filter(|tiling| tiling.weights == weights).count();
        let value = |plan: &Plan| match self {
            Plans::Planned | Plans::Divided => 0,
            Plans::InRegisters => count(plan, WeightsIn::Registers),
            Plans::InParts => count(plan, WeightsIn::Parts),
            Plans::InBlocks => count(plan, WeightsIn::Blocks),
            Plans::Apart => {
                let apart = plan.kernels.iter().any(|kernel| kernel.name.contains("apart"));
                2 * usize::from(apart) + count(plan, WeightsIn::Blocks)
            }
            Plans::ManyRows => plan.choice.tilings().map(|tiling| tiling.rows_of_workgroup() as usize).sum(),
        };
        let all = if self.are_planned() { Vec::new() } else { Plan::all(request, strategy) };
        all.into_iter().max_by_key(value).map_or_else(|| Plan::new(request, strategy), Ok)
    }
}

fn borrowed<'a>(
    x: &'a Array3<f32>,
    lengths: &'a [usize],
    h_0: &'a Array3<f32>,
    c_0: Option<&'a Array3<f32>>,
) -> Input<'a> {
    let mut state = State::from(h_0.view());
    state.c_0 = c_0.map(|c_0| c_0.view().into());
    Input::new(x).lengths(lengths).state(state)
}

/// Returns the shape of a call with N rows, T steps and the default budget.
pub(super) fn size(rows: usize, steps: usize) -> CallShape {
    CallShape { rows, steps, budget: BUDGET, endpoints: Endpoints::Host }
}

/// A configuration, N and a precision.
type Work = (Config, usize, Precision);

/// Returns work that together reaches every line of the shaders.
pub(super) fn works() -> Vec<Work> {
    let cells = [Config::rnn(5, 9), Config::rnn_relu(5, 9), Config::gru(6, 10), Config::lstm(6, 10)];
    let plain = cells.map(|config| (config, 1)).into_iter().chain(cells.map(|config| (config, 3)));
    let stacked = cells
        .into_iter()
        .flat_map(|config| [(config.num_layers(3), 3), (config.num_layers(2).bidirectional(true), 3)]);
    let projected = Config::lstm(7, 9).proj_size(5).num_layers(2);
    let wide = [
        (Config::rnn(261, 60), 9),
        // More than a tile of columns, and half of one of rows.
        (Config::gru(37, 45), 9),
        (Config::gru(18, 20), 1),
        // More than a tile of a step's rows and of its units, on a diagonal, and half of a tile of rows.
        (Config::lstm(20, 19).num_layers(2), 35),
        (Config::gru(6, 18).reset_after(false), 17),
        (Config::gru(6, 18), 17),
        // Second products with more columns than a workgroup has, and more than a block of terms.
        (Config::lstm(6, 70).proj_size(66), 2),
        // More blocks than are computed at a time.
        (Config::lstm(6, 270).proj_size(5), 1),
        (Config::gru(6, 70).reset_after(false), 2),
        // Layers on a diagonal, with more than a block in each product.
        (Config::lstm(6, 20).num_layers(2), 3),
        (Config::gru(6, 20).num_layers(2), 3),
        (projected, 1),
        (projected.bidirectional(true), 3),
    ];
    let resets = Config::gru(6, 10).reset_after(false);
    let resets_before = [(resets, 1), (resets.num_layers(2).bidirectional(true), 3)];
    let all =
        plain.chain(stacked).chain(wide).chain(resets_before).map(|(config, n)| (config, n, Precision::F32));
    let (hard, scaled) =
        (Activation::HardSigmoid { alpha: 0.4, beta: 0.5 }, Activation::ScaledTanh { alpha: 1.2, beta: 0.7 });
    let elu = Activation::Elu { alpha: 0.7 };
    let (leaky, threshold) =
        (Activation::LeakyRelu { alpha: 0.2 }, Activation::ThresholdedRelu { alpha: 0.05 });
    let affine = Activation::Affine { alpha: 0.6, beta: 0.2 };
    let (lstm, gru) = (Config::lstm(6, 10), Config::gru(6, 10));
    let variants = [
        Config { peepholes: true, ..lstm }.bidirectional(true).activations([
            [hard, scaled, elu],
            [Activation::Sigmoid, Activation::Softsign, Activation::Softplus],
        ]),
        Config { input_forget: true, ..lstm }.reverse(true),
        Config { clip: Some(0.2), ..gru }
            .bidirectional(true)
            .activations([[hard, leaky, leaky], [Activation::Sigmoid, affine, affine]]),
        Config::rnn(5, 9)
            .bidirectional(true)
            .activations([[threshold, elu, elu], [Activation::Softsign, elu, elu]]),
    ];
    let variants = variants.map(|config| (config, 3, Precision::F32));
    // The last one has two blocks in each invocation that shares its units.
    let halves = cells
        .into_iter()
        .chain([projected, resets, Config::gru(6, 70)])
        .map(|config| (config, 3, Precision::F16));
    all.chain(variants).chain(halves).collect()
}

fn cases() -> Vec<Case> {
    works().into_iter().map(|work| Case::new(work).unwrap()).collect()
}

/// Returns a description of what is wrong in a case with a strategy, if anything is.
fn failure(case: &Case, device: &TestDevice, strategy: Strategy) -> Option<String> {
    match case.compare(device, strategy) {
        Ok(comparison) if comparison.passes() => None,
        other => Some(format!("{} with {strategy}: {other:?}", case.weights.config())),
    }
}

/// Returns the text of the kernels that the work uses with a strategy.
fn text(work: &Work, strategy: Strategy, capabilities: &Capabilities, plans: Plans) -> String {
    let &(ref config, rows, precision) = work;
    let parts = &parts(config, precision, capabilities).unwrap()[..];
    let request = Request { precision, ..Request::usual(config, parts, rows, 5, capabilities) };
    plans.of(&request, strategy).unwrap().kernels.iter().map(KernelSpec::source).collect()
}

#[test]
fn a_changed_shader_line_is_noticed() {
    let Some(gpu) = gpu() else { return };
    // Without subgroups, rows share vectors in another way. If the adapter is planned for as hardware,
    // small layers keep their weights on chip.
    let hardware = gpu.with_capabilities(|capabilities| capabilities.software = false);
    let without_subgroups = gpu.with_capabilities(|capabilities| capabilities.subgroup_size = 0);
    let divided = gpu.with_capabilities(|capabilities| capabilities.max_storage_buffer_binding_size = LITTLE);
    let devices = [
        (gpu.clone(), Plans::Planned),
        (divided.with_capabilities(|capabilities| capabilities.software = false), Plans::Divided),
        (divided, Plans::Divided),
        (without_subgroups, Plans::Planned),
        (hardware.clone(), Plans::ManyRows),
        (hardware.clone(), Plans::InBlocks),
        (hardware.clone(), Plans::Apart),
        (gpu.clone(), Plans::Apart),
        (hardware, Plans::InParts),
        (gpu, Plans::InRegisters),
    ]
    .map(|(gpu, plans)| TestDevice { gpu, plans });
    let cases = cases();
    let all = |&TestDevice { plans, .. }: &TestDevice| {
        let of_case = |case| Strategy::ALL.iter().map(move |&strategy| (case, strategy));
        cases
            .iter()
            .flat_map(of_case)
            .filter(move |(case, strategy)| plans.has(case.weights.config(), *strategy))
    };
    for device in &devices {
        let wrong: Vec<_> =
            all(device).filter_map(|(case, strategy)| failure(case, device, strategy)).collect();
        assert!(wrong.is_empty(), "without a mutation: {wrong:#?}");
    }
    // Each try compiles kernels. So what noticed a mutation is tried first with the next one, which mostly
    // changes the same file.
    let mut order: Vec<_> = (0..devices.len())
        .flat_map(|device| all(&devices[device]).map(move |(case, strategy)| (device, case, strategy)))
        .map(|(device, case, strategy)| {
            let TestDevice { gpu, plans } = &devices[device];
            (device, case, strategy, text(&case.work(), strategy, gpu.capabilities(), *plans))
        })
        .collect();
    let (mut unnoticed, mut tried) = (Vec::new(), 0);
    for mutation in MUTATIONS {
        let mutated = devices
            .each_ref()
            .map(|TestDevice { gpu, plans }| TestDevice { gpu: gpu.with_mutation(*mutation), plans: *plans });
        let touched: Vec<usize> =
            (0..order.len()).filter(|&place| order[place].3.contains(mutation.0)).collect();
        if touched.is_empty() {
            // This adapter does not run the kernel.
            continue;
        }
        tried += 1;
        let noticed = touched.into_iter().find(|&place| {
            let (device, case, strategy, _) = &order[place];
            failure(case, &mutated[*device], *strategy).is_some()
        });
        match noticed {
            Some(place) => order[..=place].rotate_right(1),
            None => unnoticed.push(mutation),
        }
    }
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
    assert!(tried > MUTATIONS.len() / 2, "{tried} of {}", MUTATIONS.len());
}

#[test]
fn bounds_checks_change_nothing() {
    let Some(gpu) = gpu() else { return };
    for work in works() {
        let case = Case::new(work).unwrap();
        let (config, ..) = work;
        let input = borrowed(&case.x, &case.lengths, &case.h_0, case.c_0.as_ref());
        let batch = Batch::new(&config, &input).unwrap();
        for &strategy in Strategy::ALL {
            let run = |checks| {
                let options = LayerOptions { strategy, precision: case.precision, ..LayerOptions::default() };
                let options = LayerOptions { bounds_checks: checks, ..options };
                GpuLayer::new(&gpu, &case.weights, &options).unwrap().run(&batch).unwrap()
            };
            assert_eq!(run(true), run(false), "{config} with {strategy}");
        }
    }
}

#[test]
fn every_mutation_changes_a_kernel() {
    let with = |software, subgroup_size| Capabilities { software, subgroup_size, ..Capabilities::default() };
    let devices = [
        (with(false, 0), Plans::ManyRows),
        (with(false, 0), Plans::InParts),
        (with(false, 0), Plans::InBlocks),
        (with(false, 0), Plans::Apart),
        (with(true, 0), Plans::Apart),
        (with(true, 0), Plans::Planned),
        (with(true, 8), Plans::Planned),
        (with(true, 8), Plans::InRegisters),
    ];
    let mut all = String::new();
    for work in &works() {
        for &strategy in Strategy::ALL {
            devices.iter().for_each(|(device, plans)| {
                all.push_str(&text(work, strategy, device, *plans));
            });
        }
    }
    for (old, _) in MUTATIONS {
        assert!(all.contains(old), "{old:?} is in no shader");
    }
}
