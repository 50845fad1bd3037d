//! Plans, with no GPU.

use super::stage::Product;
use super::*;
use crate::gpu::Capabilities;
use crate::gpu::kernel::{WORKGROUP_BYTES, WeightsIn};
use crate::gpu::pack;
use crate::{Config, ErrorKind, Precision};

fn with(
    capabilities: &Capabilities,
    config: &Config,
    rows: usize,
    steps: usize,
    strategy: Strategy,
) -> Result<Plan, Error> {
    let parts = &parts(config, Precision::F32, capabilities)?[..];
    let request = Request::usual(config, parts, rows, steps, capabilities);
    Plan::new(&request, strategy)
}

/// Returns the dispatches of the kernel with that entry point.
fn of_kernel<'a>(plan: &'a Plan, entry_point: &str) -> impl Iterator<Item = &'a Dispatch> {
    plan.dispatches.iter().filter(move |dispatch| plan.kernels[dispatch.kernel].entry_point == entry_point)
}

/// Returns the buffer that a dispatch binds.
fn bound(plan: &Plan, dispatch: &Dispatch, binding: usize) -> Bound {
    plan.bindings[dispatch.bindings][binding]
}

fn plan(config: Config, rows: usize, steps: usize) -> Plan {
    with(&Capabilities::default(), &config, rows, steps, Strategy::Step).unwrap()
}

#[test]
fn descriptions_of_kernels_fit_the_shaders() {
    let gru = Config::gru(4, 8);
    for config in [Config::rnn(4, 8), Config::lstm(4, 8).proj_size(3), gru, gru.reset_after(false)] {
        for stage in Strategy::ALL.iter().flat_map(|&strategy| stages::stages(&config, strategy)) {
            let text: String = stage.files.iter().map(|file| file.text).collect();
            let has = |name: &str, value: usize| text.contains(&format!("const {name} = {value}u;"));
            for &Product { each, columns, .. } in &stage.products {
                assert!(has("COLUMNS", each * columns), "{config}: {stage:?}");
            }
            let each = stage.products[0].each;
            assert!(!stage.is_recurrent() || has("UNITS_EACH", each), "{config}: {stage:?}");
            assert!(!stage.is_recurrent() || has("GATES", config.cell.gates()), "{config}: {stage:?}");
            assert!(text.contains(&format!("fn {}(", stage.entry_point)), "{config}: {stage:?}");
        }
    }
}

#[test]
fn each_strategy_takes_the_dispatches_that_it_promises() {
    for config in [Config::lstm(8, 16), Config::gru(8, 16).bidirectional(true)] {
        let count =
            |strategy| with(&Capabilities::default(), &config, 4, 100, strategy).unwrap().dispatches.len();
        assert_eq!(count(Strategy::Step), 100);
        assert_eq!(count(Strategy::HoistedStep), 101);
        assert_eq!(count(Strategy::Scan), 2);
    }
}

#[test]
fn the_planner_chooses_scan_for_small_layers_and_steps_for_large_ones() {
    let chosen = |capabilities: &Capabilities, config: Config, rows, steps| {
        with(capabilities, &config, rows, steps, Strategy::Auto).unwrap().choice.strategy
    };
    let software = Capabilities { software: true, cores: 2, ..Capabilities::default() };
    for capabilities in [Capabilities::default(), software] {
        assert_eq!(chosen(&capabilities, Config::lstm(5, 8), 1, 100), Strategy::Scan);
        assert_ne!(chosen(&capabilities, Config::lstm(512, 1024), 64, 128), Strategy::Scan);
    }
    // For one row, `scan` with weights in registers takes a sixth of the time of `step`.
    let with_subgroups = Capabilities { subgroup_size: 8, ..software };
    assert_eq!(chosen(&with_subgroups, Config::rnn(64, 128), 1, 100), Strategy::Scan);
}

