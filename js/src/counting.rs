//! Counts allocations, for the tests of the package. The package's own builds leave this out.

use wasm_bindgen::prelude::wasm_bindgen;

use crate::session::Session;

/// Pushes the input that the session has `pushes` times, and returns the number of allocations.
#[wasm_bindgen]
pub fn allocations_of_pushes(session: &mut Session, pushes: u32) -> f64 {
    let counted = allocation_counter::measure(|| {
        for _ in 0..pushes {
            session.push(false, false);
        }
    });
    #[allow(clippy::cast_precision_loss, reason = "a small number")]
    let count = counted.count_total as f64;
    count
}

/// Returns the number of allocations of a vector of that length, which is 1.
#[wasm_bindgen]
pub fn allocations_of_a_vector(length: u32) -> f64 {
    let counted = allocation_counter::measure(|| {
        std::hint::black_box(vec![0_u8; length as usize]);
    });
    #[allow(clippy::cast_precision_loss, reason = "a small number")]
    let count = counted.count_total as f64;
    count
}
