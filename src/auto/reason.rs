//! Why a backend is taken.

use std::fmt;
use std::time::Duration;

use crate::Error;

/// Why [`Backend::auto`](crate::Backend::auto) takes what it takes. Times are the [rule](crate::auto)'s estimates of one
/// forward pass, from the host's input to the host's output.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reason {
    /// The CPU: it is expected to take less than twice of what a GPU's answer alone takes, whatever is computed. Adapters
    /// were not looked at.
    TooSmall {
        /// What the CPU is expected to take.
        cpu: Duration,
        /// What a submission to a GPU and its answer take.
        submission: Duration,
    },
    /// The CPU: there is no adapter.
    NoAdapter {
        /// [`Error::NoAdapter`].
        error: Error,
    },
    /// The CPU: all adapters are drivers on the CPU, which are slower than the CPU backend.
    SoftwareOnly {
        /// Name and backend of each.
        adapters: Vec<String>,
    },
    /// The CPU: the GPU cannot run the layer, or cannot be opened.
    Unusable {
        /// The GPU's name and backend.
        adapter: String,
        /// [`Error::Unsupported`], [`Error::TooLarge`] or [`Error::Device`].
        error: Error,
    },
    /// The CPU: it is expected to be as fast as the GPU or faster.
    CpuFaster {
        /// The GPU's name and backend.
        adapter: String,
        /// What is expected of the two.
        expected: Expected,
    },
    /// The CPU: the GPU is expected to be faster, but not as much as it is taken for.
    TooClose {
        /// The GPU's name and backend.
        adapter: String,
        /// What is expected of the two.
        expected: Expected,
    },
    /// The GPU: it is expected to be at least twice as fast.
    GpuFaster {
        /// The GPU's name and backend.
        adapter: String,
        /// What is expected of the two.
        expected: Expected,
    },
}

/// What a forward pass is expected to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Expected {
    /// On the CPU backend.
    pub cpu: Duration,
    /// On the GPU, with the way there and back.
    pub gpu: Duration,
}

impl Expected {
    pub(super) fn new(cpu_us: f64, gpu_us: f64) -> Self {
        Expected { cpu: duration(cpu_us), gpu: duration(gpu_us) }
    }

    /// How many times as fast as the CPU backend the GPU is expected to be.
    pub fn speedup(&self) -> f64 {
        self.cpu.as_secs_f64() / self.gpu.as_secs_f64()
    }
}

impl Reason {
    /// What was expected of the CPU and of the GPU that was looked at, if one was.
    pub fn expected(&self) -> Option<Expected> {
        match self {
            Reason::CpuFaster { expected, .. }
            | Reason::TooClose { expected, .. }
            | Reason::GpuFaster { expected, .. } => Some(*expected),
            _ => None,
        }
    }
}

/// Microseconds as a duration: the longest one, if they are more than that.
pub(super) fn duration(us: f64) -> Duration {
    Duration::try_from_secs_f64(1e-6 * us).unwrap_or(Duration::MAX)
}

/// A clause that goes on after "since".
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::TooSmall { cpu, submission } => {
                let (cpu, submission) = (Ms(*cpu), Ms(*submission));
                write!(f, "there is too little work for a GPU (cpu {cpu}, a GPU's answer alone {submission})")
            }
            Reason::NoAdapter { error } => error.fmt(f),
            Reason::SoftwareOnly { .. } => {
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
            Reason::GpuFaster { expected, .. } => {
                let times = expected.speedup();
                write!(f, "it is expected to be {times:.1} times as fast as the CPU ({expected})")
            }
        }
    }
}

/// `cpu 35.1 ms, gpu 2.71 ms`.
impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cpu {}, gpu {}", Ms(self.cpu), Ms(self.gpu))
    }
}

/// Milliseconds with about three digits.
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
