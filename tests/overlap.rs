//! Forward passes whose upload and readback overlap with the GPU's work: in several submissions, and in pieces.

use wgpu_rnn::{
    Backend, Config, Gpu, Input, Layer, LayerOptions, Output, Precision, Strategy, Weights, reference,
    tolerance,
};

use crate::case::state;
use crate::harness::{assert_same_bits, assert_within, on_each_adapter, random};

/// So many inputs that steps are worth a submission of their own; so few units that the reference is quick, and yet enough
/// that the gates of a chunk take more than the parameters of its dispatches, 256 bytes each on some adapters.
const WIDE: usize = 8192;

fn cells() -> [Config; 6] {
    let lstm = Config::lstm(WIDE, 3);
    let reset_before = Config::gru(WIDE, 4).reset_after(false);
    let (tanh, relu) = (Config::rnn(WIDE, 12), Config::rnn_relu(WIDE, 11));
    [tanh, relu, lstm, lstm.proj_size(2), Config::gru(WIDE, 4), reset_before]
}

/// The least budget that holds the gates of a quarter of the steps.
fn quarter(config: &Config, rows: usize, steps: usize, gpu: &Gpu, strategy: Strategy) -> u64 {
    let plan =
        |options: &LayerOptions| gpu.plan(config, rows, steps, &LayerOptions { strategy, ..options.clone() });
    let whole = plan(&LayerOptions::default()).unwrap();
    let gates = whole.buffers.iter().find(|(name, _)| *name == "gates").map_or(0, |(_, bytes)| *bytes);
    let holds = |&budget: &u64| {
        let plan = plan(&LayerOptions { budget, ..LayerOptions::default() });
        plan.is_ok_and(|plan| plan.rows == rows && plan.chunk >= steps.div_ceil(4))
    };
    (whole.workspace_bytes - gates..).step_by(16).find(holds).expect("a budget")
}

fn runs(layer: &Layer, input: &Input<'_>) -> [Output; 2] {
    [layer.forward(input).unwrap(), pollster::block_on(layer.forward_async(input)).unwrap()]
}

#[test]
fn several_submissions_give_the_bits_of_one() {
    for config in cells() {
        several_submissions(config, 4, 40, 4);
    }
    let [rnn, _, lstm, projected, gru, _] = cells();
    several_submissions(gru, 1, 100, 3);
    several_submissions(rnn.num_layers(3), 1, 160, 4);
    several_submissions(projected.num_layers(2), 3, 61, 4);
    several_submissions(lstm.num_layers(2), 3, 61, 4);
}

fn several_submissions(config: Config, rows: usize, steps: usize, submissions: usize) {
    let weights = Weights::seeded(config, 8).unwrap();
    let x = random((rows, steps, WIDE), 0.02, 1);
    let h_0 = random((config.num_layers, rows, config.hidden_output_size()), 1.0, 2);
    let c_0 = random((config.num_layers, rows, config.hidden_size), 1.0, 3);
    let state = state(Some(&h_0), config.cell.has_cell_state().then_some(&c_0));
    let lengths = &[steps - 7, 0, steps, 17][..rows];
    let input = Input::new(&x).lengths(lengths).state(state);
    let expected = reference::forward(&weights, &input).unwrap();
    let allowed = tolerance::forward(&weights, Precision::F32, &input).unwrap();
    on_each_adapter(|gpu| {
        for strategy in [Strategy::HoistedStep, Strategy::Scan] {
            let what = format!("{config}, N={rows}, T={steps} on {gpu}, {strategy}");
            let whole = LayerOptions { strategy, ..LayerOptions::default() };
            let cut = LayerOptions { budget: quarter(&config, rows, steps, gpu, strategy), ..whole.clone() };
            let plan = |options| gpu.plan(&config, rows, steps, options).unwrap();
            assert_eq!((plan(&whole).rows, plan(&whole).submissions), (rows, 1), "{what}");
            assert_eq!((plan(&cut).rows, plan(&cut).submissions), (rows, submissions), "{what}");
            let layer = |options: &LayerOptions| {
                Layer::new(&weights, (Backend::Gpu(gpu.clone()), options.clone())).unwrap()
            };
            let once = layer(&whole).forward(&input).unwrap();
            assert_within(&what, &once, &expected, &allowed);
            for found in runs(&layer(&cut), &input) {
                assert_same_bits(&found, &once, &what);
            }
        }
    });
}

#[test]
fn pieces_in_flight_give_the_bits_of_the_whole() {
    on_each_adapter(|gpu| {
        let config = Config::gru(6, 20).num_layers(2).bidirectional(true);
        let weights = Weights::seeded(config, 5).unwrap();
        let (rows, steps) = (23, 9);
        let x = random((rows, steps, 6), 1.0, 1);
        let h_0 = random((4, rows, 20), 1.0, 2);
        let lengths: Vec<usize> = (0..rows).map(|row| row * 5 % (steps + 1)).collect();
        let input = Input::new(x.view()).lengths(&lengths).state(h_0.view());
        for &strategy in Strategy::ALL {
            let whole = LayerOptions { strategy, ..LayerOptions::default() };
            let plan = |options: &LayerOptions| gpu.plan(&config, rows, steps, options);
            let layer = |options: &LayerOptions| {
                Layer::new(&weights, (Backend::Gpu(gpu.clone()), options.clone())).unwrap()
            };
            let expected = layer(&whole).forward(&input).unwrap();
            let (mut budget, mut in_flight) = (plan(&whole).unwrap().workspace_bytes, Vec::new());
            // Down to what holds a single row, one piece after the other.
            loop {
                let options = LayerOptions { budget, ..whole.clone() };
                let Ok(plan) = plan(&options) else { break };
                let what = format!("{strategy}, {} rows at once, {} in flight", plan.rows, plan.in_flight);
                assert!(plan.workspace_bytes <= budget, "{what}");
                for found in runs(&layer(&options), &input) {
                    assert_same_bits(&found, &expected, &what);
                }
                in_flight.push(plan.in_flight);
                budget = budget / 3 * 2;
            }
            // Whole; in pieces; rows for which there is not room twice.
            in_flight.dedup();
            assert_eq!(in_flight, [1, 2, 1]);
        }
    });
}
