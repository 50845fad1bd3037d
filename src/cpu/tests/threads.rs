//! Work that is cut in other ways, and threads that share it, give the same bits.

use rayon::prelude::*;

use super::*;
use crate::cpu::task::step_bytes;

#[test]
fn bits_do_not_depend_on_the_cut() {
    for (config, steps) in configs(6, 20).into_iter().flat_map(|config| [(config, 6), (config, 11)]) {
        let case = Case::new(config.num_layers(2).bidirectional(true), 9, steps).ragged();
        let expected = case.run_cut(Cut { budget: usize::MAX, threads: 1, shared: 0 });
        assert!(case.compare(&expected).passes());
        let row = step_bytes(&Direction::new(&config, 0, &case.weights.directions()[0]).unwrap(), 1);
        // The budgets hold less than one step of a row; some rows; all rows and 1, 2, 4, 10, 11, 12 steps.
        let budgets = [0, row, row * 4, row * 9, row * 18, row * 36, row * 90, row * 99, row * 108];
        for budget in budgets {
            for threads in [1, 2, 3, 64] {
                let found = case.run_cut(Cut { budget, threads, shared: usize::MAX });
                assert_eq!(bits(&found), bits(&expected), "{config}: budget {budget}, {threads} threads");
            }
        }
    }
}

/// Threads share units although there are enough rows: the exchange costs little compared with such a step.
#[test]
fn bits_do_not_depend_on_threads_where_many_rows_share_units() {
    for config in [Config::lstm(6, 264), Config::gru(6, 350)] {
        let case = Case::new(config, 9, 3).ragged();
        let alone = case.run_cut(Cut { budget: usize::MAX, threads: 1, shared: 0 });
        let found = case.run_cut(Cut { budget: usize::MAX, threads: 2, shared: 0 });
        assert_eq!(bits(&found), bits(&alone), "{config}");
    }
}

/// Threads share units: fewer threads than blocks, the same number and more; ragged rows; one and two
/// directions.
#[test]
fn bits_do_not_depend_on_who_computes_which_units() {
    for (hidden_size, bidirectional) in [(16, false), (40, false), (40, true), (65, false)] {
        for config in configs(6, hidden_size) {
            let case = Case::new(config.num_layers(2).bidirectional(bidirectional), 3, 7).ragged();
            let alone = case.run_cut(Cut { budget: usize::MAX, threads: 1, shared: 0 });
            assert!(case.compare(&alone).passes());
            for (threads, budget) in [(2, usize::MAX), (3, 0), (4, 4000), (64, usize::MAX)] {
                let found = case.run_cut(Cut { budget, threads, shared: 0 });
                assert_eq!(bits(&found), bits(&alone), "{config}: {threads} threads");
            }
        }
    }
}

/// Every thread misses some rounds, and computes parts that another thread computed in the round before.
#[test]
fn a_thread_may_go_on_with_any_part_in_any_round() {
    for config in configs(6, 40) {
        for threads in [2, 3, 5] {
            let case = Case::new(config, 3, 7).ragged();
            let layer = case.layer();
            let expected = layer_output(&case, |work| layer.run_work(work, &mut Between::default(), true));
            let found = layer_output(&case, |Work { input, lengths, output, mut h, mut c }| {
                let (workspaces, weights) = (&layer.workspaces, &layer.directions);
                let pass = Pass { config, set: layer.set, workspaces, weights, input, lengths };
                let cut = Cut { budget: 4000, threads: 3, shared: 0 };
                let jobs = pass.jobs(output, &mut h, &mut c, pass.divide(cut))?;
                jobs.iter().try_for_each(|job| job.take_turns(threads))
            });
            assert_eq!(bits(&found), bits(&expected), "{config}: {threads} threads");
        }
    }
}

/// Returns the result of `run` for a case's input and states.
fn layer_output(case: &Case, run: impl FnOnce(Work<'_>) -> Result<(), Error>) -> Output {
    let (n, t, _) = case.input.dim();
    let config = case.weights.config();
    let mut output = Array3::zeros((n, t, config.directions() * config.hidden_output_size()));
    let mut h = case.h_0.clone().unwrap();
    let mut c = case.c_0.clone().unwrap_or_else(|| Array3::zeros((h.dim().0, n, 0)));
    let lengths = case.lengths.as_deref().unwrap();
    let work = Work {
        input: case.input.view(),
        lengths,
        output: output.view_mut(),
        h: h.view_mut(),
        c: c.view_mut(),
    };
    run(work).unwrap();
    Output::new(output, h, config.cell.has_cell_state().then_some(c))
}

#[test]
fn a_thread_that_does_not_come_is_done_without() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let case = Case::new(Config::lstm(6, 64), 2, 9).ragged();
    let expected = case.run_cut(Cut { budget: usize::MAX, threads: 1, shared: 0 });
    // The pool's only thread is the one that waits.
    let found = pool.install(|| case.run_cut(Cut { budget: usize::MAX, threads: 3, shared: 0 }));
    assert_eq!(bits(&found), bits(&expected));
}

#[test]
fn many_callers_share_the_pool() {
    let case = Case::new(Config::gru(6, 64), 2, 30);
    let expected = bits(&case.run_cut(Cut { budget: usize::MAX, threads: 1, shared: 0 }));
    let cut = Cut { budget: 4000, threads: 2, shared: 0 };
    let all: Vec<_> = (0..32).into_par_iter().map(|_| bits(&case.run_cut(cut))).collect();
    assert!(all.iter().all(|found| *found == expected));
}