/// Sessions push few steps, and calls have many. Both must have the same bits.
#[test]
fn the_strategies_of_a_layer_are_of_one_family_whatever_the_size_of_a_call() {
    let software = Capabilities { software: true, cores: 2, ..Capabilities::default() };
    for capabilities in [Capabilities::default(), software] {
        for (hidden, layers) in [(8, 1), (64, 3), (256, 2), (1024, 1), (1024, 4)] {
            for cell in [Config::rnn, Config::lstm, Config::gru] {
                let config = cell(80, hidden).num_layers(layers);
                let chosen = |(rows, steps)| {
                    with(&capabilities, &config, rows, steps, Strategy::Auto).unwrap().choice.strategy
                };
                let sizes = [(1, 1), (1, 100), (64, 1), (16, 60), (7, 3), (1000, 1)].map(chosen);
                let hoisted = sizes.map(Strategy::is_hoisted);
                assert!(hoisted.iter().all(|one| *one == hoisted[0]), "{config}: {sizes:?}");
            }
        }
    }
}

#[test]
fn a_request_with_a_family_keeps_to_it() {
    let capabilities = &Capabilities::default();
    let config = &Config::lstm(80, 1024).num_layers(2);
    let parts = &parts(config, Precision::F32, capabilities).unwrap()[..];
    // The sequence between the layers exceeds the budget, so only `step` fits.
    let long = Request::usual(config, parts, 1, 40_000, capabilities);
    assert_eq!(family::allowed(&long, Strategy::Auto), [Strategy::Step]);
    let hoisted = &[Strategy::HoistedStep, Strategy::Scan];
    let in_session = Request { family: Some(hoisted), ..long };
    assert_eq!(family::allowed(&in_session, Strategy::Auto), hoisted);
    assert_eq!(Plan::new(&in_session, Strategy::Auto).unwrap_err().kind(), ErrorKind::TooLarge);
}

#[test]
fn small_layers_can_keep_their_recurrent_weights_on_chip_on_hardware() {
    let kept = |software, config: Config, precision| {
        let capabilities = &Capabilities { software, ..Capabilities::default() };
        let parts = &parts(&config, precision, capabilities).unwrap()[..];
        let request = Request { precision, ..Request::usual(&config, parts, 1, 9, capabilities) };
        let plans = Plan::all(&request, Strategy::Scan);
        let mut kernels = plans.iter().flat_map(|plan| &plan.kernels);
        assert!(kernels.clone().all(|kernel| kernel.workgroup_bytes <= u64::from(WORKGROUP_BYTES)));
        kernels.any(|kernel| kernel.tiling.weights == WeightsIn::Workgroup)
    };
    // 4 gates of 28 units over 7 quads, and 28 biases, are 12992 bytes; a unit more takes another quad.
    assert!(kept(false, Config::lstm(5, 28), Precision::F32));
    assert!(!kept(false, Config::lstm(5, 32), Precision::F32));
    assert!(kept(false, Config::lstm(5, 32), Precision::F16));
    assert!(!kept(true, Config::lstm(5, 28), Precision::F32));
}

#[test]
fn small_layers_share_their_recurrent_weights_among_invocations_on_hardware() {
    let shared = |capabilities: &Capabilities, config: Config| {
        let plan = with(capabilities, &config, 1, 100, Strategy::Scan).unwrap();
        let kernel = plan.kernels.iter().find(|kernel| kernel.entry_point == "scan").unwrap();
        (kernel.tiling.weights == WeightsIn::Parts).then_some(kernel.tiling.units)
    };
    let hardware = Capabilities::default();
    for discrete in [false, true] {
        let hardware = Capabilities { discrete, ..hardware };
        assert_eq!(shared(&hardware, Config::lstm(5, 32)), Some(64));
        assert_eq!(shared(&hardware, Config::lstm(5, 64)), Some(256));
        assert_eq!(shared(&hardware, Config::lstm(5, 128)), None);
    }
    assert_eq!(shared(&Capabilities { software: true, ..hardware }, Config::lstm(5, 64)), None);
    let few = Capabilities { max_compute_invocations_per_workgroup: 128, ..hardware };
    assert_eq!(shared(&few, Config::lstm(5, 64)), None);
    assert_eq!(shared(&few, Config::lstm(5, 32)), Some(64));
}

