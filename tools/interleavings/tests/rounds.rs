//! The models of `rounds.rs`, which together take less than a minute.

mod broken;

#[test]
fn two_threads_compute_every_item_once_and_see_the_round_before() {
    interleavings::cpu::every_item_once(2, 2, 2, 2);
}

#[test]
fn more_parts_than_threads() {
    interleavings::cpu::every_item_once(3, 2, 2, 2);
}

#[test]
fn more_rounds_than_arrays() {
    interleavings::cpu::every_item_once(2, 2, 3, 1);
}

#[test]
fn three_threads() {
    interleavings::cpu::every_item_once(1, 3, 2, 1);
}

#[test]
fn a_panic_ends_the_wait_of_the_others() {
    interleavings::cpu::a_panic_ends_the_wait();
}

#[test]
fn a_store_without_an_order_is_noticed() {
    broken::is_noticed("relaxed", "of round");
}

#[test]
#[ignore = "a process of the test above"]
fn relaxed() {
    interleavings::cpu_relaxed::every_item_once(2, 2, 2, 2);
}
