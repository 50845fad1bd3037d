use super::super::parts;
use super::*;
use crate::ErrorKind;
use crate::gpu::Capabilities;
use crate::{Config, Precision};

fn candidates(capabilities: &Capabilities, config: Config, rows: usize, strategy: Strategy) -> Vec<Plan> {
    let parts = &parts(&config, Precision::F32, capabilities).unwrap()[..];
    let request = Request::usual(&config, parts, rows, 100, capabilities);
    let own = Plan::new(&request, strategy).unwrap();
    let found = Plan::candidates(&request, strategy).unwrap();
    assert!(found.contains(&own), "the planner's own: {config}, {rows} rows, {strategy}");
    let again: Vec<_> = found.iter().map(|plan| Plan::of(&request, &plan.choice).unwrap()).collect();
    assert_eq!(again, found);
    found
}

fn machines() -> [Capabilities; 2] {
    [Capabilities::default(), Capabilities { software: true, cores: 2, ..Capabilities::default() }]
}

fn names(plans: &[Plan]) -> Vec<String> {
    plans.iter().map(Plan::to_string).collect()
}

#[test]
fn candidates_are_few_different_and_the_most_promising_first() {
    for machine in machines() {
        for config in [
            Config::lstm(5, 8),
            Config::rnn(64, 128),
            Config::gru(80, 256).num_layers(2).bidirectional(true),
            Config::lstm(512, 1024),
            Config::lstm(20, 300).proj_size(64),
        ] {
            for rows in [1, 2, 8, 9, 64, 200] {
                let found = candidates(&machine, config, rows, Strategy::Auto);
                assert!(found.len() <= 5, "{config}, {rows} rows: {:?}", names(&found));
                assert!(found.is_sorted_by(|a, b| a.expected_us <= b.expected_us));
                // The planner's own is there whatever the model says of it.
                let slow = found.iter().filter(|plan| plan.expected_us > 4.0 * found[0].expected_us).count();
                assert!(slow <= 1, "{config}, {rows} rows: {:?}", names(&found));
                let mut different = names(&found);
                different.sort();
                different.dedup();
                assert_eq!(different.len(), found.len(), "{different:?}");
            }
        }
    }
}

#[test]
fn each_strategy_of_the_family_is_tried() {
    let software = &machines()[1];
    let found = candidates(software, Config::lstm(64, 128), 4, Strategy::Auto);
    let hoisted = found[0].choice.strategy.is_hoisted();
    for strategy in Strategy::ALL {
        assert_eq!(
            found.iter().any(|plan| plan.choice.strategy == *strategy),
            strategy.is_hoisted() == hoisted,
            "{strategy}: {:?}",
            names(&found)
        );
    }
    // A launch a step is far too much for eight units.
    let found = candidates(software, Config::lstm(5, 8), 1, Strategy::Auto);
    assert_eq!(names(&found), ["scan (input_product 16x8, scan 16x1)"]);
}

#[test]
fn a_strategy_that_is_forced_is_the_only_one() {
    for machine in machines() {
        for &strategy in Strategy::ALL {
            let found = candidates(&machine, Config::lstm(64, 200), 4, strategy);
            assert!(found.len() > 1, "{:?}", names(&found));
            assert!(found.iter().all(|plan| plan.choice.strategy == strategy), "{:?}", names(&found));
        }
    }
}

#[test]
fn small_tiles_are_tried_where_they_spread_the_work() {
    let [hardware, software] = machines();
    let mut found = names(&candidates(&hardware, Config::lstm(64, 256), 2, Strategy::Step));
    found.sort();
    let of_steps =
        ["16x1", "16x8", "256x1 in blocks", "64x1", "64x8"].map(|tiling| format!("step (step {tiling})"));
    assert_eq!(found, of_steps);
    // Single rows of a large batch would load every weight for each of them.
    let found = names(&candidates(&software, Config::lstm(64, 256), 64, Strategy::Step));
    assert_eq!(found, ["step (step 64x8)", "step (step 16x8)"]);
    // Sixteen units fit one small workgroup.
    let found = names(&candidates(&hardware, Config::gru(8, 16), 1, Strategy::HoistedStep));
    assert_eq!(found, ["hoisted-step (input_product 16x8, step 16x1)"]);
    // A projection has the rows of its step.
    let found = candidates(&hardware, Config::lstm(8, 300).proj_size(70), 3, Strategy::Step);
    let single = found.iter().find(|plan| plan.to_string().contains("step 16x1")).unwrap();
    assert_eq!(single.to_string(), "step (step 16x1, projection 64x1)");
}

#[test]
fn what_does_not_fit_is_no_candidate() {
    let machine = Capabilities::default();
    let wide = candidates(&machine, Config::lstm(16, 600), 9, Strategy::Scan);
    // Eight rows of 600 floats, twice, are more than 16 KiB.
    assert!(!names(&wide).is_empty());
    assert!(wide.iter().all(|plan| !plan.to_string().contains("scan 64x8")), "{:?}", names(&wide));

    let (config, capabilities) = (&Config::rnn(4, 3000), &machine);
    let parts = &parts(config, Precision::F32, capabilities).unwrap()[..];
    let request = Request::usual(config, parts, 1, 2, capabilities);
    let error = Plan::candidates(&request, Strategy::Scan).unwrap_err();
    assert!(error.kind() == ErrorKind::TooLarge, "{error}");
    let rest = Plan::candidates(&request, Strategy::Auto).unwrap();
    assert!(rest.iter().all(|plan| plan.choice.strategy != Strategy::Scan));
}