#[test]
fn a_step_of_few_rows_shares_its_items_among_invocations_on_hardware() {
    let in_blocks = |capabilities: &Capabilities, config: Config, rows| {
        let plan = with(capabilities, &config, rows, 20, Strategy::Step).unwrap();
        let mut kernels = plan.kernels.iter().filter(|kernel| kernel.entry_point == "step");
        kernels.any(|kernel| kernel.tiling.weights == WeightsIn::Blocks)
    };
    let hardware = Capabilities::default();
    for discrete in [false, true] {
        let hardware = Capabilities { discrete, ..hardware };
        for config in [Config::lstm(80, 256).num_layers(2), Config::gru(80, 256), Config::rnn(80, 1024)] {
            assert!(in_blocks(&hardware, config, 1), "{config}");
            assert!(!in_blocks(&hardware, config, 512), "{config}");
        }
        // One block has nothing to share.
        assert!(!in_blocks(&hardware, Config::lstm(3, 8), 1));
    }
    let large = Config::lstm(512, 1024);
    assert!(!in_blocks(&Capabilities { software: true, ..hardware }, large, 1));
    assert!(!in_blocks(&Capabilities { max_compute_invocations_per_workgroup: 128, ..hardware }, large, 1));
    assert!(!in_blocks(&Capabilities { max_compute_workgroup_storage_size: 8191, ..hardware }, large, 1));
}

/// A stream's push: the steps of stacked layers of one direction share dispatches, as those of `step` do.
#[test]
fn a_single_step_takes_as_many_dispatches_with_hoisted_step_as_with_step() {
    let software = Capabilities { software: true, cores: 2, ..Capabilities::default() };
    for capabilities in [Capabilities::default(), software] {
        for config in [
            Config::lstm(80, 256).num_layers(2),
            Config::gru(80, 128),
            Config::rnn(8, 64).bidirectional(true),
        ] {
            let of = |strategy| with(&capabilities, &config, 1, 1, strategy).unwrap();
            let (step, hoisted) = (of(Strategy::Step), of(Strategy::HoistedStep));
            assert_eq!(hoisted.dispatches.len(), step.dispatches.len(), "{config}: {hoisted}");
            assert_eq!(hoisted.bytes.gates, 0, "{config}: {hoisted}");
        }
    }
}

/// Drivers take up to a minute for longer products, as `kernel/unrolled.rs` says.
#[test]
fn products_with_weights_in_registers_are_short() {
    let capabilities =
        &Capabilities { software: true, subgroup_size: 8, cores: 2, ..Capabilities::default() };
    let mut most = [0; 2];
    for hidden in [64, 120, 248, 264, 520] {
        for config in [Config::rnn, Config::lstm, Config::gru].map(|cell| cell(hidden, hidden)) {
            let parts = &parts(&config, Precision::F32, capabilities).unwrap()[..];
            for rows in [1, 20, 300] {
                let request = Request::usual(&config, parts, rows, 30, capabilities);
                let plans = Strategy::ALL.iter().flat_map(|&strategy| Plan::all(&request, strategy));
                for kernel in plans.flat_map(|plan| plan.kernels) {
                    let products = kernel.source().matches("add_quad(&partial").count();
                    let most = &mut most[usize::from(kernel.entry_point == "scan")];
                    *most = (products * kernel.tiling.rows as usize).max(*most);
                }
            }
        }
    }
    let expected = 100..=128;
    assert!(expected.contains(&most[0]) && expected.contains(&most[1]), "{most:?} products");
}

