//! The choice of the number of invocations in a workgroup, and of the number of rows that each of them computes.

use super::choice::Choice;
use super::request::{Request, small};
use super::shared::{BLOCK, Shared};
use super::stage::{Pace, Product, Stage};
use super::stages::{self, stages};
use super::{PassMemory, cost, loops};
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::Strategy;
use crate::error::Fault;
use crate::gpu::kernel::{
    BLOCKS_BYTES, BLOCKS_UNITS, LANES, MAX_ROWS, MAX_UNITS, MIN_UNITS, TILED_STEP_ROWS, TILED_STEP_UNITS,
    TILED_UNITS, Tiling, Unrolled, WORKGROUP_BYTES, WeightsIn, tiled_bytes,
};

/// The planner takes another tiling for a step or its second product only if it reduces the time to less than this fraction,
/// because another kernel may have to be compiled for it.
const WORTHWHILE: f64 = 0.9;

/// The bytes of the registers of an invocation for a quad: a vec4 for each of its columns.
const REGISTERS_OF_A_QUAD: u64 = 4 * 16;
/// The maximum number of bytes of a workgroup's registers, which a software driver has in memory. With more, a
/// step would read them from beyond the nearer caches, like weights in a buffer.
const MAX_REGISTERS: u64 = 4 << 20;

/// Returns the planner's choice of kernels and tilings for a strategy.
///
/// # Errors
///
/// [`ErrorKind::TooLarge`] if the strategy is `scan` and the hidden state does not fit into workgroup memory.
pub(super) fn choose(request: &Request<'_>, strategy: Strategy) -> Result<Choice, Error> {
    let strategy = if strategy == Strategy::Auto { Strategy::Step } else { strategy };
    let usual = usual(request, strategy)?;
    let cost_us = |choice: &Choice| {
        let compiling_us = cost::compiling_us(&choice.stages);
        expected_us(request, choice).map(|expected_us| expected_us + compiling_us)
    };
    let is_better = |apart: &Choice| match (cost_us(apart), cost_us(&usual)) {
        (Ok(apart), Ok(usual)) => apart < usual,
        // A batch that is too large for the usual kernels is divided into pieces.
        _ => false,
    };
    Ok(apart(request, strategy).filter(is_better).unwrap_or(usual))
}

/// Returns the choice with the usual kernels of a strategy.
///
/// # Errors
///
/// The same as for [`choose`].
pub(super) fn usual(request: &Request<'_>, strategy: Strategy) -> Result<Choice, Error> {
    tiled(request, strategy, stages(request.config, strategy))
}

/// Returns the choice whose step computes the input products, if there is a single step of few rows. It takes half of
/// the dispatches.
pub(super) fn apart(request: &Request<'_>, strategy: Strategy) -> Option<Choice> {
    let is_push = request.steps == 1 && request.rows <= MAX_ROWS as usize;
    if is_push { apart_steps(request, strategy) } else { None }
}

/// Returns the choice whose steps compute the input products, if the strategy may compute them ahead.
pub(super) fn apart_steps(request: &Request<'_>, strategy: Strategy) -> Option<Choice> {
    let can = strategy == Strategy::HoistedStep;
    let choice = can.then(|| tiled(request, strategy, stages::apart(request.config)).ok()).flatten()?;
    let side = u64::from(request.capabilities.max_compute_workgroups_per_dimension);
    choice.stages.iter().all(|stage| stage.workgroups(request.rows) <= side).then_some(choice)
}

/// Returns the time that the cost model expects of a choice in microseconds.
///
/// # Errors
///
/// [`ErrorKind::TooLarge`] if the choice does not fit the limits.
pub(super) fn expected_us(request: &Request<'_>, choice: &Choice) -> Result<f64, Error> {
    Ok(cost::expected_us(request, choice, PassMemory::fitting(request, choice)?.chunk))
}

/// Returns the planner's choice of tilings for some stages.
fn tiled(request: &Request<'_>, strategy: Strategy, stages: Vec<Stage>) -> Result<Choice, Error> {
    let mut chosen = Vec::new();
    for stage in stages {
        let large = whole(request, &stage);
        match stage.is_recurrent() {
            true if stage.loops() => chosen.push(looping(request, &large)?),
            true => chosen.push(step(request, large)),
            false if stage.pace == Pace::Step => chosen.push(second(request, large)),
            false => chosen.extend(ahead(request, large)),
        }
    }
    Ok(Choice { strategy, stages: chosen })
}

/// Returns a stage with enough invocations for all items of its first product, up to the maximum.
pub(super) fn whole(request: &Request<'_>, stage: &Stage) -> Stage {
    let rows = stage.rows(request.rows, request.steps).min(stage.most_rows as usize);
    stage.with(Tiling::new(stage.products[0].invocations(), rows))
}

