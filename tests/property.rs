//! Random configurations and sizes, every implementation against the reference.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config as Runs, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use wgpu_rnn::ndarray::Array3;
use wgpu_rnn::tolerance::{self, Comparison};
use wgpu_rnn::{Config, Input, Precision, Weights, reference};

use crate::case;
use crate::harness::{self, Implementation, assert_within, on_each, on_each_gpu, random};

/// Sizes below, at and above the powers of two that tiles are cut at.
const EDGES: &[usize] = &[1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 130];
/// Multiplications of one forward pass: what keeps the definition below a tenth of a second.
const BUDGET: usize = 600_000;

/// A configuration and a batch for it. The values follow from the seed.
#[derive(Clone, Debug)]
struct Problem {
    config: Config,
    n: usize,
    t: usize,
    lengths: Option<Vec<usize>>,
    has_state: bool,
    scale: f32,
    seed: u64,
}

/// A problem with its arrays.
struct Arrays {
    weights: Weights,
    input: Array3<f32>,
    h_0: Option<Array3<f32>>,
    c_0: Option<Array3<f32>>,
}

impl Problem {
    fn arrays(&self) -> Arrays {
        let Problem { config, n, t, seed, .. } = *self;
        let states = config.num_layers * config.directions();
        let state = |size, seed| self.has_state.then(|| random((states, n, size), 1.0, seed));
        Arrays {
            weights: Weights::seeded(config, seed).unwrap(),
            input: random((n, t, config.input_size), self.scale, seed),
            h_0: state(config.hidden_output_size(), seed + 1),
            c_0: state(config.hidden_size, seed + 2).filter(|_| config.cell.has_cell_state()),
        }
    }

    /// The first implementation that is not within the tolerance.
    fn check(&self, implementations: &[&Implementation]) -> Result<(), String> {
        let arrays = self.arrays();
        let state = case::state(arrays.h_0.as_ref(), arrays.c_0.as_ref());
        let input = case::with_lengths(&arrays.input, self.lengths.as_deref()).state(state);
        let expected = reference::forward(&arrays.weights, &input).unwrap();
        let tolerance = tolerance::forward(&arrays.weights, Precision::F32, &input).unwrap();
        for implementation in implementations {
            let name = &implementation.name;
            let found = implementation
                .layer(&arrays.weights)
                .forward(&input)
                .map_err(|error| format!("on {name}: {error}"))?;
            let comparison =
                Comparison::new(&found, &expected, &tolerance).map_err(|error| error.to_string())?;
            if !comparison.passes() {
                return Err(format!("on {name}: {comparison:?}"));
            }
        }
        Ok(())
    }
}

fn configs() -> impl Strategy<Value = Config> {
    let new =
        select(vec![Config::rnn as fn(usize, usize) -> Config, Config::rnn_relu, Config::lstm, Config::gru]);
    let sizes = (select(EDGES), select(EDGES), any::<prop::sample::Index>(), prop::bool::weighted(0.3));
    let options = (1..=3usize, any::<bool>(), prop::bool::weighted(0.8));
    (new, sizes, options).prop_map(|(new, (i, h, proj, projected), (layers, bidirectional, bias))| {
        let config = new(i, h).num_layers(layers).bidirectional(bidirectional).bias(bias);
        let has_projection = projected && h > 1 && config.cell.has_cell_state();
        if has_projection { config.proj_size(1 + proj.index(h - 1)) } else { config }
    })
}

fn problems() -> impl Strategy<Value = Problem> {
    let batch = (configs(), select(EDGES), 1..=9usize);
    let values = (any::<bool>(), select(vec![0.1f32, 1.0, 1.0, 5.0, 1000.0]), 0..1u64 << 32);
    let rows = prop::option::of(prop::collection::vec(any::<prop::sample::Index>(), 130));
    (batch, values, rows).prop_map(|((config, n, t), (has_state, scale, seed), lengths)| {
        let (n, t) = within_budget(&config, n, t);
        let lengths = lengths.map(|rows| rows[..n].iter().map(|row| row.index(t + 1)).collect());
        Problem { config, n, t, lengths, has_state, scale, seed }
    })
}

/// Fewer rows, then fewer steps, until the definition is fast enough.
fn within_budget(config: &Config, mut n: usize, mut t: usize) -> (usize, usize) {
    let products = Weights::seeded(*config, 0)
        .map(|weights| weights.parameters().map(|(_, values)| values.len()).sum::<usize>())
        .unwrap();
    while n > 2 && n * t * products > BUDGET {
        n = n.div_ceil(2);
    }
    while t > 2 && n * t * products > BUDGET {
        t = t.div_ceil(2);
    }
    (n, t)
}

