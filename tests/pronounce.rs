//! The example's real model, on every implementation.

use crate::harness::on_each;

// The example itself: what is tested is what a user runs.
#[path = "../examples/pronounce/g2p.rs"]
mod g2p;

#[test]
fn three_hundred_words_come_out_exactly() {
    on_each(|implementation| g2p::tests::check(implementation.backend.clone()));
}
