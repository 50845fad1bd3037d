//! The reasons for choosing a backend.

use std::fmt;
use std::time::Duration;

use crate::Error;

/// The reason for a choice. Times are the rule's
/// estimates of one forward pass, from the host's input to the host's output.
#[derive(Debug)]
pub(super) enum Reason {
    /// The CPU: it is expected to take less than twice the time of an empty submission to a GPU and its
    /// answer. The rule did not look for adapters.
    TooSmall {
        /// The expected time of the CPU.
        cpu: Duration,
        /// The time of a submission to a GPU and its answer.
        submission: Duration,
    },
    /// The CPU: there is no adapter.
    NoAdapter {
        /// The error that lists the adapters.
        error: Error,
    },
    /// The CPU: all adapters are drivers that run on the CPU, which are slower than the CPU backend.
    SoftwareOnly,
    /// The CPU: the GPU cannot run the layer, or cannot be opened.
    Unusable {
        /// The GPU's name and backend.
        adapter: String,
        /// The error that names what the adapter lacks, or the driver's reason.
        error: Error,
    },
    /// The CPU: it is expected to be as fast as the GPU or faster.
    CpuFaster {
        /// The GPU's name and backend.
        adapter: String,
        /// The expected times of both.
        expected: Expected,
    },
    /// The CPU: the GPU is expected to be faster, but less than twice as fast.
    TooClose {
        /// The GPU's name and backend.
        adapter: String,
        /// The expected times of both.
        expected: Expected,
    },
    /// The GPU: it is expected to be at least twice as fast.
    GpuFaster {
        /// The expected times of both.
        expected: Expected,
    },
}

/// The expected times of a forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    /// On the CPU backend.
    pub(super) cpu: Duration,
    /// On the GPU, including the transfers to it and back.
    pub(super) gpu: Duration,
}

impl Expected {
    pub(super) fn new(cpu_us: f64, gpu_us: f64) -> Self {
        Expected { cpu: duration(cpu_us), gpu: duration(gpu_us) }
    }

    /// Returns the expected speedup of the GPU over the CPU backend.
    pub(super) fn speedup(&self) -> f64 {
        self.cpu.as_secs_f64() / self.gpu.as_secs_f64()
    }
}

impl Reason {
    /// Returns the expected times of the CPU and of the GPU that was considered, if there was one.
    pub(super) fn expected(&self) -> Option<Expected> {
        match self {
            Reason::CpuFaster { expected, .. }
            | Reason::TooClose { expected, .. }
            | Reason::GpuFaster { expected } => Some(*expected),
            _ => None,
        }
    }
}

/// Converts microseconds to a duration. The result saturates at the longest duration.
pub(super) fn duration(us: f64) -> Duration {
    Duration::try_from_secs_f64(1e-6 * us).unwrap_or(Duration::MAX)
}

/// Formats a clause that follows "since".
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::TooSmall { cpu, submission } => {
                let (cpu, submission) = (Ms(*cpu), Ms(*submission));
                write!(f, "there is too little work for a GPU (cpu {cpu}, a GPU's answer alone {submission})")
            }
            Reason::NoAdapter { error } => error.fmt(f),
            Reason::SoftwareOnly => {
                f.write_str("there are only software adapters, which run on the CPU and are slow")
            }
            Reason::Unusable { adapter, error } => write!(f, "{adapter} cannot run it: {error}"),
            Reason::CpuFaster { adapter, expected } => {
                let times = 1.0 / expected.speedup();
                write!(f, "the CPU is expected to be {times:.1} times as fast as {adapter} ({expected})")
            }
            Reason::TooClose { adapter, expected } => {
                let times = expected.speedup();
                write!(f, "{adapter} is expected to be only {times:.2} times as fast as the CPU ({expected})")
            }
            Reason::GpuFaster { expected } => {
                let times = expected.speedup();
                write!(f, "it is expected to be {times:.1} times as fast as the CPU ({expected})")
            }
        }
    }
}

/// Formats the times as `cpu 35.1 ms, gpu 2.71 ms`.
impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cpu {}, gpu {}", Ms(self.cpu), Ms(self.gpu))
    }
}

/// Formats milliseconds with about three digits.
struct Ms(Duration);

impl fmt::Display for Ms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = 1e3 * self.0.as_secs_f64();
        let digits = match ms {
            ..1.0 => 3,
            ..10.0 => 2,
            _ => 1,
        };
        write!(f, "{ms:.digits$} ms")
    }
}
