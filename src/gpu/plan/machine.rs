//! What the cost model knows of an adapter. docs/performance.md has the sources of the figures.

use crate::gpu::Capabilities;

/// The performance of an adapter. Times are in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Machine {
    /// The number of cores, each of which runs a workgroup at a time, or several if a workgroup is small.
    pub(super) cores: f64,
    /// The number of workgroups that a core interleaves, each in the waiting times of the others.
    pub(super) held: f64,
    /// The number of invocations that take no longer than one, and the multiple to which more are rounded.
    pub(super) wide: f64,
    /// The time between two dependent dispatches, with the recording of one.
    pub(super) launch_us: f64,
    /// The time of a step of `scan` in addition to its products: a barrier, and what is done once for all rows.
    pub(super) step_us: f64,
    /// The same for each invocation, where invocations run one after the other.
    pub(super) barrier_us: f64,
    /// The time from a load to its value.
    pub(super) latency_us: f64,
    /// The same for a load of workgroup memory.
    pub(super) near_latency_us: f64,
    /// The time in which a core does a multiply-add of one invocation.
    pub(super) madd_us: f64,
    /// The time in which a core loads the weights of one quad and column for one invocation.
    pub(super) load_us: f64,
    /// The time in which a core moves a quad and column of an invocation from one register to another: each load into
    /// registers moves all that came before it.
    pub(super) shift_us: f64,
    /// The factor on loads in a loop over steps, whose barriers let a software driver keep less in registers.
    pub(super) in_loop: f64,
    /// The time in which a core loads a quad of a vector for one invocation.
    pub(super) vector_us: f64,
    /// The bytes of weights that all cores together load per microsecond.
    pub(super) bytes_per_us: f64,
    /// The time of the elementwise part of a row behind a product: for a workgroup, since its rows come one
    /// after the other, and for each invocation, where invocations run one after the other.
    pub(super) finish_us: f64,
    pub(super) finish_each_us: f64,
    /// The same in a loop over steps: the second for kernels that have the state in registers.
    pub(super) finish_in_loop_us: f64,
    pub(super) finish_in_registers_us: f64,
    /// The time in which one core writes an element of an input product and reads it again.
    pub(super) gate_us: f64,
    /// Whether the vectors of several rows are shared through subgroups.
    pub(super) subgroups: bool,
}

/// lavapipe on one core of a recent x86-64 server.
const SOFTWARE: Machine = Machine {
    cores: 1.0,
    held: 1.0,
    wide: 8.0,
    launch_us: 28.0,
    step_us: 1.3,
    barrier_us: 0.01,
    latency_us: 0.0,
    near_latency_us: 0.0,
    madd_us: 0.063e-3,
    load_us: 6e-3,
    shift_us: 0.18e-3,
    in_loop: 1.6,
    vector_us: 6e-3,
    bytes_per_us: f64::INFINITY,
    finish_us: 0.0,
    finish_each_us: 0.03,
    finish_in_loop_us: 0.12,
    finish_in_registers_us: 0.035,
    gate_us: 4e-3,
    subgroups: false,
};

/// A GPU with memory of its own.
const DISCRETE: Machine = Machine {
    cores: 64.0,
    held: 4.0,
    wide: 64.0,
    launch_us: 5.5,
    step_us: 0.1,
    barrier_us: 0.0,
    latency_us: 0.13,
    near_latency_us: 0.03,
    madd_us: 64.0 / 15e6,
    load_us: 0.0,
    shift_us: 0.0,
    in_loop: 1.0,
    vector_us: 0.0,
    bytes_per_us: 3e6,
    finish_us: 0.25,
    finish_each_us: 0.0,
    finish_in_loop_us: 0.0,
    finish_in_registers_us: 0.0,
    gate_us: 2e-5,
    subgroups: false,
};

/// A GPU that shares the CPU's memory.
const INTEGRATED: Machine = Machine {
    cores: 8.0,
    latency_us: 0.19,
    launch_us: 8.0,
    finish_us: 0.4,
    madd_us: 8.0 / 1.2e6,
    bytes_per_us: 0.4e6,
    gate_us: 2e-4,
    ..DISCRETE
};

impl Machine {
    /// Returns the machine that a plan is made for.
    pub(super) fn of(capabilities: &Capabilities) -> Machine {
        match (capabilities.software, capabilities.discrete) {
            (true, _) => Machine {
                cores: f64::from(capabilities.cores),
                subgroups: capabilities.shares_in_subgroups(),
                ..SOFTWARE
            },
            (false, true) => DISCRETE,
            (false, false) => INTEGRATED,
        }
    }
}

/// GPUs whose latencies and rates are published, or estimated for the last two: latency of the L2 cache, its rate,
/// multiply-adds, and cores.
#[cfg(test)]
pub(super) const NAMED: [(&str, Machine); 5] = {
    const fn of(like: Machine, cores: f64, madds_per_us: f64, latency_us: f64, bytes_per_us: f64) -> Machine {
        Machine { cores, madd_us: cores / madds_per_us, latency_us, bytes_per_us, ..like }
    }
    [
        ("RTX 4090", of(DISCRETE, 128.0, 41e6, 0.108, 5e6)),
        ("H100", of(DISCRETE, 132.0, 30e6, 0.15, 5.5e6)),
        ("RX 7900 XTX", of(DISCRETE, 96.0, 15e6, 0.115, 3.5e6)),
        ("M2", of(INTEGRATED, 10.0, 1.8e6, 0.2, 0.5e6)),
        ("Iris Xe", of(INTEGRATED, 6.0, 1e6, 0.17, 0.35e6)),
    ]
};
