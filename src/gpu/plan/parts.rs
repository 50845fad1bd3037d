//! The weights, divided into the smallest number of buffers that the limits allow.

use std::ops::Range;

#[cfg(doc)]
use crate::ErrorKind;
use crate::array::push;
use crate::error::Fault;
use crate::gpu::Capabilities;
use crate::gpu::pack::{self, quads};
use crate::{Config, Error, Precision, Strategy};

/// The indices (layer * D + direction) whose weights share a buffer, and the size of the buffer in bytes. If the weights
/// of one index are too large for a buffer, each of several parts has them for a range of units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gpu) struct Part {
    pub(in crate::gpu) indices: Range<usize>,
    pub(in crate::gpu) units: Range<usize>,
    pub(in crate::gpu) bytes: u64,
}

impl Part {
    /// Returns whether the part has the weights of some of the units only.
    pub(super) fn is_divided(&self, config: &Config) -> bool {
        self.units.len() < config.hidden_size
    }

    /// Returns the part's share of what all units have together.
    pub(super) fn share(&self, config: &Config, whole: u64) -> u64 {
        if self.is_divided(config) {
            whole / config.hidden_size as u64 * self.units.len() as u64
        } else {
            whole
        }
    }
}

/// Divides the weights into parts.
///
/// # Errors
///
/// [`ErrorKind::TooLarge`] if the hidden state of one row is too large for a buffer, or the weights of one unit, or those
/// of one direction of a layer with a projection. The first check limits the number of layers before the loop over them.
pub(in crate::gpu) fn parts(
    config: &Config,
    precision: Precision,
    capabilities: &Capabilities,
) -> Result<Vec<Part>, Error> {
    let limit = binding_limit(capabilities);
    let directions = config.num_layers.saturating_mul(config.directions());
    let state = [directions, quads(config.hidden_output_size())]
        .iter()
        .fold(16, |bytes: u64, &size| bytes.saturating_mul(size as u64));
    if state > limit {
        return Err(Error::from(Fault::TooLarge {
            what: "bytes of hidden state".into(),
            needed: state,
            limit,
        }));
    }
    let mut parts: Vec<Part> = Vec::new();
    for index in 0..directions {
        let layer = index / config.directions();
        let bytes = (precision.quad_bytes() * pack::elements(config, precision, layer)) as u64;
        if bytes > limit {
            divide(config, precision, index, limit, &mut parts)?;
            continue;
        }
        match parts.last_mut() {
            Some(part) if part.bytes + bytes <= limit && !part.is_divided(config) => {
                part.indices.end = index + 1;
                part.bytes += bytes;
            }
            _ => {
                let part = Part { indices: index..index + 1, units: 0..config.hidden_size, bytes };
                push("parts of the weights", &mut parts, part)?;
            }
        }
    }
    Ok(parts)
}

/// Appends the parts of an index whose weights are too large for one buffer: the fewest, of about the same size.
fn divide(
    config: &Config,
    precision: Precision,
    index: usize,
    limit: u64,
    parts: &mut Vec<Part>,
) -> Result<(), Error> {
    let (layer, h) = (index / config.directions(), config.hidden_size);
    let of_unit = (precision.quad_bytes() * pack::elements_of_unit(config, precision, layer)) as u64;
    let most = usize::try_from(limit / of_unit).unwrap_or(usize::MAX);
    if config.proj_size > 0 || most == 0 {
        return Err(Error::from(too_large(config, precision, layer, limit)));
    }
    let each = h.div_ceil(h.div_ceil(most));
    for start in (0..h).step_by(each) {
        let units = start..h.min(start + each);
        let bytes = of_unit * units.len() as u64;
        push("parts of the weights", parts, Part { indices: index..index + 1, units, bytes })?;
    }
    Ok(())
}

fn too_large(config: &Config, precision: Precision, layer: usize, limit: u64) -> Fault {
    let what = format!("bytes of weights of one direction of layer {layer}");
    let needed = (precision.quad_bytes() * pack::elements(config, precision, layer)) as u64;
    Fault::TooLarge { what, needed, limit }
}

/// Checks that a strategy can run with these parts.
///
/// # Errors
///
/// [`ErrorKind::TooLarge`] if the weights of one direction are divided and the strategy is not `step`: the other
/// kernels need those of all units.
pub(super) fn check(
    config: &Config,
    precision: Precision,
    capabilities: &Capabilities,
    parts: &[Part],
    strategy: Strategy,
) -> Result<(), Error> {
    let divided = parts.iter().find(|part| part.is_divided(config));
    match divided {
        Some(part) if strategy != Strategy::Step => {
            let limit = binding_limit(capabilities);
            Err(Error::from(too_large(config, precision, part.indices.start / config.directions(), limit)))
        }
        _ => Ok(()),
    }
}

fn binding_limit(capabilities: &Capabilities) -> u64 {
    capabilities.max_storage_buffer_binding_size.min(capabilities.max_buffer_size)
}
