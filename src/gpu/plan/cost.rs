//! The cost model: the expected time of a plan. The figures are coarse; they only have to put the plans into the
//! right order.
//!
//! A dispatch costs its launch and its waves of workgroups. A workgroup's step costs
//!
//! - the chain of its loads: quads divided by the quads in flight, times the latency of a load,
//! - or, where that takes longer, what its core does: loads of weights and of vectors, and multiply-adds,
//! - and the elementwise part behind the sums of each row.
//!
//! A wave has as many workgroups as the cores hold. No dispatch is faster than its loads of weights at the rate of
//! the whole GPU's cache. Input products that are computed ahead are written and read once more. A step of `scan`
//! costs a barrier instead of a launch; `scan` has one workgroup for each tile of rows, so it uses at most that many
//! cores. Weights in registers or in workgroup memory are loaded once, and those of a tile once for its rows in each step.

use std::slice;

use super::choice::Choice;
use super::machine::Machine;
use super::request::{Request, small};
use super::shared::BLOCK;
use super::stage::{Pace, Product, Stage, Vector};
use crate::gpu::kernel::{BLOCKS_AT_ONCE, LANES, MAX_UNITS, Tiling, WeightsIn};

/// A slow integrated GPU, which limits the work of one dispatch. Estimated: 20 GFLOP/s in all, on eight
/// cores.
const SLOW_MULTIPLY_ADDS_PER_US: f64 = 10_000.0;
const SLOW_CORES: f64 = 8.0;
/// The maximum time of one dispatch: half of the two seconds after which drivers give up.
const PATIENCE_US: f64 = 1e6;

/// The calls that are expected of a layer. A kernel that takes longer to compile must save that time in these calls.
const CALLS: f64 = 300.0;
/// The time to compile a kernel with weights in registers, beyond that of the others, on a software driver. Measured
/// with lavapipe (Mesa 22.3 and 25.0): 0.3 to 0.7 s, and up to 3 s for more products.
const COMPILING_US: f64 = 3e5;
/// The same for each product that is written out.
const COMPILING_PRODUCT_US: f64 = 4e3;

/// The time of a dispatch's workgroups.
#[derive(Clone, Copy, Debug, Default)]
struct Work {
    /// The number of workgroups.
    groups: f64,
    /// The number of workgroups that a core interleaves; 0 stands for one.
    held: f64,
    /// The time of a workgroup if its core had nothing else to do and did everything at once: waiting.
    chain_us: f64,
    /// The time in which a core is busy with a workgroup.
    busy_us: f64,
    /// The bytes of weights that all workgroups load.
    bytes: f64,
}

impl Machine {
    /// Returns the time of a dispatch, without the launch.
    fn dispatch_us(&self, work: Work) -> f64 {
        let waves = (work.groups / (self.cores * work.held.max(1.0))).ceil();
        let of_core = (work.groups / self.cores).ceil();
        (waves * work.chain_us).max(of_core * work.busy_us) + work.bytes / self.bytes_per_us
    }

