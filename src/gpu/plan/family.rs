//! The families of strategies. The strategies of a family add up the same numbers in the same order, so their
//! results have the same bits.

use std::slice;

use super::{BUDGET, Endpoints, PassMemory, Plan, Request, tiling};
use crate::Strategy;

/// The input product is summed apart from the recurrent product, and then added to it.
const HOISTED: &[Strategy] = &[Strategy::HoistedStep, Strategy::Scan];
/// The two products of a step are one sum.
const FUSED: &[Strategy] = &[Strategy::Step];

/// The numbers of rows, and the steps, for which the family of a layer is chosen: a sequence, and a small batch of them.
const ROWS: [usize; 2] = [1, 8];
const STEPS: usize = 100;

/// Returns the strategies from which a plan may take the fastest: the given one, or for `Auto` those of the
/// request's family, if it has one, or of the layer's.
pub(in crate::gpu) fn allowed(request: &Request<'_>, strategy: Strategy) -> &'static [Strategy] {
    match strategy {
        Strategy::Auto => request.family.unwrap_or_else(|| of(request)),
        _ => Strategy::ALL.iter().find(|one| **one == strategy).map_or(FUSED, slice::from_ref),
    }
}

/// Returns the family of a layer. It does not depend on the size of a call or on its endpoints, so that a session
/// and a forward pass have the same. The exception is a layer of which a single row fits the limits with one
/// family only.
fn of(request: &Request<'_>) -> &'static [Strategy] {
    let one = Request { rows: 1, ..*request };
    let fits = |strategy: &Strategy| {
        tiling::choose(&one, *strategy).and_then(|choice| PassMemory::fitting(&one, &choice)).is_ok()
    };
    let expected_us = |family: &[Strategy], rows| {
        let usual = Request { rows, steps: STEPS, budget: BUDGET, endpoints: Endpoints::Host, ..*request };
        let plans = family.iter().filter_map(|&strategy| Plan::with_strategy(&usual, strategy).ok());
        plans.map(|plan| plan.cost_us()).fold(f64::INFINITY, f64::min)
    };
    // A factor for one row counts as much as the same factor for eight.
    let expected = |family| ROWS.map(|rows| expected_us(family, rows)).iter().product::<f64>();
    let [first, second] =
        if expected(HOISTED) <= expected(FUSED) { [HOISTED, FUSED] } else { [FUSED, HOISTED] };
    // If nothing fits, the error is that of the simplest strategy.
    [first, second].into_iter().find(|family| family.iter().any(fits)).unwrap_or(FUSED)
}