/// The same problems in every run.
pub fn runner(cases: u32) -> TestRunner {
    let runs = Runs { cases, failure_persistence: None, max_shrink_iters: 200, ..Runs::default() };
    TestRunner::new_with_rng(runs, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

fn check_random(cases: u32, implementations: &[&Implementation]) {
    let result = runner(cases).run(&problems(), |problem| {
        problem
            .check(implementations)
            .map_err(|failure| TestCaseError::fail(format!("{}: {failure}", problem.config)))
    });
    assert!(result.is_ok(), "{}", result.unwrap_err());
}

#[test]
fn random_problems_on_the_cpu() {
    check_random(150, &harness::host().iter().collect::<Vec<_>>());
}

#[test]
fn random_problems_on_the_gpu() {
    on_each_gpu(|implementation, _| check_random(150, &[implementation]));
}

/// The runner makes what the project's rules ask for: everything at once.
#[test]
fn the_problems_are_varied() {
    let mut runner = runner(150);
    let problems: Vec<Problem> =
        (0..150).map(|_| problems().new_tree(&mut runner).unwrap().current()).collect();
    let together = |problem: &&Problem| {
        let deep = problem.config.num_layers >= 2 && problem.config.bidirectional;
        problem.has_state && deep && problem.n > 1 && problem.t > 1
    };
    assert!(problems.iter().filter(together).count() >= 20);
    assert!(problems.iter().filter(|problem| problem.config.proj_size > 0).count() >= 5);
    let has_zero = |problem: &&Problem| problem.lengths.as_ref().is_some_and(|lengths| lengths.contains(&0));
    assert!(problems.iter().filter(has_zero).count() >= 10);
    for &size in EDGES {
        assert!(problems.iter().any(|problem| problem.config.hidden_size == size), "H = {size}");
        assert!(problems.iter().any(|problem| problem.config.input_size == size), "I = {size}");
    }
}

fn cells(i: usize, h: usize) -> Vec<Config> {
    let mut cells = vec![Config::rnn(i, h), Config::rnn_relu(i, h), Config::lstm(i, h), Config::gru(i, h)];
    if h > 1 {
        cells.push(Config::lstm(i, h).proj_size(h / 2));
    }
    cells
}

/// Bugs hide behind zero states: all of PyTorch's options together, for each cell.
#[test]
fn deep_bidirectional_layers_go_on_from_a_state() {
    on_each(|implementation| {
        for config in cells(5, 7).into_iter().chain(cells(33, 17)) {
            for (layers, lengths) in [(2, None), (3, Some(vec![5, 0, 2])), (2, Some(vec![1, 5, 4]))] {
                let config = config.num_layers(layers).bidirectional(true);
                let problem = Problem { config, n: 3, t: 5, lengths, has_state: true, scale: 1.0, seed: 11 };
                problem.check(&[implementation]).unwrap_or_else(|failure| panic!("{problem:?}: {failure}"));
            }
        }
    });
}

/// Each size at each edge, with the other sizes off it.
#[test]
fn every_edge_of_a_tile_is_right_for_every_cell() {
    on_each(|implementation| {
        for &edge in EDGES {
            for (n, i, h) in [(2, 3, edge), (2, edge, 3), (edge, 3, 5)] {
                for config in cells(i, h) {
                    let problem =
                        Problem { config, n, t: 2, lengths: None, has_state: true, scale: 1.0, seed: 12 };
                    problem
                        .check(&[implementation])
                        .unwrap_or_else(|failure| panic!("{problem:?}: {failure}"));
                }
            }
        }
    });
}

#[test]
fn a_long_sequence_is_right_to_its_end() {
    let weights = Weights::seeded(Config::gru(3, 9).bidirectional(true), 8).unwrap();
    let input = random((2, 300, 3), 1.0, 8);
    let input = Input::new(input.view()).lengths(&[300, 131]);
    let expected = reference::forward(&weights, &input).unwrap();
    let tolerance = tolerance::forward(&weights, Precision::F32, &input).unwrap();
    on_each(|implementation| {
        let found = implementation.layer(&weights).forward(&input).unwrap();
        assert_within("300 steps", &found, &expected, &tolerance);
    });
}
