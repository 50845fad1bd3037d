//! All plans of a shape, side by side: their bits, and their times beside the expected ones.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::*;
use crate::State;
use crate::batch::Batch;
use crate::gpu::kernel::{KernelSpec, WeightsIn};

/// Returns a layer that takes each plan that there is for a shape.
fn all(given: &Given, gpu: &Gpu, options: &LayerOptions) -> Vec<(Plan, GpuLayer)> {
    let layer = given.layer(gpu, options);
    let (rows, steps, _) = given.x.dim();
    let size = CallShape { budget: options.budget, ..size(rows, steps) };
    let plans = Plan::all(&layer.0.request(size), options.strategy);
    let with = |plan: Plan| {
        let tuner = Tuner::with(size, plan.choice.clone());
        (plan, GpuLayer::of(layer.0.like(tuner)))
    };
    plans.into_iter().map(with).collect()
}

/// Returns a layer for each kernel that is planned for hardware alone, with the first plan that has it. Other kernels of
/// hardware are in every test that plans for it.
fn of_hardware(given: &Given, gpu: &Gpu, options: &LayerOptions) -> Vec<(Plan, GpuLayer)> {
    let hardware = gpu.with_capabilities(|capabilities| capabilities.software = false);
    let mut seen = HashSet::new();
    let mut found = all(given, &hardware, options);
    found.retain(|(plan, _)| {
        let for_hardware = |kernel: &&KernelSpec| {
            matches!(kernel.tiling.weights, WeightsIn::Tiles | WeightsIn::Parts | WeightsIn::Blocks)
        };
        let mut kernels = plan.kernels.iter().filter(for_hardware);
        kernels.any(|kernel| seen.insert(kernel.name.clone()))
    });
    found
}

/// Rows of every length, states of their own, chunks of time, and sizes that fill no tile.
#[test]
fn every_plan_of_a_strategy_gives_the_same_bits() {
    let Some(gpu) = gpu() else { return };
    let lstm = Config::lstm(21, 33);
    let works = [
        (lstm, 1, Precision::F32),
        (lstm.reverse(true), 9, Precision::F16),
        (Config::gru(35, 33).bidirectional(true).num_layers(2), 5, Precision::F32),
        (Config::rnn(21, 33).bidirectional(true), 3, Precision::F16),
        // Steps in tiles of 32 rows, of four units an item and of one.
        (Config::rnn(21, 70).num_layers(2), 37, Precision::F16),
        (lstm.proj_size(17), 19, Precision::F32),
        // Too many products to write them out.
        (Config::gru(3, 75), 9, Precision::F16),
    ];
    let (mut plans, mut in_registers, mut in_tiles, mut in_parts, mut in_blocks) = (0, 0, 0, 0, 0);
    let works =
        works.into_iter().flat_map(|work| Strategy::ALL.iter().map(move |&strategy| (work, strategy)));
    for ((config, rows, precision), strategy) in works {
        let (hidden, steps) = (config.hidden_size, 9);
        let gates = 4 * rows * config.directions() * config.cell.gates() * hidden;
        let budget = if config.num_layers == 1 { 4 * gates as u64 + 6000 } else { 1 << 26 };
        let options = LayerOptions { strategy, precision, budget, ..Default::default() };
        let given = Given::new(config, rows, steps);
        let mut generator = Generator::seeded(5);
        let states = config.num_layers * config.directions();
        let h_0 = random(&mut generator, [states, rows, config.hidden_output_size()]);
        let c_0 = random(&mut generator, [states, rows, hidden]);
        let lengths: Vec<usize> = (0..rows).map(|row| (steps + 3 * row) % (steps + 1)).collect();
        let mut state = State::from(h_0.view());
        state.c_0 = config.cell.has_cell_state().then(|| c_0.view().into());
        let input = Input::new(given.x.view()).lengths(&lengths).state(state);
        let batch = Batch::new(&config, &input).unwrap();
        let mut found = all(&given, &gpu, &options);
        found.extend(of_hardware(&given, &gpu, &options));
        let first = found[0].1.run(&batch).unwrap();
        for (plan, layer) in &found {
            // Each kernel is compiled once, and other kernels of the plan were in another one.
            let same = layer.run(&batch).unwrap() == first;
            assert!(same, "{config} {precision:?} N={rows}: {plan} and {}", found[0].0);
            plans += 1;
            in_registers += usize::from(plan.to_string().contains("in registers"));
            in_tiles += usize::from(plan.to_string().contains("in tiles"));
            in_parts += usize::from(plan.to_string().contains("in parts"));
            in_blocks += usize::from(plan.to_string().contains("in blocks"));
        }
    }
    assert!(plans > 20, "{plans}");
    assert!(in_tiles >= 9 && in_parts >= 5 && in_blocks >= 6, "{in_tiles}, {in_parts}, {in_blocks}");
    assert!(in_registers > 10 || !gpu.capabilities().shares_in_subgroups(), "{in_registers}");
}

