//! One changed shader line must be noticed: each mutation below is run through the comparison that every test of the
//! suite makes, and has to fail it.
//!
//! This lives inside the crate because only here a kernel's text can be replaced. The environment variables are those of
//! `tests/harness.rs`.

mod memory;
mod recording;

use std::env;

use ndarray::{Array3, Ix3};

use super::plan::{BUDGET, Request};
use super::{AdapterChoice, Gpu, GpuLayer, Strategy};
use crate::batch::Batch;
use crate::tolerance::{self, Comparison};
use crate::{Config, Error, Generator, Input, LayerOptions, Output, State, Weights, reference};

/// A piece of shader text and what replaces it.
type Mutation = (&'static str, &'static str);

const MUTATIONS: &[Mutation] = &[
    // activation.wgsl
    ("1.0 - 2.0 / (exp", "1.0 - 2.00002 / (exp"),
    ("-3.33332819422e-1", "-3.3332e-1"),
    ("select(large, -large, x < 0.0)", "large"),
    ("1.0 / (1.0 + exp(-clamp(x", "1.0 / (1.0 + exp(clamp(x"),
    ("return max(x, 0.0);", "return abs(x);"),
    // cell/*.wgsl
    ("if RELU {", "if !RELU {"),
    ("fma(f, previous.c, i * g)", "fma(i, previous.c, f * g)"),
    ("o * act_tanh(c)", "o * c"),
    ("fma(r, sums.z, sums.w)", "fma(r, sums.w, sums.z)"),
    ("fma(z, previous.h, (1.0 - z) * n)", "fma(z, n, (1.0 - z) * previous.h)"),
    // unit.wgsl
    ("return vec4<f32>(0.0, 0.0, start.w, 0.0);", "return vec4<f32>(0.0, 0.0, start.z, 0.0);"),
    ("weights[bias + min(unit + UNITS, last)].x,", "weights[bias + min(unit, last)].x,"),
    ("total.x += gates[at];", "total.x -= gates[at];"),
    ("total.y += gates[at + units];", "total.y += gates[at];"),
    ("total.w = gates[at + 2u * units];", "total.w = gates[at + units];"),
    ("total.w += gates[at + 3u * units];", "total.w += gates[at + 2u * units];"),
    ("cell_state[at] = next.c;", ""),
    ("previous.c = cell_state[at];", ""),
    // bindings.wgsl
    ("(place / across) * ROWS", "place / across"),
    ("+ layer_of(moment.first) - layer_of(index)", ""),
    ("length - 1u - step", "shape.steps - 1u - step"),
    ("reverse && step < length", "false"),
    ("Place(step < length,", "Place(true,"),
    ("upper * shape.upper_layer_weights", "upper * shape.first_layer_weights"),
    ("if moment.diagonal == 0u || ", "if moment.diagonal == 0u && "),
    (
        "((step - moment.chunk) * shape.directions + direction_of(index))",
        "((step - moment.chunk) * shape.directions)",
    ),
    ("* shape.directions + direction_of(index);\n        output", "* shape.directions;\n        output"),
    (
        "shape.directions * shape.hidden_quads, index >= shape.directions",
        "shape.hidden_quads, index >= shape.directions",
    ),
    // product.wgsl
    ("value = quad_of(source, start + first + quad);", "value = quad_of(source, start + quad);"),
    ("fma(a.w, b.w,", "fma(a.w, b.z,"),
    ("(first + block) * columns", "block * columns"),
    ("quad_of(source, start + quad), partial", "quad_of(source, start), partial"),
    ("own = select(own, (*sums)[2], row == 2u);", ""),
    ("select(sums.z, sums.w, each == 3u)", "sums.z"),
    // step.wgsl
    (
        "sums[row] = vec4<f32>(sums[row].xy, b_hn, sums[row].z);",
        "sums[row] = vec4<f32>(sums[row].xy, sums[row].z, b_hn);",
    ),
    ("return hidden_of(index - 1u, row);", "return hidden_of(index, row);"),
    ("(row * shape.steps + place.time) * input_quads(index)", "row * shape.steps * input_quads(index)"),
    (
        "weight_ih + columns * input_quads(index);\n    let bias = weight_hh",
        "weight_ih;\n    let bias = weight_hh",
    ),
    // projection.wgsl
    ("weights_of(index) + layer - columns * quads", "weights_of(index) + layer - columns * (quads - 1u)"),
    // project.wgsl
    ("bias_of(bias, offsets.y)", "bias_of(bias, offsets.x)"),
    ("moment.chunk + row / shape.rows", "row / shape.rows"),
    ("(row / shape.rows) * shape.directions + direction_of(index)", "(row / shape.rows) * shape.directions"),
    // scan.wgsl
    ("states[(i / size) * stride + i % size] = hidden", "states[i] = hidden"),
    ("let next = STATE - now;", "let next = now;"),
    ("let step = moment.step + count;", "let step = count;"),
    ("states[next + at] = h;", "states[next + at] = 0.0;"),
    (
        "states[next + at] = value;\n        write_output(index, batch_row, unit, place.time, value);\n    } else {\n        states[next + at] = states",
        "states[next + at] = 2.0 * value;\n        write_output(index, batch_row, unit, place.time, value);\n    } else {\n        states[next + at] = states",
    ),
    ("base + row * stride + quad", "base + quad"),
];