/// Returns the tiling of a stage that computes no recurrent product: several stages if layers differ.
fn ahead(request: &Request<'_>, large: Stage) -> Vec<Stage> {
    let timed =
        ahead_tilings(request, &large).into_iter().map(|stages| (cost::ahead_us(request, &stages), stages));
    timed.min_by(|(a, _), (b, _)| a.total_cmp(b)).map_or_else(|| vec![large], |(_, stages)| stages)
}

/// Returns the tilings of a stage that computes no recurrent product.
pub(super) fn ahead_tilings(request: &Request<'_>, large: &Stage) -> Vec<Vec<Stage>> {
    let mut all = vec![vec![large.clone()]];
    all.extend(ahead_in_registers(request, large));
    all.extend(ahead_in_tiles(request, large).map(|stage| vec![stage]));
    all
}

/// Returns the input product in tiles, if the device can run it and it fills half a tile.
fn ahead_in_tiles(request: &Request<'_>, large: &Stage) -> Option<Stage> {
    let tiled = large.with(Tiling { units: TILED_UNITS, rows: MAX_ROWS, weights: WeightsIn::Tiles });
    (large.quads() > 0 && can_tile(request, large, &tiled)).then_some(tiled)
}

/// Returns a step in tiles, if the device can run it and the batch fills half a tile.
pub(super) fn step_in_tiles(request: &Request<'_>, large: &Stage) -> Option<Stage> {
    let tiling = Tiling { units: TILED_STEP_UNITS, rows: TILED_STEP_ROWS, weights: WeightsIn::Tiles };
    let tiled = large.with(tiling);
    (large.most_rows >= tiling.rows && can_tile(request, large, &tiled)).then_some(tiled)
}

fn can_tile(request: &Request<'_>, large: &Stage, tiled: &Stage) -> bool {
    let capabilities = request.capabilities;
    let (units, rows) = (tiled.tiling.units, large.rows(request.rows, request.steps));
    let is_large = large.tiling.units == MAX_UNITS
        && rows.saturating_mul(2) >= tiled.tiling.rows_of_workgroup() as usize;
    // A software driver pays for a barrier by the invocations, and for a load of workgroup memory like for another.
    !capabilities.software
        && is_large
        && large.other(WeightsIn::Tiles).is_some()
        && capabilities.invocations() >= units
        && capabilities.max_compute_workgroup_storage_size >= tiled_bytes(units)
}

/// Returns the tiling of a step. Workgroups are small, or their invocations share items, if that keeps more cores
/// busy. Many rows may be computed in tiles.
fn step(request: &Request<'_>, large: Stage) -> Stage {
    let small = large.with(Tiling { units: MIN_UNITS, ..large.tiling });
    let others = [in_blocks(request, &large), step_in_tiles(request, &large)];
    fastest(request, large, [Some(small)].into_iter().chain(others))
}

/// Returns the tiling of the second product of a step.
fn second(request: &Request<'_>, large: Stage) -> Stage {
    let in_blocks = in_blocks(request, &large);
    fastest(request, large, [in_blocks])
}

/// Returns the fastest of some tilings of a product, as the cost model expects: the usual one, unless another is worthwhile.
fn fastest(request: &Request<'_>, usual: Stage, others: impl IntoIterator<Item = Option<Stage>>) -> Stage {
    let expected_us = |stage: &Stage| cost::recurrent_us(request, stage);
    others.into_iter().flatten().fold(usual, |best, other| {
        if expected_us(&other) < WORTHWHILE * expected_us(&best) { other } else { best }
    })
}

/// Returns a step, or the second product of one, whose invocations share items, if the device can run it and there is more
/// than a block to share.
pub(super) fn in_blocks(request: &Request<'_>, large: &Stage) -> Option<Stage> {
    let capabilities = request.capabilities;
    let quads =
        |product: &Product| large.layers.clone().map(|layer| product.quads(request.config, layer)).max();
    let has_blocks = large.products.iter().filter_map(quads).any(|quads| quads > BLOCK);
    // A software driver runs the invocations of a core one after the other, and pays for a barrier once for each of them.
    let can = !capabilities.software
        && has_blocks
        && large.other(WeightsIn::Blocks).is_some()
        && capabilities.invocations() >= BLOCKS_UNITS
        && capabilities.max_compute_workgroup_storage_size >= BLOCKS_BYTES;
    can.then(|| large.with(Tiling { units: BLOCKS_UNITS, rows: 1, weights: WeightsIn::Blocks }))
}

/// Returns the fastest tiling of a loop, as the cost model expects: as many rows as fit into workgroup
/// memory and keep the cores busy, and the weights in workgroup memory, too, if that is faster.
fn looping(request: &Request<'_>, large: &Stage) -> Result<Stage, Error> {
    let timed = loops(request, large).into_iter().map(|stage| (cost::recurrent_us(request, &stage), stage));
    let best = timed.min_by(|(a, _), (b, _)| a.total_cmp(b));
    best.map(|(_, stage)| stage).ok_or_else(|| {
        Error::from(Fault::TooLarge {
            what: "bytes of hidden state in workgroup memory (strategy scan)".into(),
            needed: loop_bytes(request, &large.with(Tiling { rows: 1, ..large.tiling })),
            limit: u64::from(WORKGROUP_BYTES.min(request.capabilities.max_compute_workgroup_storage_size)),
        })
    })
}

