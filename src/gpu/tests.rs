//! One changed shader line must be noticed: each mutation below is run through the comparison that every test of the
//! suite makes, and has to fail it.
//!
//! This lives inside the crate because only here a kernel's text can be replaced. The environment variables are those of
//! `tests/harness.rs`.

use std::env;

use ndarray::{Array3, Ix3};

use super::{AdapterChoice, Gpu, GpuLayer, Strategy};
use crate::batch::Batch;
use crate::tolerance::{self, Comparison};
use crate::{Config, Error, Generator, Input, Output, State, Weights, reference};

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
    ("fma(r, sums.w, sums.z)", "fma(r, sums.z, sums.w)"),
    ("fma(z, previous.h, (1.0 - z) * n)", "fma(z, n, (1.0 - z) * previous.h)"),
    // bindings.wgsl
    ("(place / across) * ROWS", "place / across"),
    ("+ layer_of(moment.first) - layer_of(index)", ""),
    ("length - 1u - step", "shape.steps - 1u - step"),
    ("reverse && step < length", "false"),
    ("Place(step < length,", "Place(true,"),
    ("upper * shape.upper_layer_weights", "upper * shape.first_layer_weights"),
    ("return shape.directions == 2u || ", "return shape.directions == 2u && "),
    ("next_hidden[at] = hidden[at];", "next_hidden[at] = 0.0;"),
    (
        "write_output(index, row, unit, step_of(index), 0.0);",
        "write_output(index, row, unit, step_of(index), 1.0);",
    ),
    ("+ index % shape.directions;", ";"),
    // product.wgsl
    ("if k >= size {", "if k + 1u >= size {"),
    ("let k = 4u * (first + quad);", "let k = 4u * quad;"),
    ("fma(a.w, b.w,", "fma(a.w, b.z,"),
    ("(first + block) * GATES", "block * GATES"),
    ("min(block + BLOCK, count)", "min(block + BLOCK - 1u, count)"),
    ("sum = vec4<f32>(sum.xy, 0.0, sum.z);", "sum = vec4<f32>(sum.xy, sum.z, 0.0);"),
    // step.wgsl
    ("sums[row] = weights[bias + unit];", "sums[row] = vec4<f32>();"),
    ("((index - 1u) * shape.rows + row) * features", "(index * shape.rows + row) * features"),
    ("weight_ih + GATES * units * ((features + 3u) / 4u)", "weight_ih + GATES * units * (features / 4u)"),
    ("cell_state[at] = next.c;", ""),
    ("previous.c = cell_state[at];", ""),
    // projection.wgsl
    ("end - units * ((shape.hidden_size + 3u) / 4u)", "end - units * (shape.hidden_size / 4u)"),
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
    fn new(config: Config) -> Result<Self, Error> {
        let (n, t) = (9, 5);
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
        let layer = GpuLayer::new(gpu, &self.weights, &LayerOptions::default().strategy(strategy))?;
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

/// Configurations that together reach every line of the shaders.
fn configs() -> Vec<Config> {
    let wide = Config::rnn(261, 70);
    let cells = [Config::rnn(5, 9), Config::rnn_relu(5, 9), Config::gru(6, 10), Config::lstm(6, 10)];
    let stacked =
        cells.into_iter().flat_map(|config| [config.num_layers(3), config.num_layers(2).bidirectional(true)]);
    let projected = Config::lstm(7, 9).proj_size(5).num_layers(2);
    stacked.chain([wide, projected, projected.bidirectional(true)]).collect()
}

#[test]
fn a_changed_shader_line_is_noticed() {
    let Some(gpu) = gpu() else { return };
    let cases: Vec<Case> = configs().into_iter().map(|config| Case::new(config).unwrap()).collect();
    for case in &cases {
        let comparison = case.compare(&gpu).unwrap();
        assert!(comparison.passes(), "{} without a mutation: {comparison:?}", case.weights.config());
    }
    let unnoticed: Vec<_> = MUTATIONS
        .iter()
        .filter(|&&mutation| {
            let mutated = gpu.with_mutation(mutation);
            cases.iter().all(|case| case.compare(&mutated).is_ok_and(|comparison| comparison.passes()))
        })
        .collect();
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
}

#[test]
fn every_mutation_changes_a_kernel() {
    let variants = configs().into_iter().flat_map(|config| {
        [super::kernel::Variant::step(&config, (8, 1)), super::kernel::Variant::projection((8, 1))]
    });
    let text: String = variants.map(|variant| variant.source()).collect();
    for (old, _) in MUTATIONS {
        assert!(text.contains(old), "{old:?} is in no shader");
    }
}