/// The adapter that the environment asks for; none if it opts out.
fn gpu() -> Option<Gpu> {
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

fn random(generator: &mut Generator, shape: [usize; 3]) -> Array3<f32> {
    generator.uniform(&shape, 1).into_dimensionality().unwrap()
}

/// A layer with states and lengths, and what is expected of it.
struct Case {
    weights: Weights,
    x: Array3<f32>,
    lengths: Vec<usize>,
    h_0: Array3<f32>,
    c_0: Option<Array3<f32>>,
    expected: Output<Ix3, f64>,
    tolerance: Output<Ix3, f64>,
}

impl Case {
    fn new(config: Config, n: usize) -> Result<Self, Error> {
        let t = 5;
        let mut generator = Generator::seeded(3);
        let weights = Weights::draw(config, &mut generator)?;
        let states = config.num_layers * config.directions();
        let x = random(&mut generator, [n, t, config.input_size]);
        let h_0 = random(&mut generator, [states, n, config.hidden_output_size()]);
        let c_0 = random(&mut generator, [states, n, config.hidden_size]);
        let c_0 = config.cell.has_cell_state().then_some(c_0);
        let lengths: Vec<usize> = (0..n).map(|row| (t + 3 * row) % (t + 1)).collect();
        let (input, state) = borrowed(&x, &lengths, &h_0, c_0.as_ref());
        let expected = reference::forward(&weights, &input, &state)?;
        let tolerance = tolerance::forward(&weights, &input, &state)?;
        Ok(Case { weights, x, lengths, h_0, c_0, expected, tolerance })
    }

    fn compare(&self, gpu: &Gpu, strategy: Strategy) -> Result<Comparison, Error> {
        let (input, state) = borrowed(&self.x, &self.lengths, &self.h_0, self.c_0.as_ref());
        // Half of the gates' steps at once, so that time is cut.
        let config = self.weights.config();
        let gates = 4 * self.lengths.len() * config.directions() * config.cell.gates() * config.hidden_size;
        let budget = if config.num_layers == 1 { 2 * gates as u64 + 6000 } else { BUDGET };
        let options = LayerOptions::default().strategy(strategy).budget(budget);
        let layer = GpuLayer::new(gpu, &self.weights, &options)?;
        let found = layer.run(&Batch::new(self.weights.config(), &input, &state)?)?;
        Comparison::new(&found, &self.expected, &self.tolerance)
    }
}

fn borrowed<'a>(
    x: &'a Array3<f32>,
    lengths: &'a [usize],
    h_0: &'a Array3<f32>,
    c_0: Option<&'a Array3<f32>>,
) -> (Input<'a>, State<'a>) {
    let mut state = State::hidden(h_0.view());
    state.c_0 = c_0.map(|c_0| c_0.view());
    (Input::new(x.view()).lengths(lengths), state)
}

