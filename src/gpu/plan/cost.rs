//! The cost model: the expected time of a plan. The figures are coarse; they only have to put the strategies
//! into the right order.
//!
//! A dispatch costs its launch and its waves of workgroups. A wave has one workgroup for each core and takes
//! the multiply-adds of one workgroup divided by the rate of a core. The rate grows with the rows of an
//! invocation, because each weight that is loaded serves all of them, until arithmetic is the limit. Input
//! products that are computed ahead are written and read once more. A step of `scan` costs a barrier instead
//! of a launch; `scan` has one workgroup for each tile of rows, so it uses at most that many cores. Memory
//! traffic counts only where it is the limit: the rate of one row is that of loading the weights.

use super::choice::Choice;
use super::request::Request;
use super::stage::{Pace, Product, Stage, Vector};
use crate::gpu::Capabilities;
use crate::gpu::kernel::Tiling;

/// The performance of a kind of adapter.
struct Machine {
    /// The number of workgroups that run at once.
    cores: f64,
    /// The number of invocations that take no longer than one.
    wide: f64,
    /// The time between two dispatches of a pass, in microseconds.
    launch_us: f64,
    /// The time that a step of `scan` takes in addition to its arithmetic, in microseconds.
    barrier_us: f64,
    /// The multiply-adds per microsecond of one core with 1, 2, 4 and 8 rows.
    rates: [f64; 4],
    /// The same for `scan`, which reads the vectors from workgroup memory.
    scan_rates: [f64; 4],
    /// The time in which one core writes an input product and reads it again, in microseconds.
    gate_us: f64,
    /// The factor by which `scan`'s products are faster with weights in workgroup memory.
    on_chip: f64,
}

/// lavapipe on one core of a recent x86-64 server. Measured: 4.2 to 15 GFLOP/s on two cores, 20 µs for each
/// launch.
const SOFTWARE: Machine = Machine {
    cores: 1.0,
    wide: 1.0,
    launch_us: 20.0,
    barrier_us: 3.0,
    rates: [1050.0, 1700.0, 3000.0, 3700.0],
    scan_rates: [770.0, 1200.0, 2000.0, 2400.0],
    gate_us: 2e-3,
    on_chip: 1.0,
};

/// The same if the rows' vectors are shared through subgroups: twice the rate for several rows, somewhat
/// less in `scan`.
const SUBGROUPS: Machine = Machine {
    rates: [1050.0, 3400.0, 5800.0, 7800.0],
    scan_rates: [770.0, 2000.0, 3400.0, 4200.0],
    ..SOFTWARE
};

/// An average GPU. Estimated: 50 GB/s of weights and 100 GFLOP/s for each of 16 cores, 5 µs between
/// dependent dispatches, and twice the bandwidth from workgroup memory.
const HARDWARE: Machine = Machine {
    cores: 16.0,
    wide: 64.0,
    launch_us: 5.0,
    barrier_us: 1.0,
    rates: [12_500.0, 25_000.0, 50_000.0, 50_000.0],
    scan_rates: [12_500.0, 25_000.0, 50_000.0, 50_000.0],
    gate_us: 2e-4,
    on_chip: 2.0,
};

/// A slow integrated GPU, which limits the work of one dispatch. Estimated: 20 GFLOP/s in all, on eight
/// cores.
const SLOW_MULTIPLY_ADDS_PER_US: f64 = 10_000.0;
const SLOW_CORES: f64 = 8.0;
/// The maximum time of one dispatch: half of the two seconds after which drivers give up.
const PATIENCE_US: f64 = 1e6;

impl Machine {
    fn of(capabilities: &Capabilities) -> Machine {
        if !capabilities.software {
            return HARDWARE;
        }
        let one = if capabilities.shares_in_subgroups() { SUBGROUPS } else { SOFTWARE };
        Machine { cores: f64::from(capabilities.cores), ..one }
    }

    fn rate(&self, Tiling { rows, on_chip, .. }: Tiling, loops: bool) -> f64 {
        let rates = if loops { self.scan_rates } else { self.rates };
        rates[(rows.max(1).ilog2() as usize).min(3)] * if on_chip { self.on_chip } else { 1.0 }
    }