    /// Returns the work of some products of a stage in a layer: of a step, or of one tile of rows of all steps.
    fn work(
        &self,
        request: &Request<'_>,
        stage: &Stage,
        products: &[Product],
        layer: usize,
        tiles: f64,
    ) -> Work {
        let Tiling { units, rows, weights } = stage.tiling;
        let invocations = (f64::from(units) / self.wide).ceil() * self.wide;
        let rows = f64::from(rows);
        let held = self.held * f64::from(MAX_UNITS) / f64::from(units.max(MAX_UNITS));
        let mut work = Work { held, ..Work::default() };
        for product in products {
            let (passes, all_quads) =
                (stage.passes(product) as f64, product.quads(request.config, layer) as f64);
            // Invocations that share an item have a part of its quads each.
            let quads = match weights {
                WeightsIn::Blocks => {
                    let at_once = (BLOCK as f64) * f64::from(BLOCKS_AT_ONCE);
                    (all_quads / at_once).ceil() * BLOCK as f64
                }
                _ => stage.shared().map_or(all_quads, |shared| (BLOCK * shared.blocks) as f64),
            };
            let columns = (product.each * product.columns) as f64;
            let latency_us = match weights {
                WeightsIn::Workgroup | WeightsIn::Parts => self.near_latency_us,
                // The barriers around each block.
                WeightsIn::Tiles => self.latency_us + self.near_latency_us,
                // The barrier, and the sums of the others, which are loaded at once.
                WeightsIn::Blocks => self.latency_us + 2.0 * self.near_latency_us,
                WeightsIn::Buffer | WeightsIn::Registers => self.latency_us,
            };
            let in_registers = weights == WeightsIn::Registers;
            let (loads_us, finish_us) = match stage.pace {
                _ if in_registers => (0.0, self.finish_in_registers_us),
                Pace::Loop => (self.in_loop * self.load_us, self.finish_in_loop_us),
                Pace::Rows | Pace::Step => (self.load_us, self.finish_each_us),
            };
            let sums = rows * columns * 4.0 * quads;
            let vectors_us =
                self.vectors(stage) * if stage.loops() && !in_registers { self.in_loop } else { 1.0 };
            work.chain_us += passes * (quads / self.in_flight(stage) * latency_us + rows * self.finish_us);
            let each_us =
                columns * quads * loads_us + vectors_us * quads * self.vector_us + sums * self.madd_us;
            work.busy_us += passes * invocations * (each_us + rows * finish_us);
            if matches!(weights, WeightsIn::Buffer | WeightsIn::Tiles | WeightsIn::Blocks) {
                work.bytes += product.width() as f64 * all_quads * request.precision.quad_bytes() as f64;
            }
        }
        let directions = request.config.directions() as f64;
        work.groups = tiles * directions;
        work.bytes *= directions * (request.rows as f64 / f64::from(stage.tiling.rows_of_workgroup())).ceil();
        if stage.loops() {
            work.chain_us += self.step_us;
            work.busy_us += self.step_us + invocations * self.barrier_us;
            // The second barrier, behind which the sums are loaded.
            let parts_us = self.step_us + 2.0 * self.near_latency_us;
            work.chain_us += if weights == WeightsIn::Parts { parts_us } else { 0.0 };
        }
        work
    }

    /// Returns the time in which a loop loads its weights into registers, which each chunk of steps does.
    fn loading_us(&self, request: &Request<'_>, stage: &Stage) -> f64 {
        let product = &stage.products[0];
        let groups = (stage.workgroups(request.rows) as f64) * request.config.directions() as f64;
        let work = Work { groups, ..Work::default() };
        match stage.tiling.weights {
            WeightsIn::Registers => {
                let columns = (product.each * product.columns) as f64;
                let busy_us = f64::from(stage.tiling.units) * self.loaded_us(columns, stage.quads() as f64);
                self.dispatch_us(Work { busy_us, ..work })
            }
            WeightsIn::Parts => {
                let quads = product.width() * stage.quads();
                let bytes = groups * (quads * request.precision.quad_bytes()) as f64;
                self.dispatch_us(Work { chain_us: self.latency_us, bytes, ..work })
            }
            WeightsIn::Buffer | WeightsIn::Workgroup | WeightsIn::Tiles | WeightsIn::Blocks => 0.0,
        }
    }

    /// Returns the time in which a core loads all weights of an invocation into registers.
    fn loaded_us(&self, columns: f64, quads: f64) -> f64 {
        columns * quads * (self.load_us + quads * self.shift_us)
    }

    /// Returns the number of quads whose weights an invocation loads before it waits for them: those of a block for
    /// a single row or a tile, and two where several rows need registers, too.
    fn in_flight(&self, stage: &Stage) -> f64 {
        let is_block = stage.tiling.rows == 1 || stage.tiling.weights == WeightsIn::Tiles;
        if is_block { 4.0 } else { 2.0 }
    }

    /// Returns the number of quads of vectors that an invocation loads for each quad of the product.
    fn vectors(&self, stage: &Stage) -> f64 {
        let Tiling { rows, weights, .. } = stage.tiling;
        let shared = weights == WeightsIn::Registers || (self.subgroups && rows > 1);
        f64::from(rows) / if shared { f64::from(LANES) } else { 1.0 }
    }