#[test]
fn many_rows_are_multiplied_in_tiles_on_hardware() {
    let tiled = |capabilities: &Capabilities, config: Config, rows| {
        let plan = with(capabilities, &config, rows, 100, Strategy::HoistedStep).unwrap();
        plan.kernels[0].tiling.weights == WeightsIn::Tiles
    };
    let step_is_tiled = |capabilities: &Capabilities, config: Config, rows| {
        let plan = with(capabilities, &config, rows, 100, Strategy::Step).unwrap();
        plan.kernels[0].tiling.weights == WeightsIn::Tiles
    };
    let hardware = Capabilities::default();
    for discrete in [false, true] {
        let capabilities = &Capabilities { discrete, ..hardware };
        assert!(tiled(capabilities, Config::lstm(512, 1024), 64));
        assert!(!tiled(capabilities, Config::lstm(5, 8), 64));
        assert!(step_is_tiled(capabilities, Config::lstm(512, 1024), 64));
        assert!(!step_is_tiled(capabilities, Config::lstm(512, 1024), 8));
        assert!(!step_is_tiled(capabilities, Config::lstm(5, 8), 64));
    }
    for capabilities in [
        Capabilities { software: true, ..hardware },
        Capabilities { max_compute_invocations_per_workgroup: 128, ..hardware },
        Capabilities { max_compute_workgroup_size_x: 128, ..hardware },
        Capabilities { max_compute_workgroup_storage_size: 12_000, ..hardware },
    ] {
        assert!(!tiled(&capabilities, Config::lstm(512, 1024), 64), "{capabilities:?}");
    }
    for capabilities in [
        Capabilities { software: true, ..hardware },
        Capabilities { max_compute_invocations_per_workgroup: 127, ..hardware },
    ] {
        assert!(!step_is_tiled(&capabilities, Config::lstm(512, 1024), 64), "{capabilities:?}");
    }
}

#[test]
fn halves_take_half_of_the_memory() {
    let config = Config::lstm(80, 256).num_layers(2).bidirectional(true);
    let bytes = |precision| {
        parts(&config, precision, &Capabilities::default())
            .unwrap()
            .iter()
            .map(|part| part.bytes)
            .sum::<u64>()
    };
    let biases = 4 * 256 * 16;
    assert_eq!(bytes(Precision::F16) - biases, (bytes(Precision::F32) - biases) / 2);
}

#[test]
fn time_is_cut_where_the_gates_are_over_the_budget() {
    let config = Config::lstm(16, 256).bidirectional(true);
    let one_step = 4 * 32 * 2 * 4 * 256;
    let capabilities =
        Capabilities { max_storage_buffer_binding_size: 10 * one_step, ..Capabilities::default() };
    for strategy in [Strategy::HoistedStep, Strategy::Scan] {
        let plan = with(&capabilities, &config, 32, 25, strategy).unwrap();
        assert_eq!((plan.bytes.chunk, plan.bytes.gates), (10, 10 * one_step));
        let products = of_kernel(&plan, "input_product");
        let cut: Vec<_> = products.map(|d| (d.params.chunk, d.params.count)).collect();
        assert_eq!(cut, [(0, 10), (10, 10), (20, 5)]);
        assert!(plan.bytes.workspace() <= BUDGET);
    }
}

#[test]
fn chunks_leave_room_for_the_parameters_of_their_dispatches() {
    let (config, capabilities) = (Config::gru(8, 64), Capabilities::default());
    let parts = &parts(&config, Precision::F32, &capabilities).unwrap()[..];
    let plan = |budget| {
        let request = Request { budget, ..Request::usual(&config, parts, 2, 200, &capabilities) };
        Plan::new(&request, Strategy::Scan)
    };
    // A step's gates take 1536 bytes, and a chunk's two dispatches 512.
    for budget in [40_000, 60_000, 100_000, 200_000, 300_000] {
        let bytes = plan(budget).unwrap().bytes;
        let chunk = u64::from(bytes.chunk);
        let with = |chunk: u64| 1536 * chunk + 512 * 200u64.div_ceil(chunk);
        assert_eq!(bytes.workspace(), with(chunk));
        assert!(with(chunk) <= budget && with(chunk + 1) > budget, "{budget}: {chunk}");
    }
    let error = plan(12_000).unwrap_err().to_string();
    assert!(error.starts_with("bytes of workspace: expected at most 12000, found "), "{error}");
}

