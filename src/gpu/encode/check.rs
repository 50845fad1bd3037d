//! Checks the caller's buffers against their contract.

use std::ops::Range;

use wgpu::{Buffer, BufferBinding, BufferUsages};

use super::buffers::{GpuBuffers, Slot};
use crate::error::Fault;
use crate::gpu::Capabilities;
use crate::{Config, Error};

/// A buffer that fits the contract, with the range of its array.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given<'a> {
    pub(super) buffer: &'a Buffer,
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

impl Given<'_> {
    fn range(&self) -> Range<u64> {
        self.offset..self.offset + self.bytes
    }
}

/// The buffers of a call in the order of [`Slot::ALL`]; `None` for a buffer that was not given.
pub(super) type AllGiven<'a> = [Option<Given<'a>>; 7];

/// Checks everything that can be checked without the device.
pub(super) fn check<'a>(
    config: &Config,
    capabilities: &Capabilities,
    buffers: &GpuBuffers<'a>,
) -> Result<AllGiven<'a>, Error> {
    if buffers.steps == 0 {
        return Err(Error::from(Fault::NoSteps));
    }
    let mut all = [None; 7];
    for slot in Slot::ALL {
        if let Some(binding) = of(buffers, slot) {
            all[slot as usize] = Some(fitting(config, capabilities, buffers, slot, &binding)?);
        }
    }
    check_aliases(&all)?;
    Ok(all)
}

/// Checks that only input and output are given, for a call of a session.
pub(super) fn check_for_session(all: &AllGiven<'_>) -> Result<(), Error> {
    for slot in Slot::ALL {
        let expected = match slot {
            Slot::Input | Slot::Output => continue,
            Slot::Lengths => "none, since every row of the call has T steps; list the rows that have input",
            Slot::H0 | Slot::C0 | Slot::Hn | Slot::Cn => "none, since the session keeps the state",
        };
        if let Some(given) = all[slot as usize] {
            let found = format!("a buffer of {} bytes", given.buffer.size());
            return Err(Error::from(Fault::Buffer { name: slot.name(), expected: expected.into(), found }));
        }
    }
    Ok(())
}

fn of<'a>(buffers: &GpuBuffers<'a>, slot: Slot) -> Option<BufferBinding<'a>> {
    match slot {
        Slot::Input => Some(buffers.input.clone()),
        Slot::Lengths => buffers.lengths.clone(),
        Slot::H0 => buffers.h_0.clone(),
        Slot::C0 => buffers.c_0.clone(),
        Slot::Output => Some(buffers.output.clone()),
        Slot::Hn => buffers.h_n.clone(),
        Slot::Cn => buffers.c_n.clone(),
    }
}

fn fitting<'a>(
    config: &Config,
    capabilities: &Capabilities,
    buffers: &GpuBuffers<'_>,
    slot: Slot,
    binding: &BufferBinding<'a>,
) -> Result<Given<'a>, Error> {
    let refused =
        |expected: String, found: String| Error::from(Fault::Buffer { name: slot.name(), expected, found });
    let BufferBinding { buffer, offset, size } = *binding;
    if matches!(slot, Slot::C0 | Slot::Cn) && !config.cell.has_cell_state() {
        let expected = format!("none, since {} has no cell state", config.cell);
        return Err(refused(expected, format!("a buffer of {} bytes", buffer.size())));
    }
    if !buffer.usage().contains(BufferUsages::STORAGE) {
        return Err(refused("a buffer with the usage STORAGE".into(), format!("{:?}", buffer.usage())));
    }
    let alignment = u64::from(capabilities.min_storage_buffer_offset_alignment);
    if !offset.is_multiple_of(alignment) {
        return Err(refused(format!("an offset that is a multiple of {alignment}"), offset.to_string()));
    }
    let rest = buffer.size().saturating_sub(offset);
    let there = size.map_or(rest, |size| size.get());
    if offset > buffer.size() || there > rest {
        let expected = format!("bytes of a buffer that has {}", buffer.size());
        return Err(refused(expected, format!("{there} from {offset} on")));
    }
    let shape = shape(config, buffers, slot);
    let bytes = bytes(&shape).ok_or_else(|| {
        Error::from(Fault::TooLarge {
            what: format!("bytes of {} of shape {shape:?}", slot.name()),
            needed: u64::MAX,
            limit: capabilities.max_buffer_size,
        })
    })?;
    if there < bytes {
        return Err(refused(format!("at least {bytes} bytes for {shape:?}"), there.to_string()));
    }
    Ok(Given { buffer, offset, bytes })
}

fn shape(config: &Config, &GpuBuffers { batch, steps, .. }: &GpuBuffers<'_>, slot: Slot) -> Vec<usize> {
    let states = config.num_layers * config.directions();
    match slot {
        Slot::Input => vec![batch, steps, config.input_size],
        Slot::Lengths => vec![batch],
        Slot::H0 | Slot::Hn => vec![states, batch, config.hidden_output_size()],
        Slot::C0 | Slot::Cn => vec![states, batch, config.hidden_size],
        Slot::Output => vec![batch, steps, config.output_size()],
    }
}

/// Returns the bytes of an array of 4-byte words; `None` if the number overflows.
fn bytes(shape: &[usize]) -> Option<u64> {
    shape.iter().try_fold(4u64, |bytes, &size| bytes.checked_mul(size as u64))
}

fn check_aliases(all: &AllGiven<'_>) -> Result<(), Error> {
    let given = |slot: Slot| all[slot as usize].map(|given| (slot, given));
    let refused = |slot: Slot, expected: String, found: &str| {
        Err(Error::from(Fault::Buffer { name: slot.name(), expected, found: found.to_owned() }))
    };
    if let (Some((_, input)), Some((_, output))) = (given(Slot::Input), given(Slot::Output))
        && input.buffer == output.buffer
    {
        return refused(Slot::Output, "another buffer than input's".into(), "the same");
    }
    let written: Vec<(Slot, Given<'_>)> =
        Slot::ALL.into_iter().filter(|slot| slot.is_written()).filter_map(given).collect();
    for (index, &(slot, one)) in written.iter().enumerate() {
        for &(before, other) in &written[..index] {
            let (a, b) = (one.range(), other.range());
            if one.buffer == other.buffer && a.start < b.end && b.start < a.end {
                let expected = format!("bytes apart from {}'s {b:?}", before.name());
                return refused(slot, expected, &format!("{a:?}"));
            }
        }
    }
    Ok(())
}
