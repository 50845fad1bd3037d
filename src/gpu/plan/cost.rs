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
use super::products::{First, Second};
use super::request::Request;
use super::strategy::Strategy;
use crate::gpu::Capabilities;
use crate::gpu::kernel::{Kind, Tiling};

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

    fn rate(&self, rows: u32) -> f64 {
        self.rates[place(rows)]
    }

    fn scan_rate(&self, tiling: Tiling) -> f64 {
        self.scan_rates[place(tiling.rows)] * if tiling.on_chip { self.on_chip } else { 1.0 }
    }

    /// Returns the time of `tiles` workgroups with `work` multiply-adds each.
    fn dispatch_us(&self, tiles: f64, work: f64, rate: f64) -> f64 {
        self.launch_us + (tiles / self.cores).ceil().max(1.0) * work / rate
    }
}

/// Returns the position in the rates of a number of rows.
fn place(rows: u32) -> usize {
    (rows.max(1).ilog2() as usize).min(3)
}

/// Returns the expected time of a forward pass on the device in microseconds, without upload and readback.
/// `chunk` is the number of steps in a chunk.
pub(super) fn expected_us(request: &Request<'_>, choice: &Choice, chunk: u32) -> f64 {
    let machine = Machine::of(request.capabilities);
    let strategy = choice.strategy;
    let layers = 0..request.config.num_layers;
    let steps = request.steps as f64;
    match strategy {
        Strategy::Auto | Strategy::Step => {
            let Some(step) = choice.tiling(Kind::Step) else { return f64::INFINITY };
            let one: f64 = layers
                .map(|layer| {
                    one_step_us(&machine, request, Strategy::Step, step, inputs(request, layer))
                        - machine.launch_us
                })
                .sum();
            // On a diagonal, the layers share a launch.
            let launches = if request.config.bidirectional { request.config.num_layers as f64 } else { 1.0 };
            steps * (one + launches * machine.launch_us) + second_us(&machine, request)
        }
        Strategy::HoistedStep => {
            let Some(step) = choice.tiling(Kind::Step) else { return f64::INFINITY };
            let one = one_step_us(&machine, request, strategy, step, 0.0);
            layers.map(|layer| ahead_us(&machine, request, layer, chunk) + steps * one).sum::<f64>()
                + second_us(&machine, request)
        }
        Strategy::Scan => {
            let Some(scan) = choice.tiling(Kind::Scan) else { return f64::INFINITY };
            let one = scan_step_us(request, scan);
            layers
                .map(|layer| ahead_us(&machine, request, layer, chunk) + machine.launch_us + steps * one)
                .sum()
        }
    }
}

/// Returns the expected time of a dispatch of one step of a layer's directions, without the input product.
pub(super) fn step_us(request: &Request<'_>, strategy: Strategy, tiling: Tiling) -> f64 {
    one_step_us(&Machine::of(request.capabilities), request, strategy, tiling, 0.0)
}

/// Returns the expected time of a dispatch of one step with `inputs` inputs in addition to the hidden state.
fn one_step_us(
    machine: &Machine,
    request: &Request<'_>,
    strategy: Strategy,
    tiling: Tiling,
    inputs: f64,
) -> f64 {
    let config = request.config;
    let first = First::of(config, strategy);
    let each = first.each as f64;
    let columns = f64::from(tiling.units) * each;
    let tiles = (first.columns as f64 / columns).ceil()
        * (request.rows as f64 / f64::from(tiling.rows)).ceil()
        * config.directions() as f64;
    // Invocations without a column take as long as the others.
    let work = columns.max(machine.wide * each)
        * first.sums(config) as f64
        * f64::from(tiling.rows)
        * (inputs + config.hidden_output_size() as f64);
    machine.dispatch_us(tiles, work, machine.rate(tiling.rows))
}

/// Returns the expected time of a layer's input products.
fn ahead_us(machine: &Machine, request: &Request<'_>, layer: usize, chunk: u32) -> f64 {
    let config = request.config;
    let columns = (config.cell.gates() * config.hidden_size * config.directions()) as f64;
    let rows = request.rows as f64 * request.steps as f64;
    let chunks = (request.steps as f64 / f64::from(chunk.max(1))).ceil();
    let rate = machine.rate(if rows >= 8.0 { 8 } else { 1 });
    let each = inputs(request, layer) / rate + machine.gate_us;
    chunks * machine.launch_us + columns * rows * each / machine.cores
}

/// Returns the expected time of one step of `scan`.
pub(super) fn scan_step_us(request: &Request<'_>, tiling: Tiling) -> f64 {
    let machine = Machine::of(request.capabilities);
    let config = request.config;
    let rows = f64::from(tiling.rows);
    let groups = (request.rows as f64 / rows).ceil() * config.directions() as f64;
    let first = First::of(config, Strategy::Scan);
    let at_once = machine.wide.max(f64::from(tiling.units));
    let padded = |columns: usize, each: f64| {
        (columns as f64 / (each * f64::from(tiling.units))).ceil() * each * at_once
    };
    let columns = first.sums(config) as f64 * padded(first.columns, first.each as f64);
    let second =
        Second::of(config).map_or(0.0, |second| padded(second.columns, 4.0)) * config.hidden_size as f64;
    let work = rows * (columns * config.hidden_output_size() as f64 + second);
    (groups / machine.cores).ceil() * (work / machine.scan_rate(tiling) + machine.barrier_us)
}

/// Returns the time of the launches of all steps' second products, if they are dispatches of their own.
fn second_us(machine: &Machine, request: &Request<'_>) -> f64 {
    if Second::of(request.config).is_none() {
        return 0.0;
    }
    (request.steps * request.config.num_layers) as f64 * machine.launch_us
}

fn inputs(request: &Request<'_>, layer: usize) -> f64 {
    request.config.layer_input_size(layer) as f64
}

/// Returns the number of steps that one dispatch may compute even on a slow GPU.
pub(super) fn patient_steps(request: &Request<'_>, choice: &Choice) -> u32 {
    let config = request.config;
    let columns = (config.cell.gates() * config.hidden_size) as f64;
    let widest = (0..config.num_layers).map(|layer| inputs(request, layer)).fold(0.0, f64::max);
    let ahead = columns * (config.directions() * request.rows) as f64 * widest / SLOW_MULTIPLY_ADDS_PER_US;
    let scan = choice.tiling(Kind::Scan).map_or(0.0, |tiling| {
        let rows = f64::from(tiling.rows);
        let groups = (request.rows as f64 / rows).ceil() * config.directions() as f64;
        let work = rows * columns * config.hidden_output_size() as f64;
        (groups / SLOW_CORES).ceil() * work / (SLOW_MULTIPLY_ADDS_PER_US / SLOW_CORES)
    });
    let longest = if choice.strategy == Strategy::Scan { ahead.max(scan) } else { ahead };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped first")]
    let steps = (PATIENCE_US / longest.max(1e-3)).clamp(1.0, f64::from(u32::MAX)) as u32;
    steps
}

#[cfg(test)]
mod tests {
    use super::super::{Plan, parts};
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
