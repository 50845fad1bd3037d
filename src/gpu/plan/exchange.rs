//! A session's exchange of states, before and after a pass: the kernels `gather` and `scatter`.

use super::bindings::{Bound, Saved, Sequence};
use super::dispatch::{Dispatch, List};
use super::request::{Request, small};
use crate::Error;
use crate::array::room;
use crate::gpu::kernel::{Exchange, KernelSpec, file};
use crate::gpu::pack::quads;

/// The number of invocations in a workgroup.
const UNITS: u32 = 64;

/// Returns the kernels that a pass needs in addition to those of its layers.
pub(super) fn kernels(request: &Request<'_>) -> Vec<KernelSpec> {
    let names = if request.endpoints.session_rows().is_some() { &["gather", "scatter"][..] } else { &[] };
    let kernel = |name| KernelSpec::mover(name, file!("exchange"), UNITS, request.bounds_checks);
    names.iter().map(|name| kernel(name)).collect()
}

/// Adds a session's exchange of states before and after the dispatches of a pass. `kernel` is the number of
/// the first of its kernels.
///
/// # Errors
///
/// [`ErrorKind::OutOfMemory`](crate::ErrorKind::OutOfMemory).
pub(super) fn add(list: &mut List, request: &Request<'_>, kernel: usize) -> Result<(), Error> {
    let Some(rows) = request.endpoints.session_rows() else { return Ok(()) };
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
    let groups = u32::try_from(elements.div_ceil(u64::from(UNITS))).unwrap_or(most).min(most);
    let mut dispatch = |kernel, [from, to, second, other]: [Bound; 4]| {
        // Bindings 0, 2 and 3 are not used.
        let bindings = list.bound([
            Bound::Dims(0),
            Bound::Parameters,
            Bound::Weights(0),
            Bound::Sequence(Sequence::Input),
            from,
            to,
            Bound::Cell,
            second,
            Bound::Rows,
            other,
        ])?;
        Ok::<_, Error>(Dispatch { kernel, bindings, params: bytemuck::cast(exchange), grid: [groups, 1, 1] })
    };
    let [first, second] = [0, 1].map(Bound::Hidden);
    let [hidden, cell] = [Bound::SavedHidden, Bound::SavedCell];
    let gather = dispatch(kernel, [hidden(Saved::Read), first, second, cell(Saved::Read)])?;
    let scatter = dispatch(kernel + 1, [first, hidden(Saved::Written), cell(Saved::Written), second])?;
    room("dispatches", &mut list.dispatches, 2)?;
    list.dispatches.insert(0, gather);
    list.dispatches.push(scatter);
    // The first chunk includes the exchange.
    list.chunks.iter_mut().skip(1).for_each(|first| *first += 1);
    Ok(())
}
