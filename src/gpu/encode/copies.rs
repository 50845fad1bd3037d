//! The copies between the caller's buffers and the layer's own, before and after the forward pass.

use super::buffers::Slot;
use crate::Config;
use crate::gpu::kernel::Vectors;
use crate::gpu::pack::quads;
use crate::gpu::plan::{Bound, Plan, Sequence, small};

/// A dispatch of the copy kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Copy {
    /// The caller's buffer.
    pub(super) slot: Slot,
    /// Whether this copy is for calls that give that buffer (`true`) or for calls that do not (`false`).
    pub(super) given: bool,
    /// The layer's own buffer.
    pub(super) own: Bound,
    pub(super) vectors: Vectors,
}

/// Returns every copy that a call may need, first those to the layer's buffers. If a session has the state, every
/// row has T steps, and the plan's own kernels move the state.
pub(super) fn list(config: &Config, plan: &Plan) -> Vec<Copy> {
    let list = List { config, plan, of_a_layer: small(config.directions()) * plan.rows };
    let mut copies = Vec::new();
    list.input(&mut copies);
    if plan.endpoints.session_rows().is_some() {
        return copies;
    }
    list.lengths(&mut copies);
    list.initial_state(&mut copies);
    list.final_state(&mut copies);
    copies
}

struct List<'a> {
    config: &'a Config,
    plan: &'a Plan,
    /// The number of state vectors of a layer.
    of_a_layer: u32,
}

impl List<'_> {
    /// Adds the copy that pads the input to whole quads. An input of whole quads is read from the caller's
    /// buffer.
    fn input(&self, copies: &mut Vec<Copy>) {
        if self.plan.bytes.own_input == 0 {
            return;
        }
        let size = self.config.input_size;
        let vectors = vectors(self.plan.rows * self.plan.steps, size, 4 * quads(size));
        let own = Bound::Sequence(Sequence::Input);
        copies.push(Copy { slot: Slot::Input, given: true, own, vectors });
    }

    /// Adds the copies of the lengths. Without lengths, each row gets T. Kernels rely on every length being
    /// at most T.
    fn lengths(&self, copies: &mut Vec<Copy>) {
        let most = self.plan.steps;
        for given in [true, false] {
            let vectors = Vectors { most, padding: most, ..vectors(self.plan.rows, usize::from(given), 1) };
            copies.push(Copy { slot: Slot::Lengths, given, own: Bound::Lengths, vectors });
        }
    }

    /// Adds the copies of the initial state. The hidden state goes to both buffers, since each layer starts
    /// with the buffer of its parity.
    fn initial_state(&self, copies: &mut Vec<Copy>) {
        let count = self.of_a_layer * small(self.config.num_layers);
        let mut state = |slot, own, size, padded| {
            for given in [true, false] {
                let vectors = vectors(count, if given { size } else { 0 }, padded);
                copies.push(Copy { slot, given, own, vectors });
            }
        };
        let (size, cells) = (self.config.hidden_output_size(), self.config.hidden_size);
        for parity in [0, 1] {
            state(Slot::H0, Bound::Hidden(parity), size, 4 * quads(size));
        }
        if self.config.cell.has_cell_state() {
            state(Slot::C0, Bound::Cell, cells, cells);
        }
    }

    /// Adds the copies of the final state. One copy takes all neighbouring layers whose hidden state ends
    /// in the same buffer.
    fn final_state(&self, copies: &mut Vec<Copy>) {
        let parities = &self.plan.final_parity;
        let size = self.config.hidden_output_size();
        let mut first = 0;
        for layers in parities.chunk_by(|a, b| a == b) {
            let vectors = Vectors {
                first: first * self.of_a_layer,
                ..vectors(self.of_a_layer * small(layers.len()), 4 * quads(size), size)
            };
            copies.push(Copy { slot: Slot::Hn, given: true, own: Bound::Hidden(layers[0]), vectors });
            first += small(layers.len());
        }
        if self.config.cell.has_cell_state() {
            let cells = self.config.hidden_size;
            let vectors = vectors(self.of_a_layer * small(self.config.num_layers), cells, cells);
            copies.push(Copy { slot: Slot::Cn, given: true, own: Bound::Cell, vectors });
        }
    }
}

/// Describes a copy of `count` vectors of floats from one size to another, padded with zeros.
fn vectors(count: u32, from_size: usize, to_size: usize) -> Vectors {
    Vectors {
        first: 0,
        count,
        from_size: small(from_size),
        to_size: small(to_size),
        most: u32::MAX,
        padding: 0,
    }
}
