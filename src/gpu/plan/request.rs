//! The request for a plan.

use super::parts::Part;
use crate::gpu::Capabilities;
use crate::{Config, Precision, Strategy};

/// The shape of a call, which is the key of cached workspaces and measurements: N (the rows of a piece), T,
/// the budget for the workspace in bytes, and the endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) struct CallShape {
    pub(in crate::gpu) rows: usize,
    pub(in crate::gpu) steps: usize,
    pub(in crate::gpu) budget: u64,
    pub(in crate::gpu) endpoints: Endpoints,
}

/// Where a pass reads its input and initial state, and where it writes its output and final state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::gpu) enum Endpoints {
    /// The host's arrays, through staging buffers.
    #[default]
    Host,
    /// The host's arrays for input and output. The state stays in a session.
    Session {
        /// R, the number of the session's rows.
        rows: u32,
    },
    /// The caller's buffers on the GPU. There are no staging buffers, and the work becomes part of the
    /// caller's submission.
    Buffers,
    /// The caller's buffers for input and output. The state stays in a session.
    SessionBuffers {
        /// R, the number of the session's rows.
        rows: u32,
    },
}

impl Endpoints {
    /// Returns R if the state stays in a session.
    pub(in crate::gpu) fn session_rows(self) -> Option<u32> {
        match self {
            Endpoints::Session { rows } | Endpoints::SessionBuffers { rows } => Some(rows),
            Endpoints::Host | Endpoints::Buffers => None,
        }
    }

    /// Returns whether input and output are the caller's buffers, and the work is part of the caller's submission.
    pub(in crate::gpu) fn are_buffers(self) -> bool {
        matches!(self, Endpoints::Buffers | Endpoints::SessionBuffers { .. })
    }
}

/// A request for a plan: everything that the plan depends on.
#[derive(Clone, Copy, Debug)]
pub(in crate::gpu) struct Request<'a> {
    pub(in crate::gpu) config: &'a Config,
    pub(in crate::gpu) precision: Precision,
    pub(in crate::gpu) parts: &'a [Part],
    pub(in crate::gpu) rows: usize,
    pub(in crate::gpu) steps: usize,
    pub(in crate::gpu) capabilities: &'a Capabilities,
    /// The budget for the workspace, in bytes.
    pub(in crate::gpu) budget: u64,
    /// If true, wgpu adds bounds checks to the kernels.
    pub(in crate::gpu) bounds_checks: bool,
    pub(in crate::gpu) endpoints: Endpoints,
    /// The family for `Strategy::Auto`, if it is chosen already. Otherwise it is the layer's.
    pub(in crate::gpu) family: Option<&'static [Strategy]>,
}

impl<'a> Request<'a> {
    /// Returns a request for a pass without bounds checks.
    pub(in crate::gpu) fn new(
        config: &'a Config,
        precision: Precision,
        parts: &'a [Part],
        capabilities: &'a Capabilities,
        CallShape { rows, steps, budget, endpoints }: CallShape,
    ) -> Self {
        let bounds_checks = false;
        Request {
            config,
            precision,
            parts,
            rows,
            steps,
            capabilities,
            budget,
            bounds_checks,
            endpoints,
            family: None,
        }
    }

    /// Returns a request for a forward pass from the host with the default budget and weights in f32.
    #[cfg(test)]
    pub(in crate::gpu) fn usual(
        config: &'a Config,
        parts: &'a [Part],
        rows: usize,
        steps: usize,
        capabilities: &'a Capabilities,
    ) -> Self {
        let size = CallShape { rows, steps, budget: super::BUDGET, endpoints: Endpoints::Host };
        Request::new(config, Precision::F32, parts, capabilities, size)
    }
}

/// Converts a size to 32 bits. `PassMemory::fitting` checks that every index fits into 32 bits.
pub(in crate::gpu) fn small(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