#[test]
fn a_slow_gpu_is_given_short_dispatches() {
    // 64 * 8 * 4 * 1024 * 1024 multiply-adds a step are more than 0.2 s at 10 per ns.
    let plan =
        with(&Capabilities::default(), &Config::lstm(1024, 1024), 512, 64, Strategy::HoistedStep).unwrap();
    assert!(plan.bytes.chunk <= 5, "{}", plan.bytes.chunk);
}

#[test]
fn a_layer_of_one_or_two_directions_takes_a_dispatch_a_step() {
    assert_eq!(plan(Config::lstm(8, 16), 4, 100).dispatches.len(), 100);
    let both = plan(Config::gru(8, 16).bidirectional(true), 4, 100).dispatches;
    assert_eq!(both.len(), 100);
    assert!(both.iter().all(|dispatch| dispatch.grid[2] == 2));
}

#[test]
fn stacked_layers_share_dispatches_on_the_diagonal() {
    let plan = plan(Config::rnn(8, 16).num_layers(3), 1, 5);
    // Lowest layer, its step, and how many layers take part.
    let seen: Vec<_> = plan.dispatches.iter().map(|d| (d.params.first, d.params.step, d.grid[2])).collect();
    assert_eq!(seen, [(0, 0, 1), (0, 1, 2), (0, 2, 3), (0, 3, 3), (0, 4, 3), (1, 4, 2), (2, 4, 1)]);
    // A layer reads what the layer below wrote one dispatch before: the buffers alternate.
    let hidden = |dispatch| bound(&plan, dispatch, 4);
    assert!(plan.dispatches.windows(2).all(|pair| hidden(&pair[0]) != hidden(&pair[1])));
}

#[test]
fn every_layer_direction_and_step_is_done_once_and_in_order() {
    for bidirectional in [false, true] {
        let lstm = Config::lstm(4, 8);
        for config in [lstm, lstm.proj_size(3), Config::gru(4, 8).reset_after(false)] {
            let config = config.num_layers(3).bidirectional(bidirectional);
            let plan = plan(config, 3, 6);
            let d = small(config.directions());
            let expected =
                [6, if config.proj_size > 0 { 6 } else { 0 }, if config.resets_before() { 6 } else { 0 }];
            for (kernel, times) in ["step", "projection", "candidate"].into_iter().zip(expected) {
                let mut next = vec![0; 3 * d as usize];
                for dispatch in of_kernel(&plan, kernel) {
                    let first = dispatch.params.first;
                    for index in first..first + dispatch.grid[2] {
                        let step = dispatch.params.step - (index / d - first / d);
                        assert_eq!(step, next[index as usize], "{config}, index {index}");
                        let parity = (index / d + step) % 2;
                        assert_eq!(bound(&plan, dispatch, 4), Bound::Hidden(parity as usize));
                        next[index as usize] += 1;
                    }
                }
                assert!(next.iter().all(|&steps| steps == times), "{config}: {next:?}");
            }
        }
    }
}

#[test]
fn a_bidirectional_stack_alternates_between_two_sequences() {
    let plan = plan(Config::gru(4, 8).num_layers(4).bidirectional(true), 2, 1);
    let seen = plan.dispatches.iter().map(|d| [3, 7].map(|binding| bound(&plan, d, binding)));
    let seen: Vec<_> = seen.collect();
    let [input, first, second, output] =
        [Sequence::Input, Sequence::Between(0), Sequence::Between(1), Sequence::Output].map(Bound::Sequence);
    let expected = [[input, first], [first, second], [second, first], [first, output]];
    assert_eq!(seen, expected);
    assert_eq!(plan.bytes.between, [2 * 16 * 4; 2]);
}

