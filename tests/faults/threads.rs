//! Threads that share a layer.

use std::thread;

use wgpu_rnn::auto::Choice;
use wgpu_rnn::{
    Backend, Config, Error, Generator, Gpu, Input, Layer, LayerOptions, Output, State, Strategy, Timings,
    Weights, inspect::PlanReport,
};

use crate::harness::{bits, on_each_adapter};
use crate::watched;
use crate::work::Work;

/// What a compiler can check of it.
#[test]
fn handles_may_be_sent_and_shared_and_futures_sent() {
    fn sent<T: Send>(_: &T) {}
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Layer>();
    shared::<Gpu>();
    shared::<Backend>();
    shared::<Weights>();
    shared::<Config>();
    shared::<LayerOptions>();
    shared::<PlanReport>();
    shared::<Timings>();
    shared::<Generator>();
    shared::<Choice>();
    shared::<Error>();
    shared::<Output>();
    shared::<Input<'static>>();
    shared::<State<'static>>();
    let work = Work::small();
    let layer = work.layer(Backend::Cpu);
    sent(&work.run_async(&layer));
    let (input, state) = (work.input(), work.state());
    sent(&Gpu::request(&Default::default()));
    sent(&Gpu::adapters_async());
    sent(&Layer::new_async(&work.weights, Backend::Cpu));
    sent(&layer.forward_timed_async(&input, &state));
    sent(&layer.session_async(1));
    sent(&layer.clone().reload_async(Backend::Cpu));
    let mut session = layer.session(1).unwrap();
    sent(&session.push_async(&input));
    sent(&session.state_async());
    sent(&session.set_state_async(State::zero()));
    sent(&Backend::auto_async(layer.config(), 1, 1, &LayerOptions::default()));
}

#[test]
fn eight_threads_get_what_one_gets() {
    watched(|| {
        let config = Config::lstm(6, 40).num_layers(2);
        // More shapes than a layer keeps workspaces for.
        let works: Vec<Work> = (1..7).map(|n| Work::new(config, n, 13 - n)).collect();
        let check = |layer: &Layer| {
            let serial: Vec<_> = works.iter().map(|work| bits(&work.run(layer).unwrap())).collect();
            let call = |thread: usize, round: usize| {
                let place = (thread + round) % works.len();
                let found = match (thread + round / works.len()) % 2 {
                    0 => works[place].run(layer),
                    _ => pollster::block_on(works[place].run_async(layer)),
                };
                let what = format!("{}: {}, thread {thread}", layer.backend(), works[place].name);
                assert_eq!(bits(&found.unwrap()), serial[place], "{what}");
            };
            thread::scope(|scope| {
                for thread in 0..8 {
                    scope.spawn(move || (0..12).for_each(|round| call(thread, round)));
                }
            });
        };
        [Backend::Cpu, Backend::Reference].into_iter().for_each(|backend| check(&works[0].layer(backend)));
        on_each_adapter(|gpu| {
            for &strategy in Strategy::ALL {
                let options = LayerOptions::default().strategy(strategy);
                let backend = Backend::Gpu(gpu.clone());
                check(&Layer::with_options(&works[0].weights, backend, &options).unwrap());
            }
        });
    });
}
