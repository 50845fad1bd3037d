//! What the process and the device hold.

use std::fmt;

use wgpu_rnn::Gpu;

/// At one moment, with no call under way.
pub(crate) struct Memory {
    /// Bytes of the resident set, where the system tells.
    resident: Option<usize>,
    /// wgpu's counts: buffers, their bytes, bind groups, pipelines.
    objects: Option<[isize; 4]>,
}

impl Memory {
    pub(crate) fn now(gpu: Option<&Gpu>) -> Self {
        Memory {
            resident: memory_stats::memory_stats().map(|stats| stats.physical_mem),
            objects: gpu.map(|gpu| {
                // Drops what no submission needs any more. A device that cannot be polled has other tests.
                let _ = gpu.device().poll(wgpu_rnn::wgpu::PollType::wait_indefinitely());
                let counts = gpu.device().get_internal_counters().hal;
                [&counts.buffers, &counts.buffer_memory, &counts.bind_groups, &counts.compute_pipelines]
                    .map(|counter| counter.read())
            }),
        }
    }

    /// Returns the resident set as text.
    pub(crate) fn resident(&self) -> String {
        self.resident.map_or("unknown".into(), |bytes| format!("{} KiB", bytes >> 10))
    }

    /// Describes the memory or the objects that have grown since `before`, if any have. The numbers of objects are
    /// compared only if both are of the same device.
    pub(crate) fn grown(&self, before: &Memory, slack: usize, is_same_device: bool) -> Option<String> {
        if let (Some(now), Some(then)) = (self.resident, before.resident)
            && now > then + slack
        {
            return Some(format!("the resident set has grown by {} KiB", (now - then) >> 10));
        }
        // How many buffers a layer keeps depends on the shapes that came last: up to four workspaces a layer.
        match (self.objects.filter(|_| is_same_device), before.objects) {
            (Some(now), Some(then))
                if 2 * now[0] > 3 * then[0] || now[2] > 2 * then[2] || now[3] > then[3] =>
            {
                Some(format!("wgpu's objects have grown from {then:?} to {now:?}"))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.resident {
            Some(bytes) => write!(f, "{:.1} MiB resident", bytes as f64 / f64::from(1 << 20))?,
            None => f.write_str("resident set unknown")?,
        }
        if let Some([buffers, bytes, groups, pipelines]) = self.objects {
            let kib = bytes >> 10;
            write!(f, ", {buffers} buffers of {kib} KiB, {groups} bind groups, {pipelines} pipelines")?;
        }
        Ok(())
    }
}
