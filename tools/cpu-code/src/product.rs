//! What the loop over the terms of a product must keep to.

use crate::symbols::{Set, Tile};
use crate::turn::{Turn, unwanted};

/// What a loop is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Design {
    pub(crate) set: Set,
    pub(crate) tile: Tile,
}

/// The figures of a loop, for each term.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figures {
    /// Terms that one turn adds to each sum.
    pub(crate) terms: u32,
    pub(crate) mul_adds: f64,
    pub(crate) loads: f64,
    pub(crate) instructions: f64,
}

impl Design {
    /// Multiply-adds of a term: one for each register of sums.
    pub(crate) fn mul_adds(&self) -> u32 {
        self.tile.rows * self.weights()
    }

    /// Registers of weights of a term.
    fn weights(&self) -> u32 {
        self.tile.panels * self.set.registers()
    }

    /// Each input and each register of weights of a term is loaded once at most.
    fn loads(&self) -> u32 {
        self.tile.rows + self.weights()
    }

    /// The multiply-adds of a turn, or the multiplications where an addition is an instruction of its own.
    fn count(&self, turn: &Turn<'_>) -> u32 {
        if self.set.is_fused() { turn.mul_adds } else { turn.muls }
    }

    /// Terms of a turn, if all its multiply-adds are part of one.
    fn terms(&self, turn: &Turn<'_>) -> Option<u32> {
        let count = self.count(turn);
        (count > 0 && count.is_multiple_of(self.mul_adds())).then(|| count / self.mul_adds())
    }

    pub(crate) fn figures(&self, turn: &Turn<'_>) -> Figures {
        let terms = self.terms(turn).unwrap_or(1);
        let each = |count: u32| f64::from(count) / f64::from(terms);
        Figures {
            terms,
            mul_adds: each(self.count(turn)),
            loads: each(turn.loads),
            instructions: each(turn.instructions),
        }
    }

    /// What is wrong, in words.
    pub(crate) fn misses(&self, turn: &Turn<'_>) -> Vec<String> {
        let (lanes, rows, weights) = (self.set.lanes(), self.tile.rows, self.weights());
        let kind = if self.set.is_fused() { "multiply-adds" } else { "multiplications" };
        let mut misses = Vec::new();
        if self.terms(turn).is_none() {
            let (count, of_term) = (self.count(turn), self.mul_adds());
            misses.push(format!(
                "{kind} of {lanes} floats: {count} in a turn, no multiple of a term's {of_term}"
            ));
        }
        let (muls, adds) = (turn.muls, turn.adds);
        if self.set.is_fused() && muls + adds > 0 {
            misses.push(format!("multiplications and additions apart: {muls} and {adds} in a turn"));
        }
        if !self.set.is_fused() && (adds != muls || turn.mul_adds > 0) {
            let fused = turn.mul_adds;
            misses.push(format!(
                "additions of {lanes} floats: {adds} for {muls} multiplications, and {fused} in one with them"
            ));
        }
        let loads = self.figures(turn).loads;
        if loads > f64::from(self.loads()) {
            misses.push(format!(
                "loads: {loads} for each term, more than {rows} inputs and {weights} registers of weights"
            ));
        }
        let kinds = [
            unwanted(&turn.divs, "divisions"),
            unwanted(&turn.other, "operations that are no product's"),
            unwanted(&turn.from_stack, "loads of floats from the stack"),
            unwanted(&turn.stores, "stores"),
            unwanted(&turn.calls, "calls"),
        ];
        misses.extend(kinds.into_iter().flatten());
        misses
    }
}
