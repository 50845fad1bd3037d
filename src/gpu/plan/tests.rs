//! Plans, with no GPU.

use super::*;

fn plan(config: Config, rows: usize, steps: usize) -> Plan {
    let capabilities = Capabilities::default();
    let parts = parts(&config, &capabilities).unwrap();
    Plan::new(&config, &parts, rows, steps, &capabilities).unwrap()
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
    let seen: Vec<_> = plan.dispatches.iter().map(|d| (d.first, d.step, d.count)).collect();
    assert_eq!(seen, [(0, 0, 1), (0, 1, 2), (0, 2, 3), (0, 3, 3), (0, 4, 3), (1, 4, 2), (2, 4, 1)]);
    // A layer reads what the layer below wrote one dispatch before: the buffers alternate.
    assert!(plan.dispatches.windows(2).all(|pair| pair[0].parity != pair[1].parity));
}

#[test]
fn every_layer_direction_and_step_is_done_once_and_in_order() {
    for bidirectional in [false, true] {
        for proj_size in [0, 3] {
            let config = Config::lstm(4, 8).num_layers(3).bidirectional(bidirectional).proj_size(proj_size);
            let plan = plan(config, 3, 6);
            let d = small(config.directions());
            for kernel in [Kind::Step, Kind::Projection] {
                let of_kernel = plan.dispatches.iter().filter(|dispatch| dispatch.kernel == kernel);
                let mut next = vec![0; 3 * d as usize];
                for dispatch in of_kernel {
                    for index in dispatch.first..dispatch.first + dispatch.count {
                        let step = dispatch.step - (index / d - dispatch.first / d);
                        assert_eq!(step, next[index as usize], "{config}, index {index}");
                        assert_eq!(small(dispatch.parity), (index / d + step) % 2);
                        next[index as usize] += 1;
                    }
                }
                let times = if kernel == Kind::Projection && proj_size == 0 { 0 } else { 6 };
                assert!(next.iter().all(|&steps| steps == times), "{config}: {next:?}");
            }
        }
    }
}

#[test]
fn a_bidirectional_stack_alternates_between_two_sequences() {
    let plan = plan(Config::gru(4, 8).num_layers(4).bidirectional(true), 2, 1);
    let seen: Vec<_> = plan.dispatches.iter().map(|d| (d.input, d.output)).collect();
    let [first, second] = [Sequence::Between(0), Sequence::Between(1)];
    let expected = [(Sequence::Input, first), (first, second), (second, first), (first, Sequence::Output)];
    assert_eq!(seen, expected);
    assert_eq!(plan.bytes.sequences, [2 * 16 * 4; 2]);
}

#[test]
fn weights_over_the_limit_are_cut_by_layer_and_direction() {
    let config = Config::lstm(64, 64).num_layers(4);
    let one = 16 * pack::vec4s(&config, 0) as u64;
    let with_binding =
        |bytes| Capabilities { max_storage_buffer_binding_size: bytes, ..Capabilities::default() };
    let capabilities = with_binding(2 * one);
    let cut = parts(&config, &capabilities).unwrap();
    let indices: Vec<_> = cut.iter().map(|part| part.indices.clone()).collect();
    assert_eq!(indices, [0..2, 2..4]);
    let plan = Plan::new(&config, &cut, 1, 10, &capabilities).unwrap();
    // The diagonal of four layers needs both parts.
    let at_once = plan.dispatches.iter().filter(|dispatch| dispatch.step == 5).count();
    assert!(at_once >= 2, "{at_once}");

    let error = parts(&config, &with_binding(one - 1)).unwrap_err().to_string();
    assert_eq!(
        error,
        format!("bytes of weights of one direction of layer 0: expected at most {}, found {one}", one - 1)
    );
}

#[test]
fn what_is_too_large_is_named() {
    let config = Config::rnn(1000, 4);
    let capabilities = Capabilities::default();
    let parts = parts(&config, &capabilities).unwrap();
    let error = |rows, steps| Plan::new(&config, &parts, rows, steps, &capabilities).unwrap_err().to_string();
    assert_eq!(error(1000, 1000), "bytes of input: expected at most 134217728, found 4000000000");
    assert!(error(usize::MAX, usize::MAX).starts_with("bytes of input: expected at most"));
}

#[test]
fn grids_fold_at_the_limit() {
    let capabilities = Capabilities { max_compute_workgroups_per_dimension: 7, ..Capabilities::default() };
    let [x, y, z] = grid(64 * 3, 8 * 10, 2, &capabilities).unwrap();
    assert!(x <= 7 && y <= 7 && x * y >= 30 && z == 2, "{x} {y} {z}");
    assert!(grid(64 * 50, 8, 1, &capabilities).is_err());
    assert!(grid(64, 8, 8, &capabilities).is_err());
}
