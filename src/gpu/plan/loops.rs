//! The number of loop iterations of one invocation.
//!
//! Mesa's software drivers silently leave all loops of an invocation after 65535 iterations
//! (`LP_MAX_TGSI_LOOP_ITERATIONS` of its gallivm). The planner respects this limit on all software drivers.
//! It divides `scan` into chunks of time that stay below the limit. Other kernels come near the limit only
//! with tens of thousands of inputs. The counts here are upper bounds: they assume that no loop is unrolled
//! and include the final check of each loop.

use super::choice::Choice;
use super::request::Request;
use super::stage::{Product, Stage};
use crate::Error;
use crate::error::Fault;

const MOST: u64 = 65_535;
/// The maximum number of iterations before the first step and after the last one, which clear, load and
/// store the states.
const AROUND: u64 = 3 * (4096 / 16 + 2) + 1024;

/// Returns the number of steps that a dispatch of `scan` may compute. Only software drivers limit it.
pub(super) fn steps_at_once(request: &Request<'_>, choice: &Choice) -> u32 {
    if !request.capabilities.software {
        return u32::MAX;
    }
    let loops = choice.stages.iter().filter(|stage| stage.loops());
    let steps = loops.map(|stage| (MOST - AROUND) / step(request, stage)).min();
    steps.and_then(|steps| u32::try_from(steps).ok()).unwrap_or(u32::MAX).max(1)
}

/// Returns an error for kernels that a software driver would not run to their end.
pub(super) fn check(request: &Request<'_>, choice: &Choice) -> Result<(), Error> {
    if !request.capabilities.software {
        return Ok(());
    }
    let rounds = |stage: &Stage| step(request, stage) + if stage.loops() { AROUND } else { 0 };
    let most = choice.stages.iter().map(rounds).max().unwrap_or(0);
    if most > MOST {
        let what = "rounds of a kernel's loops, after which the driver leaves them".into();
        return Err(Error::from(Fault::TooLarge { what, needed: most, limit: MOST }));
    }
    Ok(())
}

/// Returns whether a software driver runs a stage without a loop over steps to its end.
pub(super) fn ends(request: &Request<'_>, stage: &Stage) -> bool {
    step(request, stage) <= MOST
}

/// Returns the number of iterations of one step of a stage.
fn step(request: &Request<'_>, stage: &Stage) -> u64 {
    let config = request.config;
    let rows = u64::from(stage.tiling.rows);
    let of_product = |layer: usize, one: &Product| {
        // Each row's sums are initialised and stored, up to four of them. With weights in registers, a row's
        // state is stored by a loop over the rows, too.
        let pass = 2 + product(one.quads(config, layer), rows) + (rows + 1) * (rows + 8);
        (stage.passes(one) * stage.tiles_of_workgroup()) as u64 * pass
    };
    let of_layer = |layer| stage.products.iter().map(|one| of_product(layer, one)).sum::<u64>();
    4 + stage.layers.clone().map(of_layer).max().unwrap_or(0)
}

/// Returns the number of iterations of a product over a number of quads, for any way in which several rows
/// share their vectors.
fn product(quads: usize, rows: u64) -> u64 {
    let blocks = quads.div_ceil(4) as u64;
    // Each block has four quads with one iteration for each row, and two more loops over the rows.
    2 + blocks * (2 + 4 * (rows + 2) + 2 * (rows + 1))
}

#[cfg(test)]
mod tests {
    use super::super::{Plan, Strategy, parts};
    use super::*;
    use crate::gpu::Capabilities;
    use crate::{Config, Precision};

    fn plan(
        software: bool,
        config: &Config,
        rows: usize,
        steps: usize,
        strategy: Strategy,
    ) -> Result<Plan, Error> {
        let capabilities = &Capabilities { software, cores: 2, subgroup_size: 8, ..Capabilities::default() };
        let parts = &parts(config, Precision::F32, capabilities)?[..];
        let request = Request::usual(config, parts, rows, steps, capabilities);
        Plan::new(&request, strategy)
    }

    #[test]
    fn a_scan_ends_before_the_driver_does() {
        let config = Config::rnn(64, 128);
        // 124 iterations for each step were observed: 528 steps gave the right result, 529 did not.
        let chunk = plan(true, &config, 1, 4096, Strategy::Scan).unwrap().bytes.chunk;
        assert!((100..528).contains(&chunk), "{chunk}");
        assert_eq!(plan(false, &config, 1, 4096, Strategy::Scan).unwrap().bytes.chunk, 4096);
        let lstm = Config::lstm(20, 64).bidirectional(true);
        assert_eq!(plan(true, &lstm, 128, 100, Strategy::Scan).unwrap().dispatches.len(), 2);
    }

    #[test]
    fn a_product_that_the_driver_would_cut_short_is_refused() {
        let wide = Config::rnn(40_000, 4);
        let error = plan(true, &wide, 8, 1, Strategy::Step).unwrap_err().to_string();
        assert!(error.starts_with("rounds of a kernel's loops"), "{error}");
        assert!(plan(false, &wide, 8, 1, Strategy::Step).is_ok());
        assert!(plan(true, &Config::rnn(16_000, 4), 8, 1, Strategy::Step).is_ok());
    }
}