    /// Returns the time of some products of a step of a layer, without the launch.
    fn step_us(&self, request: &Request<'_>, stage: &Stage, products: &[Product], layer: usize) -> f64 {
        let groups = stage.workgroups(request.rows) as f64;
        self.dispatch_us(self.work(request, stage, products, layer, groups))
    }

    /// Returns the time of the products of all steps at once.
    fn ahead_us(&self, request: &Request<'_>, stage: &Stage, layer: usize) -> f64 {
        let rows = request.rows.saturating_mul(request.steps);
        let rows_of_workgroup = stage.tiling.rows_of_workgroup() as usize;
        let tiles = rows.div_ceil(rows_of_workgroup) as f64;
        let groups = stage.workgroups(rows) as f64;
        let mut work = self.work(request, stage, &stage.products, layer, groups);
        let product = &stage.products[0];
        let invocations = f64::from(stage.tiling.units);
        let columns = (product.each * product.columns) as f64;
        let elements = f64::from(stage.tiling.rows) * columns * invocations;
        // The gates take the place of the elementwise part.
        let finish_us = if stage.tiling.weights == WeightsIn::Registers {
            self.finish_in_registers_us
        } else {
            self.finish_each_us
        };
        work.busy_us += elements * self.gate_us - f64::from(stage.tiling.rows) * invocations * finish_us;
        work.bytes *= tiles / (request.rows as f64 / rows_of_workgroup as f64).ceil();
        if stage.tiling.weights == WeightsIn::Registers {
            let across = product.invocations().div_ceil(stage.tiling.units as usize) as f64;
            let loading_us = self.loaded_us(columns, product.quads(request.config, layer) as f64);
            work.busy_us = work.busy_us * tiles * across / groups + invocations * loading_us;
        }
        self.dispatch_us(work)
    }

    /// Returns the time of a stage in all layers and steps. The second product of a step counts as a launch,
    /// and the loops of all chunks count as one launch.
    fn stage_us(&self, request: &Request<'_>, choice: &Choice, stage: &Stage, chunk: u32) -> f64 {
        let (steps, layers) = (request.steps as f64, stage.layers.len());
        let is_second = !stage.is_recurrent();
        // A step has a dispatch for each buffer of weights.
        let parts = request.parts.len();
        let launches = match stage.pace {
            Pace::Step if choice.is_diagonal(request.config) && !is_second => {
                steps * parts as f64 + layers.saturating_sub(parts) as f64
            }
            Pace::Step => steps * layers.max(parts) as f64,
            Pace::Rows => (steps / f64::from(chunk.max(1))).ceil() * layers as f64,
            Pace::Loop => layers as f64,
        };
        let of_layer = |layer| match stage.pace {
            Pace::Rows => self.ahead_us(request, stage, layer),
            Pace::Step if is_second => 0.0,
            Pace::Step => steps * self.step_us(request, stage, &stage.products, layer),
            Pace::Loop => {
                let chunks = (steps / f64::from(chunk.max(1))).ceil();
                chunks * self.loading_us(request, stage)
                    + steps * self.step_us(request, stage, &stage.products, layer)
            }
        };
        launches * self.launch_us + stage.layers.clone().map(of_layer).sum::<f64>()
    }
}

/// Returns the expected time of a forward pass on the device in microseconds, without upload and readback.
/// `chunk` is the number of steps in a chunk.
pub(super) fn expected_us(request: &Request<'_>, choice: &Choice, chunk: u32) -> f64 {
    pass_us(&Machine::of(request.capabilities), request, choice, chunk)
}

fn pass_us(machine: &Machine, request: &Request<'_>, choice: &Choice, chunk: u32) -> f64 {
    choice.stages.iter().map(|stage| machine.stage_us(request, choice, stage, chunk)).sum()
}

