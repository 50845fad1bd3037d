//! The GRU whose reset gate comes before the recurrent product: two products a step, of which the second multiplies r h.

use super::cell::{Advance, At, Step, sum};
use super::functions::Functions;
use super::pack::{Matrix, PANEL};
use super::product::Rows;
use super::simd::Level;

/// One step. `reset` takes r h, as many elements as `next`; `c` takes z.
pub(super) fn run(step: Step<'_>, candidate: &Matrix, reset: &mut [f32], functions: &Functions) {
    let Step { instructions, matrix, blocks, x, h, of_input, sums, next, c } = step;
    let gates = Step {
        instructions,
        matrix,
        blocks: blocks.clone(),
        x,
        h,
        of_input,
        sums: &mut *sums,
        next: &mut *reset,
        c: &mut *c,
    };
    gates.walk(&Gates(functions));
    let x = Rows { values: reset, stride: blocks.len() * PANEL };
    Step { instructions, matrix: candidate, blocks, x, h, of_input, sums, next, c }
        .walk(&Candidate(functions));
}

/// The gates r and z, and with them r h and z.
struct Gates<'a>(&'a Functions);

/// The gate n, and with it the new state.
struct Candidate<'a>(&'a Functions);

impl Advance<2, 3> for Gates<'_> {
    const TAKES_STATE: bool = true;

    #[inline(always)]
    fn advance<L: Level>(&self, At { x, h, c, state, .. }: At<'_, 2, 3>) {
        let Some(kept) = c else { return };
        let [mut r, mut z] = std::array::from_fn(|gate| sum(&x[gate], &h[gate]));
        self.0.f::<L>(&mut r);
        self.0.f::<L>(&mut z);
        for unit in 0..PANEL {
            state[unit] *= r[unit];
        }
        *kept = z;
    }
}

impl Advance<1, 3> for Candidate<'_> {
    const TAKES_STATE: bool = true;

    #[inline(always)]
    fn advance<L: Level>(&self, At { x, h, c, state, .. }: At<'_, 1, 3>) {
        let Some(z) = c else { return };
        let mut n = sum(&x[2], &h[0]);
        self.0.g::<L>(&mut n);
        for unit in 0..PANEL {
            state[unit] = (1.0 - z[unit]) * n[unit] + z[unit] * state[unit];
        }
    }
}