#[test]
fn weights_over_the_limit_are_cut_by_layer_direction_and_unit() {
    let config = Config::lstm(64, 64).num_layers(4);
    let one = 16 * pack::elements(&config, Precision::F32, 0) as u64;
    let with_binding =
        |bytes| Capabilities { max_storage_buffer_binding_size: bytes, ..Capabilities::default() };
    let capabilities = with_binding(2 * one);
    let cut = parts(&config, Precision::F32, &capabilities).unwrap();
    let indices: Vec<_> = cut.iter().map(|part| part.indices.clone()).collect();
    assert_eq!(indices, [0..2, 2..4]);
    let plan = with(&capabilities, &config, 1, 10, Strategy::Step).unwrap();
    // The diagonal of four layers needs both parts.
    let at_once = plan.dispatches.iter().filter(|dispatch| dispatch.params.step == 5).count();
    assert!(at_once >= 2, "{at_once}");

    let cut = |config: &Config, bytes| parts(config, Precision::F32, &with_binding(bytes));
    let divided = cut(&config, one / 3).unwrap();
    let units: Vec<_> = divided.iter().map(|part| (part.indices.start, part.units.clone())).collect();
    assert_eq!(units[..4], [(0, 0..16), (0, 16..32), (0, 32..48), (0, 48..64)]);
    assert_eq!(divided.iter().map(|part| part.bytes).sum::<u64>(), 4 * one);

    let too_large = |limit| {
        format!("bytes of weights of one direction of layer 0: expected at most {limit}, found {one}")
    };
    // Not even a unit fits.
    assert_eq!(cut(&config, one / 65).unwrap_err().to_string(), too_large(one / 65));
    // The other strategies need all units of a direction at once.
    let capabilities = with_binding(one - 1);
    for strategy in [Strategy::HoistedStep, Strategy::Scan] {
        let error = with(&capabilities, &config, 1, 10, strategy).unwrap_err();
        assert_eq!(error.to_string(), too_large(one - 1));
    }
    let plan = with(&capabilities, &config, 1, 10, Strategy::Auto).unwrap();
    assert_eq!(plan.choice.strategy, Strategy::Step);
    assert_eq!(plan.dispatches.iter().map(|dispatch| dispatch.grid).max(), Some([1, 1, 1]));
    assert_eq!(plan.dispatches.len(), 2 * 4 * 10);
    let projected = Config { proj_size: 8, ..config };
    assert!(cut(&projected, one / 2).is_err());
}

#[test]
fn what_is_too_large_is_named() {
    let config = Config::rnn(1000, 4);
    let error = |rows, steps| {
        with(&Capabilities::default(), &config, rows, steps, Strategy::Step).unwrap_err().to_string()
    };
    assert_eq!(error(1000, 1000), "bytes of input: expected at most 134217728, found 4000000000");
    assert!(error(usize::MAX, usize::MAX).contains("expected at most"));
    let wide = with(&Capabilities::default(), &Config::rnn(4, 3000), 1, 2, Strategy::Scan).unwrap_err();
    assert!(
        wide.to_string().starts_with("bytes of hidden state in workgroup memory (strategy scan)"),
        "{wide}"
    );
}

#[test]
fn grids_fold_at_the_limit() {
    let capabilities = Capabilities { max_compute_workgroups_per_dimension: 7, ..Capabilities::default() };
    let grids = |rows, hidden| {
        let plan =
            with(&capabilities, &Config::lstm(4, hidden).bidirectional(true), rows, 1, Strategy::Step)?;
        Ok::<_, Error>(plan.dispatches[0].grid)
    };
    let [x, y, z] = grids(8 * 10, 64 * 3).unwrap();
    assert!(x <= 7 && y <= 7 && x * y >= 30 && z == 2, "{x} {y} {z}");
    assert!(grids(8 * 50, 64).is_err());
}