/// Returns the share of a call in the time that the kernels of a choice take longer to compile than others.
pub(super) fn compiling_us(stages: &[Stage]) -> f64 {
    let of_stage = |stage: &Stage| {
        let quads = small(stage.quads());
        match stage.tiling.weights {
            WeightsIn::Registers => {
                COMPILING_US + f64::from(quads * stage.tiling.rows) * COMPILING_PRODUCT_US
            }
            WeightsIn::Buffer
            | WeightsIn::Workgroup
            | WeightsIn::Parts
            | WeightsIn::Tiles
            | WeightsIn::Blocks => 0.0,
        }
    };
    stages.iter().map(of_stage).sum::<f64>() / CALLS
}

/// Returns the expected time of all steps of a recurrent stage, without the input product. A loop over steps has no
/// launch.
pub(super) fn recurrent_us(request: &Request<'_>, stage: &Stage) -> f64 {
    let machine = Machine::of(request.capabilities);
    let skipped = stage.products.iter().filter(|product| product.vector == Vector::Input).count();
    let launch_us = if stage.loops() { 0.0 } else { machine.launch_us };
    let step_us = launch_us + machine.step_us(request, stage, &stage.products[skipped..], 0);
    let steps = request.steps as f64 * request.config.num_layers as f64;
    let loading_us = if stage.loops() { machine.loading_us(request, stage) } else { 0.0 };
    steps * step_us + request.config.num_layers as f64 * loading_us + compiling_us(slice::from_ref(stage))
}

/// Returns the expected time of the input products, which may be several stages.
pub(super) fn ahead_us(request: &Request<'_>, stages: &[Stage]) -> f64 {
    let machine = Machine::of(request.capabilities);
    let of_stage = |stage: &Stage| {
        stage.layers.clone().map(|layer| machine.ahead_us(request, stage, layer)).sum::<f64>()
    };
    stages.iter().map(of_stage).sum::<f64>() + compiling_us(stages)
}

/// Returns the number of steps that one dispatch may compute even on a slow GPU.
pub(super) fn patient_steps(request: &Request<'_>, choice: &Choice) -> u32 {
    let config = request.config;
    let step_us = |stage: &Stage| {
        let of_row = stage.layers.clone().map(|layer| stage.multiply_adds(layer)).fold(0.0, f64::max);
        let directions = config.directions() as f64;
        match stage.pace {
            Pace::Rows => of_row * directions * request.rows as f64 / SLOW_MULTIPLY_ADDS_PER_US,
            Pace::Step => 0.0,
            Pace::Loop => {
                let waves = (stage.workgroups(request.rows) as f64 * directions / SLOW_CORES).ceil();
                waves * f64::from(stage.tiling.rows) * of_row / (SLOW_MULTIPLY_ADDS_PER_US / SLOW_CORES)
            }
        }
    };
    let longest = choice.stages.iter().map(step_us).fold(1e-3, f64::max);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped first")]
    let steps = (PATIENCE_US / longest).clamp(1.0, f64::from(u32::MAX)) as u32;
    steps
}

#[cfg(test)]
mod tests {
    use super::super::machine::NAMED;
    use super::super::stages::stages;
    use super::super::{Plan, Strategy, parts};
    use super::*;
    use crate::gpu::Capabilities;
    use crate::{Config, Precision};