/// The sizes of `wgpu-rnn bench`: name, N, T, I, H, L, D.
const GRID: [(&str, [usize; 6]); 8] = [
    ("tiny", [1, 100, 5, 8, 1, 1]),
    ("stream", [1, 1, 80, 256, 2, 1]),
    ("small", [1, 100, 64, 128, 1, 1]),
    ("seed", [128, 100, 20, 64, 1, 2]),
    ("speech", [8, 200, 80, 256, 2, 1]),
    ("wide", [32, 64, 512, 512, 1, 1]),
    ("big", [64, 128, 512, 1024, 1, 1]),
    ("long", [1, 4096, 64, 128, 1, 1]),
];

/// `WGPU_RNN_SHAPES` names some of the sizes, or gives others like `name=1,100,5,8,1,1`. `WGPU_RNN_CELL` names the cell.
fn shapes() -> Vec<(String, [usize; 6])> {
    let Ok(wanted) = std::env::var("WGPU_RNN_SHAPES") else {
        return GRID.map(|(name, sizes)| (name.to_owned(), sizes)).to_vec();
    };
    let one = |text: &str| match text.split_once('=') {
        Some((name, sizes)) => {
            let mut sizes = sizes.split(',').map(|size| size.parse().unwrap());
            (name.to_owned(), [(); 6].map(|()| sizes.next().unwrap()))
        }
        None => (text.to_owned(), GRID.iter().find(|(name, _)| *name == text).unwrap().1),
    };
    wanted.split_whitespace().map(one).collect()
}

/// Measures all plans in alternating rounds, and compares the order with the model's: the faster one of two plans
/// must be expected to be faster if it is by half and more. `WGPU_RNN_SECONDS` limits the time of a plan.
#[test]
#[ignore = "takes minutes, and needs a quiet machine"]
fn the_model_orders_plans_as_measured() {
    let Some(gpu) = gpu() else { return };
    let seconds = std::env::var("WGPU_RNN_SECONDS").map_or(2.0, |seconds| seconds.parse().unwrap());
    let cell = std::env::var("WGPU_RNN_CELL").unwrap_or_default();
    let mut report = String::new();
    let (mut pairs, mut wrong) = (0, 0);
    for (name, [rows, steps, input, hidden, layers, directions]) in shapes() {
        let of_cell = match &*cell {
            "rnn" => Config::rnn(input, hidden),
            "gru" => Config::gru(input, hidden),
            _ => Config::lstm(input, hidden),
        };
        let config = of_cell.num_layers(layers).bidirectional(directions == 2);
        let given = Given::new(config, rows, steps);
        let found = all(&given, &gpu, &LayerOptions::default());
        let mut times = vec![(Duration::ZERO, f64::INFINITY, 0); found.len()];
        for round in 0..7 {
            for ((_, layer), (spent, best, rounds)) in found.iter().zip(&mut times) {
                if spent.as_secs_f64() > seconds {
                    continue;
                }
                let start = Instant::now();
                given.run(layer);
                // The first round compiles.
                if round > 0 {
                    *spent += start.elapsed();
                    *best = best.min(1e6 * start.elapsed().as_secs_f64());
                    *rounds += 1;
                }
            }
        }
        let mut lines: Vec<_> =
            found.iter().zip(&times).map(|((plan, _), (_, best, _))| (*best, plan)).collect();
        lines.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        for (best, plan) in &lines {
            let ratio = plan.expected_us / best;
            let _ =
                writeln!(report, "{name:<8} {best:>10.0} {:>10.0} {ratio:>6.2}  {plan}", plan.expected_us);
        }
        for (place, (fast, by_model)) in lines.iter().enumerate() {
            for (slow, other) in &lines[place + 1..] {
                if slow / fast >= 1.5 {
                    pairs += 1;
                    if by_model.expected_us >= other.expected_us {
                        wrong += 1;
                        let _ = writeln!(report, "{name:<8} WRONG: {by_model} and {other}");
                    }
                }
            }
        }
    }
    println!("{report}{wrong} of {pairs} pairs in the wrong order");
}
