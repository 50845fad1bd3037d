//! Tests of a session's internals: every mutation of its kernels is noticed, and a push of a known shape
//! makes nothing.

use ndarray::Array3;

use super::super::{Gpu, GpuLayer, GpuSession};
use super::faults::polled;
use super::{Mutation, gpu, random};
use crate::batch::Batch;
use crate::session::Active;
use crate::{Config, Error, Generator, Input, LayerOptions, State, Strategy, Weights, offload};

/// Mutations of `exchange.wgsl`.
const MUTATIONS: &[Mutation] = &[
    ("exchange.slots * exchange.capacity + row", "exchange.slots * exchange.capacity"),
    ("exchange.slots * exchange.capacity", "exchange.slots"),
    ("value = from_first[place / 4u][place % 4u];", "value = from_first[place / 4u].x;"),
    ("to_first[at] = value;", ""),
    ("to_second[at] = value;", ""),
    ("if rows[at / stride % exchange.slots] < FRESH {", "{"),
    ("cell_state[at] = value;", ""),
    ("value = from_second[place_of(at, size)];", ""),
    ("if rows[state % exchange.slots] == NOBODY {", "if false {"),
    ("+ state / exchange.slots * (exchange.parity >> 1u)", ""),
    ("(parity & 1u) == 1u", "(parity & 1u) == 0u"),
    ("to_second[place_of(at, size)] = cell_state[at];", ""),
];

/// Pushes of streams that come, go and start again, in every pattern that the kernels distinguish.
const PUSHES: [(&[usize], usize); 5] =
    [(&[2, 0], 2), (&[1], 1), (&[4, 2, 3], 1), (&[0, 1, 2, 3, 4], 3), (&[3, 1], 2)];

fn layer(gpu: &Gpu, config: Config, strategy: Strategy) -> Result<GpuLayer, Error> {
    let options = LayerOptions { strategy, ..LayerOptions::default() };
    GpuLayer::new(gpu, &Weights::seeded(config, 1)?, &options)
}

fn push(
    session: &mut GpuSession,
    rows: &[usize],
    input: &Array3<f32>,
    config: &Config,
) -> Result<Array3<f32>, Error> {
    let input = Input::new(input.view());
    session.push(&Batch::new(config, &input)?, Active::Named(rows))
}

/// Returns every output, and the final state.
fn stream(
    gpu: &Gpu,
    config: Config,
    strategy: Strategy,
) -> Result<(Vec<Array3<f32>>, State<'static>), Error> {
    let mut generator = Generator::seeded(2);
    let mut session = pollster::block_on(GpuSession::new(&layer(gpu, config, strategy)?, 5))?;
    let mut outputs = Vec::new();
    for (count, (rows, steps)) in PUSHES.into_iter().enumerate() {
        let input = random(&mut generator, [rows.len(), steps, config.input_size]);
        outputs.push(push(&mut session, rows, &input, &config)?);
        if count == 2 {
            session.reset(Active::Named(&[2]));
        }
    }
    Ok((outputs, session.state()?))
}

#[test]
fn a_changed_line_of_the_exchange_is_noticed() {
    let Some(gpu) = gpu() else { return };
    let cases = [Config::lstm(5, 7).num_layers(2), Config::gru(6, 10).num_layers(2)]
        .map(|config| [Strategy::Step, Strategy::Scan].map(|strategy| (config, strategy)));
    for mutation in MUTATIONS {
        let mutant = gpu.with_mutation(*mutation);
        let noticed = cases.iter().flatten().any(|&(config, strategy)| {
            let right = stream(&gpu, config, strategy).unwrap();
            stream(&mutant, config, strategy).map_or(true, |found| found != right)
        });
        assert!(noticed, "{mutation:?}");
        assert!(include_str!("../../../shaders/exchange.wgsl").contains(mutation.0), "{mutation:?}");
    }
}

#[test]
fn a_push_may_be_dropped_wherever_it_waits() {
    let Some(gpu) = gpu() else { return };
    let config = Config::lstm(5, 7).num_layers(2);
    let input = Array3::from_elem([3, 2, 5], 0.25);
    let given = Input::new(input.view());
    let batch = Batch::new(&config, &given).unwrap();
    let layer = layer(&gpu, config, Strategy::HoistedStep).unwrap();
    let new = || pollster::block_on(GpuSession::new(&layer, 3)).unwrap();
    for polls in 1.. {
        let (mut session, mut twin) = (new(), new());
        let done = offload::giving_way(|| polled(session.push_async(&batch, Active::All(3)), polls));
        if let Some(output) = &done {
            assert_eq!(output.as_ref().unwrap(), twin.push(&batch, Active::All(3)).unwrap());
        }
        for _ in 0..2 {
            let [found, expected] =
                [&mut session, &mut twin].map(|session| session.push(&batch, Active::All(3)).unwrap());
            assert_eq!(found, expected, "after {polls} polls");
            assert_eq!(session.state().unwrap(), twin.state().unwrap(), "after {polls} polls");
        }
        if done.is_some() {
            // The push waits for the threads that compile, submit and wait, and for both mapped buffers.
            assert!(polls > 5, "{polls} polls");
            return;
        }
    }
}

#[test]
fn a_push_of_a_known_number_of_rows_makes_nothing() {
    let Some(gpu) = gpu() else { return };
    let gpu = gpu.with_capabilities(|_| ());
    let config = Config::lstm(5, 7).num_layers(2);
    let mut session =
        pollster::block_on(GpuSession::new(&layer(&gpu, config, Strategy::Scan).unwrap(), 13)).unwrap();
    let rows: Vec<usize> = (0..13).rev().collect();
    let input = |rows: usize| Array3::from_elem([rows, 1, 5], 0.5);
    let push_all = |session: &mut GpuSession| {
        for count in 1..=13 {
            push(session, &rows[..count], &input(count), &config).unwrap();
        }
    };
    push_all(&mut session);
    gpu.counts().take();
    push_all(&mut session);
    let counted = gpu.counts().take();
    assert_eq!((counted.buffers.len(), counted.submissions), (0, 13));
}
