//! The weights, divided into the smallest number of buffers that the limits allow.

use std::ops::Range;

#[cfg(doc)]
use crate::ErrorKind;
use crate::array::push;
use crate::error::Fault;
use crate::gpu::Capabilities;
use crate::gpu::pack::{self, quads};
use crate::{Config, Error, Precision};

/// The indices (layer * D + direction) whose weights share a buffer, and the size of the buffer in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gpu) struct Part {
    pub(in crate::gpu) indices: Range<usize>,
    pub(in crate::gpu) bytes: u64,
}

/// Divides the weights into parts.
///
/// # Errors
///
/// [`ErrorKind::TooLarge`] if the weights of one direction of a layer or the hidden state of one row are too
/// large for a buffer. The second check limits the number of layers before the loop over them.
pub(in crate::gpu) fn parts(
    config: &Config,
    precision: Precision,
    capabilities: &Capabilities,
) -> Result<Vec<Part>, Error> {
    let limit = capabilities.max_storage_buffer_binding_size.min(capabilities.max_buffer_size);
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
            let what = format!("bytes of weights of one direction of layer {layer}");
            return Err(Error::from(Fault::TooLarge { what, needed: bytes, limit }));
        }
        match parts.last_mut() {
            Some(part) if part.bytes + bytes <= limit => {
                part.indices.end = index + 1;
                part.bytes += bytes;
            }
            _ => push("parts of the weights", &mut parts, Part { indices: index..index + 1, bytes })?,
        }
    }
    Ok(parts)
}
