//! How often one invocation goes round its loops.
//!
//! Mesa's drivers on the CPU leave all loops of an invocation after 65535 rounds without a word
//! (`LP_MAX_TGSI_LOOP_ITERATIONS` of its gallivm). `scan` is cut in time before that; other kernels only come near with tens
//! of thousands of inputs. The counts here are bounds, as if no loop were unrolled, with the round that ends it counted.

use super::tiling::Tiling;
use super::{First, Kind, Request, Second, Strategy, quads};
use crate::Error;

const MOST: u64 = 65_535;
/// Rounds before the first step and behind the last one, at most: states are cleared, loaded and stored.
const AROUND: u64 = 3 * (4096 / 16 + 2) + 1024;

/// Steps of `scan` that a dispatch may take on such a driver.
pub(super) fn steps_at_once(request: &Request<'_>, tilings: &[(Kind, Tiling)]) -> u32 {
    let scan = tilings.iter().find(|(kind, _)| *kind == Kind::Scan);
    match scan {
        Some((_, tiling)) if request.capabilities.software => {
            let steps = (MOST - AROUND) / scan_step(request, *tiling);
            u32::try_from(steps).unwrap_or(u32::MAX).max(1)
        }
        _ => u32::MAX,
    }
}

/// Refuses kernels that such a driver would not run to their end.
pub(super) fn check(request: &Request<'_>, tilings: &[(Kind, Tiling)]) -> Result<(), Error> {
    if !request.capabilities.software {
        return Ok(());
    }
    let most = tilings.iter().map(|(kind, tiling)| rounds(request, *kind, *tiling)).max().unwrap_or(0);
    if most > MOST {
        let what = "rounds of a kernel's loops, after which the driver leaves them".into();
        return Err(Error::TooLarge { what, needed: most, limit: MOST });
    }
    Ok(())
}

/// Rounds of a dispatch, of one step if it is `scan`.
fn rounds(request: &Request<'_>, kind: Kind, tiling: Tiling) -> u64 {
    let config = request.config;
    let rows = u64::from(tiling.rows);
    let widest = (0..config.num_layers).map(|layer| config.layer_input_size(layer)).max().unwrap_or(0);
    // Each direction of the layer below has whole quads of its own.
    let of_input = product(quads(widest) + 1, rows);
    let finish = (rows + 1) * 6;
    match kind {
        Kind::InputProduct => of_input + finish,
        Kind::Step => of_input + product(quads(config.hidden_output_size()), rows) + finish + 3 * rows,
        Kind::Projection | Kind::Candidate => product(quads(config.hidden_size), rows) + finish,
        Kind::Scan => scan_step(request, tiling) + AROUND,
        Kind::Gather | Kind::Scatter => 0,
    }
}

fn scan_step(request: &Request<'_>, tiling: Tiling) -> u64 {
    let config = request.config;
    let (units, rows) = (tiling.units as usize, u64::from(tiling.rows));
    let first = First::of(config, Strategy::Scan);
    let passes = |columns: usize, each: usize, terms: usize| {
        let pass = 2 + product(quads(terms), rows) + (rows + 1) * 8;
        columns.div_ceil(units * each) as u64 * pass
    };
    let second = Second::of(config).map_or(0, |second| passes(second.columns, 4, config.hidden_size));
    passes(first.columns, first.each, config.hidden_output_size()) + second + 4
}

/// Rounds of a product over so many quads, of whichever way several rows share their vectors.
fn product(quads: usize, rows: u64) -> u64 {
    let blocks = quads.div_ceil(4) as u64;
    // A block's quads, each with a round for every row; and twice the rows of a block.
    2 + blocks * (2 + 4 * (rows + 2) + 2 * (rows + 1))
}

#[cfg(test)]
mod tests {
    use super::super::{Plan, parts};
    use super::*;
    use crate::{Capabilities, Config, Precision};

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
        // 124 rounds a step were seen: 528 steps came out right, 529 did not.
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