    /// Returns the time of some products of a step of a layer, without the launch.
    fn step_us(&self, request: &Request<'_>, stage: &Stage, products: &[Product], layer: usize) -> f64 {
        let Tiling { units, rows, .. } = stage.tiling;
        // Invocations without an item take as long as the others.
        let at_once = self.wide.max(f64::from(units)) * f64::from(rows);
        let work = |product: &Product| {
            let sums = stage.passes(product) * product.each * product.columns;
            at_once * (sums * product.terms(request.config, layer)) as f64
        };
        let time = products.iter().map(work).sum::<f64>() / self.rate(stage.tiling, stage.loops());
        let groups = (stage.workgroups(request.rows) as f64) * request.config.directions() as f64;
        let waves = (groups / self.cores).ceil().max(1.0);
        waves * if stage.loops() { time + self.barrier_us } else { time }
    }

    /// Returns the time of the products of all steps at once.
    fn ahead_us(&self, request: &Request<'_>, stage: &Stage, layer: usize) -> f64 {
        let rows = request.rows as f64 * request.steps as f64;
        let tiling = Tiling { rows: if rows >= 8.0 { 8 } else { 1 }, ..stage.tiling };
        let width: usize = stage.products.iter().map(Product::width).sum();
        let one = stage.multiply_adds(layer) / self.rate(tiling, false) + width as f64 * self.gate_us;
        request.config.directions() as f64 * rows * one / self.cores
    }

    /// Returns the time of a stage in all layers and steps. The second product of a step counts as a launch,
    /// and the loops of all chunks count as one launch.
    fn stage_us(&self, request: &Request<'_>, choice: &Choice, stage: &Stage, chunk: u32) -> f64 {
        let (steps, layers) = (request.steps as f64, request.config.num_layers);
        let is_second = !stage.is_recurrent();
        let launches = match stage.pace {
            Pace::Step if choice.is_diagonal(request.config) && !is_second => steps,
            Pace::Step => steps * layers as f64,
            Pace::Rows => (steps / f64::from(chunk.max(1))).ceil() * layers as f64,
            Pace::Loop => layers as f64,
        };
        let of_layer = |layer| match stage.pace {
            Pace::Rows => self.ahead_us(request, stage, layer),
            Pace::Step if is_second => 0.0,
            Pace::Step | Pace::Loop => steps * self.step_us(request, stage, &stage.products, layer),
        };
        launches * self.launch_us + (0..layers).map(of_layer).sum::<f64>()
    }
}

/// Returns the expected time of a forward pass on the device in microseconds, without upload and readback.
/// `chunk` is the number of steps in a chunk.
pub(super) fn expected_us(request: &Request<'_>, choice: &Choice, chunk: u32) -> f64 {
    let machine = Machine::of(request.capabilities);
    choice.stages.iter().map(|stage| machine.stage_us(request, choice, stage, chunk)).sum()
}

/// Returns the expected time of a step of a recurrent stage, without the input product. A loop over steps
/// has no launch.
pub(super) fn recurrent_us(request: &Request<'_>, stage: &Stage) -> f64 {
    let machine = Machine::of(request.capabilities);
    let skipped = stage.products.iter().filter(|product| product.vector == Vector::Input).count();
    let launch_us = if stage.loops() { 0.0 } else { machine.launch_us };
    launch_us + machine.step_us(request, stage, &stage.products[skipped..], 0)
}

/// Returns the number of steps that one dispatch may compute even on a slow GPU.
pub(super) fn patient_steps(request: &Request<'_>, choice: &Choice) -> u32 {
    let config = request.config;
    let step_us = |stage: &Stage| {
        let of_row = (0..config.num_layers).map(|layer| stage.multiply_adds(layer)).fold(0.0, f64::max);
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
    use super::super::{Plan, Strategy, parts};
    use super::*;
    use crate::{Config, Precision, inspect::Capabilities};

    fn expected_us(config: &Config, strategy: Strategy) -> f64 {
        let capabilities = &Capabilities::default();
        let parts = &parts(config, Precision::F32, capabilities).unwrap()[..];
        Plan::new(&Request::usual(config, parts, 8, 100, capabilities), strategy).unwrap().expected_us
    }

    /// A GRU that resets before the recurrent product has two products, but as many multiply-adds as one
    /// that resets after it.
    #[test]
    fn both_grus_are_expected_to_multiply_as_much() {
        let after = Config::gru(64, 256);
        let scan = |config: &Config| expected_us(config, Strategy::Scan);
        assert!((scan(&after.reset_after(false)) / scan(&after) - 1.0).abs() < 0.02);
    }
}
