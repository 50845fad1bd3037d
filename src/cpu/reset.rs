//! The GRU whose reset gate comes before the recurrent product. A step has two products, and the second
//! multiplies r h.

use fearless_simd::Simd;

use super::activation::Functions;
use super::cell::{Advance, At, Step, mix};
use super::simd::Vector;
use super::variant::VariantFunctions;

/// Computes the first product: r h as [`Step::next`], and z as [`Step::c`].
pub(super) fn gates(step: Step<'_>, functions: &VariantFunctions) {
    step.walk(&Gates(functions));
}

/// Computes the second product: the new state, with z from [`Step::c`].
pub(super) fn candidate(step: Step<'_>, functions: &VariantFunctions) {
    step.walk(&Candidate(functions));
}

struct Gates<'a>(&'a VariantFunctions);
struct Candidate<'a>(&'a VariantFunctions);

impl Advance<2, 3> for Gates<'_> {
    const TAKES_STATE: bool = true;
    const HAS_C: bool = true;

    #[inline(always)]
    fn advance<S: Simd>(&self, at: At<S, 2, 3>) -> (Vector<S>, Vector<S>) {
        (self.0.f(at.sum(0)) * at.state, self.0.f(at.sum(1)))
    }
}

impl Advance<1, 3> for Candidate<'_> {
    const TAKES_STATE: bool = true;
    const HAS_C: bool = true;

    #[inline(always)]
    fn advance<S: Simd>(&self, at: At<S, 1, 3>) -> (Vector<S>, Vector<S>) {
        let n = self.0.g(at.x[2] + at.h[0]);
        (mix(at.c, at.state, n), at.c)
    }
}