/// Returns the tilings of a loop that fit into workgroup memory.
pub(super) fn loops(request: &Request<'_>, large: &Stage) -> Vec<Stage> {
    let capabilities = request.capabilities;
    let units = if large.tiling.units > MIN_UNITS { &[MAX_UNITS, MIN_UNITS][..] } else { &[MIN_UNITS] };
    // For a software driver, workgroup memory is not faster than other memory.
    let places = match capabilities.software {
        true => &[WeightsIn::Buffer][..],
        false => &[WeightsIn::Buffer, WeightsIn::Workgroup],
    };
    let mut tilings = Vec::new();
    let rows = || [1, 4, MAX_ROWS].into_iter().filter(|&rows| rows <= large.tiling.rows);
    for &units in units {
        for rows in rows() {
            tilings.extend(places.iter().map(|&weights| large.with(Tiling { units, rows, weights })));
        }
    }
    tilings.extend(rows().filter_map(|rows| looping_in_registers(request, large, rows)));
    tilings.extend(looping_in_parts(request, large));
    let side = u64::from(capabilities.max_compute_workgroups_per_dimension);
    // Fewer rows at once than the first tiling has need more workgroups.
    let fits =
        |stage: &Stage| stage.tiling.rows == large.tiling.rows || stage.workgroups(request.rows) <= side;
    tilings.retain(|stage| loop_bytes(request, stage) <= loop_limit(request, stage) && fits(stage));
    tilings
}

/// Returns a loop with its weights in registers, if the device can run it: it has an invocation for each item.
fn looping_in_registers(request: &Request<'_>, large: &Stage, rows: u32) -> Option<Stage> {
    let capabilities = request.capabilities;
    let product = &large.products[0];
    let units = small(product.invocations()).checked_next_multiple_of(LANES)?;
    let most = capabilities.invocations();
    let bytes = u64::from(units) * REGISTERS_OF_A_QUAD * product.quads(request.config, 0) as u64;
    let fits = units <= most && bytes <= MAX_REGISTERS;
    let compiles = Unrolled::compiles(small(large.quads()), rows);
    let can = large.other(WeightsIn::Registers).is_some() && capabilities.shares_in_subgroups() && compiles;
    (can && fits).then(|| large.with(Tiling { units, rows, weights: WeightsIn::Registers }))
}

/// Returns a loop whose invocations share the items, if the device can run it and the weights fit.
fn looping_in_parts(request: &Request<'_>, large: &Stage) -> Option<Stage> {
    let capabilities = request.capabilities;
    // A software driver has registers like these in memory, and pays for a barrier by the invocations.
    let can = !capabilities.software && large.other(WeightsIn::Parts).is_some();
    let product = &large.products[0];
    let items = (product.invocations(), product.each * product.columns);
    let (precision, most) = (request.precision, capabilities.invocations());
    let units = Shared::invocations(product.items, items, large.quads(), precision, most)?;
    can.then(|| large.with(Tiling { units, rows: 1, weights: WeightsIn::Parts }))
}

/// Returns the input product with its weights in registers, if the device can run it: a stage for all layers, or
/// one for the first layer and one for those above it if their vectors differ in size.
fn ahead_in_registers(request: &Request<'_>, large: &Stage) -> Option<Vec<Stage>> {
    let config = request.config;
    let quads = |layer| large.products[0].quads(config, layer);
    let last = config.num_layers - 1;
    let alike = if quads(0) == quads(last) { last + 1 } else { 1 };
    let ranges = [0..alike, alike..last + 1].into_iter().filter(|layers| !layers.is_empty());
    let tiling = Tiling { weights: WeightsIn::Registers, ..large.tiling };
    let compile =
        [0, last].into_iter().all(|layer| Unrolled::compiles(small(quads(layer)), large.tiling.rows));
    let can = large.pace == Pace::Rows && large.other(WeightsIn::Registers).is_some() && quads(0) > 0;
    let stages: Vec<Stage> = ranges.map(|layers| Stage { layers, ..large.with(tiling) }).collect();
    let can = can && compile && request.capabilities.shares_in_subgroups();
    (can && stages.iter().all(|stage| loops::ends(request, stage))).then_some(stages)
}

fn loop_limit(request: &Request<'_>, stage: &Stage) -> u64 {
    let most = request.capabilities.max_compute_workgroup_storage_size;
    // Only a software driver runs the kernels with weights in registers, and says what it has.
    let in_registers = stage.tiling.weights == WeightsIn::Registers;
    u64::from(if in_registers { most } else { most.min(WORKGROUP_BYTES) })
}

/// Returns the bytes of workgroup memory of a loop.
fn loop_bytes(request: &Request<'_>, stage: &Stage) -> u64 {
    stage.loop_bytes(request.precision)
}
