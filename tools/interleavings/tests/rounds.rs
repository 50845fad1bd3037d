//! The models of `rounds.rs`, which together take less than a minute.

#[test]
fn two_threads_compute_every_item_once_and_see_the_round_before() {
    interleavings::every_item_once(2, 2, 2, 2);
}

#[test]
fn more_parts_than_threads() {
    interleavings::every_item_once(3, 2, 2, 2);
}

#[test]
fn more_rounds_than_arrays() {
    interleavings::every_item_once(2, 2, 3, 1);
}

#[test]
fn three_threads() {
    interleavings::every_item_once(1, 3, 2, 1);
}

#[test]
fn a_panic_ends_the_wait_of_the_others() {
    interleavings::a_panic_ends_the_wait();
}