    /// The times in milliseconds of the LSTMs of `wgpu-rnn bench`, estimated for each GPU from published latencies
    /// and rates: with four quads in flight, and with one. The figures of `seed` and `speech` on discrete GPUs are half of
    /// that: the recurrent weights of `seed` stay in registers, and the steps of `speech` are in blocks. `wide` and `big` are
    /// in tiles, which load the weights once for 32 rows, a block of quads at a time. Name, N, T, I, H, L, D, strategy.
    type Roofline = (&'static str, [usize; 6], Strategy, [(f64, f64); 5]);
    const ROOFLINE: [Roofline; 8] = [
        (
            "tiny",
            [1, 100, 5, 8, 1, 1],
            Strategy::Scan,
            [(0.04, 0.04), (0.05, 0.05), (0.05, 0.05), (0.06, 0.06), (0.08, 0.08)],
        ),
        (
            "stream",
            [1, 1, 80, 256, 2, 1],
            Strategy::Step,
            [(0.02, 0.03), (0.02, 0.04), (0.02, 0.04), (0.02, 0.06), (0.03, 0.06)],
        ),
        (
            "small",
            [1, 100, 64, 128, 1, 1],
            Strategy::Scan,
            [(0.29, 0.8), (0.39, 1.1), (0.31, 0.86), (0.5, 1.5), (0.6, 1.4)],
        ),
        (
            "seed",
            [128, 100, 20, 64, 1, 2],
            Strategy::Scan,
            [(0.125, 0.2), (0.175, 0.25), (0.17, 0.25), (0.9, 1.1), (2.0, 2.2)],
        ),
        (
            "speech",
            [8, 200, 80, 256, 2, 1],
            Strategy::HoistedStep,
            [(2.1, 3.1), (2.8, 4.2), (3.7, 3.7), (8.0, 12.0), (14.0, 17.0)],
        ),
        (
            "wide",
            [32, 64, 512, 512, 1, 1],
            Strategy::Step,
            [(1.1, 1.1), (1.25, 1.25), (1.2, 1.2), (4.0, 4.0), (6.3, 6.3)],
        ),
        (
            "big",
            [64, 128, 512, 1024, 1, 1],
            Strategy::Step,
            [(3.8, 3.8), (4.2, 4.2), (6.1, 6.1), (42.0, 42.0), (71.0, 71.0)],
        ),
        (
            "long",
            [1, 4096, 64, 128, 1, 1],
            Strategy::Scan,
            [(11.0, 32.0), (15.0, 45.0), (12.0, 35.0), (21.0, 60.0), (23.0, 56.0)],
        ),
    ];

    #[test]
    fn named_gpus_take_the_times_of_their_rooflines() {
        let mut wrong = String::new();
        for (name, [rows, steps, input, hidden, layers, directions], strategy, expected) in ROOFLINE {
            let config = Config::lstm(input, hidden).num_layers(layers).bidirectional(directions == 2);
            for (place, (low, high)) in expected.into_iter().enumerate() {
                let (gpu, machine) = NAMED[place];
                let discrete = place < 3;
                let capabilities = &Capabilities { discrete, ..Capabilities::default() };
                let parts = &parts(&config, Precision::F32, capabilities).unwrap()[..];
                let request = Request::usual(&config, parts, rows, steps, capabilities);
                let plan = Plan::new(&request, strategy).unwrap();
                let found = pass_us(&machine, &request, &plan.choice, plan.bytes.chunk) / 1e3;
                // Good to a factor of two, like the estimates.
                if found < low / 2.0 || found > high * 2.0 {
                    wrong += &format!("{name} on {gpu}: {found:.3} ms, expected {low} to {high}: {plan}\n");
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
    }

    #[test]
    fn each_buffer_of_weights_takes_a_dispatch() {
        let config = &Config::lstm(64, 3000);
        let expected_us = |max_storage_buffer_binding_size| {
            let capabilities = &Capabilities { max_storage_buffer_binding_size, ..Capabilities::default() };
            let parts = &parts(config, Precision::F32, capabilities).unwrap()[..];
            let request = Request::usual(config, parts, 1, 10, capabilities);
            (parts.len(), Plan::new(&request, Strategy::Step).unwrap().expected_us)
        };
        let ((whole, of_whole), (divided, of_divided)) = (expected_us(1 << 30), expected_us(64 << 20));
        assert_eq!((whole, divided), (1, 3));
        let further = 10.0 * 2.0 * Machine::of(&Capabilities::default()).launch_us;
        assert!((of_divided - of_whole - further).abs() < 1e-6, "{of_divided} {of_whole}");
    }

    /// A GRU that resets before the recurrent product has two products, but as many multiply-adds as one
    /// that resets after it.
    #[test]
    fn both_grus_multiply_as_much() {
        let after = Config::gru(64, 256);
        let scan = |config: &Config| stages(config, Strategy::Scan)[1].multiply_adds(0);
        assert_eq!(scan(&after.reset_after(false)).to_bits(), scan(&after).to_bits());
    }
}
