//! A session's exchange of states, before and after a pass.

use super::dispatch::{Dispatch, List, Sequence};
use super::request::{Endpoints, Request, small};
use crate::gpu::kernel::{Exchange, Kind};
use crate::gpu::pack::quads;

/// Adds a session's exchange of states before and after the dispatches of a pass.
pub(super) fn add(list: &mut List, request: &Request<'_>) {
    let Endpoints::Session { rows } = request.endpoints else { return };
    let config = request.config;
    let alternates = list.final_parity.windows(2).any(|pair| pair[0] != pair[1]);
    let exchange = Exchange {
        slots: small(request.rows),
        capacity: rows,
        layers: small(config.num_layers),
        hidden_quads: small(quads(config.hidden_output_size())),
        cell_size: small(config.cell_state_size()),
        parity: small(list.final_parity.first().copied().unwrap_or(0)) | u32::from(alternates) << 1,
    };
    let widest = (4 * u64::from(exchange.hidden_quads)).max(u64::from(exchange.cell_size));
    let elements = u64::from(exchange.layers) * u64::from(exchange.slots) * widest;
    let most = request.capabilities.max_compute_workgroups_per_dimension;
    let groups = u32::try_from(elements.div_ceil(64)).unwrap_or(most).min(most);
    let dispatch = |kind| Dispatch {
        kind,
        part: 0,
        params: bytemuck::cast(exchange),
        input: Sequence::Input,
        output: Sequence::Output,
        parity: 0,
        grid: [groups, 1, 1],
    };
    list.dispatches.insert(0, dispatch(Kind::Gather));
    list.dispatches.push(dispatch(Kind::Scatter));
}

#[cfg(test)]
mod tests {
    use super::super::{BUDGET, Plan, Strategy, parts};
    use super::*;
    use crate::{Config, Precision, inspect::Capabilities};

    #[test]
    fn between_the_callers_buffers_nothing_is_staged() {
        let capabilities = &Capabilities::default();
        // From the host, these inputs are wide enough for several segments.
        for (config, own_input) in [(Config::gru(8000, 64), 0), (Config::gru(7999, 64), 4 * 300 * 8000)] {
            let parts = &parts(&config, Precision::F32, capabilities).unwrap()[..];
            let plan = |endpoints, budget| {
                let request =
                    Request { budget, endpoints, ..Request::usual(&config, parts, 1, 300, capabilities) };
                Plan::new(&request, Strategy::Scan).unwrap()
            };
            let half = plan(Endpoints::Host, BUDGET).bytes.workspace() * 2 / 3;
            let [host, buffers] =
                [Endpoints::Host, Endpoints::Buffers].map(|endpoints| plan(endpoints, half));
            assert!(host.segments.len() > 1 && host.bytes.upload > 0 && host.bytes.download > 0);
            let [segment] = &buffers.segments[..] else { panic!("{:?}", buffers.segments) };
            assert_eq!(segment.dispatches, 0..buffers.dispatches.len());
            assert_eq!((buffers.upload_bytes(segment), buffers.download_bytes(segment)), (0, 0));
            assert_eq!((buffers.bytes.upload, buffers.bytes.download), (0, 0));
            assert_eq!((buffers.bytes.own_input, buffers.bytes.own_output), (own_input, 0));
            assert_eq!((host.bytes.own_input, host.bytes.own_output), (host.bytes.input, host.bytes.output));
            // Everything else is the same, so the results have the same bits.
            assert_eq!((&host.dispatches, &host.kernels), (&buffers.dispatches, &buffers.kernels));
            assert_eq!(host.bytes.workspace(), buffers.bytes.workspace());
        }
    }
}
