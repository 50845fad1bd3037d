//! Where a pass' state comes from, and where it goes.

use super::dispatch::{Dispatch, Kind, Sequence};
use super::{Plan, Request, small};
use crate::gpu::kernel::Exchange;

/// Where a pass takes its state from, and where it leaves it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::gpu) enum Ends {
    /// The host.
    #[default]
    Host,
    /// A session of so many rows.
    Session {
        /// R.
        rows: u32,
    },
}

impl Ends {
    /// The kernels that a plan needs for it.
    pub(super) fn kernels(self) -> &'static [Kind] {
        match self {
            Ends::Host => &[],
            Ends::Session { .. } => &[Kind::Gather, Kind::Scatter],
        }
    }
}

/// Puts a session's exchange of states around the dispatches of a plan.
pub(super) fn add(plan: &mut Plan, request: &Request<'_>) {
    let Ends::Session { rows } = request.ends else { return };
    let config = request.config;
    let alternates = plan.final_parity.windows(2).any(|pair| pair[0] != pair[1]);
    let exchange = Exchange {
        slots: small(request.rows),
        capacity: rows,
        layers: small(config.num_layers),
        hidden_quads: small(super::quads(config.hidden_output_size())),
        cell_size: if config.cell.has_cell_state() { small(config.hidden_size) } else { 0 },
        parity: small(plan.final_parity.first().copied().unwrap_or(0)) | u32::from(alternates) << 1,
    };
    let widest = (4 * u64::from(exchange.hidden_quads)).max(u64::from(exchange.cell_size));
    let elements = u64::from(exchange.layers) * u64::from(exchange.slots) * widest;
    let most = request.capabilities.max_compute_workgroups_per_dimension;
    let groups = u32::try_from(elements.div_ceil(64)).unwrap_or(most).min(most);
    let dispatch = |kind| Dispatch {
        kind,
        part: 0,
        moment: bytemuck::cast(exchange),
        input: Sequence::Input,
        output: Sequence::Output,
        parity: 0,
        grid: [groups, 1, 1],
    };
    plan.dispatches.insert(0, dispatch(Kind::Gather));
    plan.dispatches.push(dispatch(Kind::Scatter));
}