/// Configurations and batch sizes that together reach every line of the shaders.
fn configs() -> Vec<(Config, usize)> {
    let cells = [Config::rnn(5, 9), Config::rnn_relu(5, 9), Config::gru(6, 10), Config::lstm(6, 10)];
    let plain = cells.map(|config| (config, 1)).into_iter().chain(cells.map(|config| (config, 3)));
    let stacked = cells
        .into_iter()
        .flat_map(|config| [(config.num_layers(3), 3), (config.num_layers(2).bidirectional(true), 3)]);
    let projected = Config::lstm(7, 9).proj_size(5).num_layers(2);
    let wide = [(Config::rnn(261, 60), 9), (projected, 1), (projected.bidirectional(true), 3)];
    plain.chain(stacked).chain(wide).collect()
}

fn cases() -> Vec<Case> {
    configs().into_iter().map(|(config, n)| Case::new(config, n).unwrap()).collect()
}

/// What of a case comes out wrong with a strategy.
fn failure(case: &Case, gpu: &Gpu, strategy: Strategy) -> Option<String> {
    match case.compare(gpu, strategy) {
        Ok(comparison) if comparison.passes() => None,
        other => Some(format!("{} with {strategy}: {other:?}", case.weights.config())),
    }
}

/// The text of the kernels that a case runs with a strategy.
fn text(config: &Config, rows: usize, strategy: Strategy) -> String {
    let capabilities = &crate::Capabilities::default();
    let parts = &super::plan::parts(config, capabilities).unwrap()[..];
    let request =
        Request { config, parts, rows, steps: 5, capabilities, budget: BUDGET, bounds_checks: false };
    let plan = super::plan::Plan::new(&request, strategy).unwrap();
    plan.variants.iter().map(|(_, variant)| variant.source()).collect()
}

#[test]
fn a_changed_shader_line_is_noticed() {
    let Some(gpu) = gpu() else { return };
    let cases = cases();
    let all = || cases.iter().flat_map(|case| Strategy::ALL.iter().map(move |&strategy| (case, strategy)));
    let wrong: Vec<String> = all().filter_map(|(case, strategy)| failure(case, &gpu, strategy)).collect();
    assert!(wrong.is_empty(), "without a mutation: {wrong:#?}");
    let unnoticed = MUTATIONS.iter().filter(|&&mutation| {
        let mutated = gpu.with_mutation(mutation);
        let touched = all().filter(|(case, strategy)| {
            text(case.weights.config(), case.lengths.len(), *strategy).contains(mutation.0)
        });
        touched.into_iter().all(|(case, strategy)| failure(case, &mutated, strategy).is_none())
    });
    let unnoticed: Vec<_> = unnoticed.collect();
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
}

#[test]
fn bounds_checks_change_nothing() {
    let Some(gpu) = gpu() else { return };
    for (config, n) in configs() {
        let case = Case::new(config, n).unwrap();
        let (input, state) = borrowed(&case.x, &case.lengths, &case.h_0, case.c_0.as_ref());
        let batch = Batch::new(&config, &input, &state).unwrap();
        for &strategy in Strategy::ALL {
            let run = |checks| {
                let options = LayerOptions::default().strategy(strategy).bounds_checks(checks);
                GpuLayer::new(&gpu, &case.weights, &options).unwrap().run(&batch).unwrap()
            };
            assert_eq!(run(true), run(false), "{config} with {strategy}");
        }
    }
}

#[test]
fn every_mutation_changes_a_kernel() {
    let all = configs()
        .into_iter()
        .flat_map(|(config, rows)| Strategy::ALL.iter().map(move |&strategy| text(&config, rows, strategy)));
    let all: String = all.collect();
    for (old, _) in MUTATIONS {
        assert!(all.contains(old), "{old:?} is in no shader");
    }
}
