//! Threads that share a layer.

use std::thread;

use wgpu_rnn::{Backend, Config, Gpu, Layer, LayerOptions, State, Strategy};

use crate::harness::{bits, on_each_adapter};
use crate::watched;
use crate::work::Work;

/// What a compiler can check of it.
#[test]
fn futures_may_be_sent() {
    fn sent<T: Send>(_: &T) {}
    let work = Work::small();
    let layer = work.layer(Backend::Cpu);
    sent(&work.run_async(&layer));
    let input = work.input();
    sent(&Gpu::new_async(&Default::default()));
    sent(&Gpu::adapters());
    sent(&Layer::new_async(&work.weights, Backend::Cpu));
    sent(&layer.session_async(1));
    let mut session = layer.session(1).unwrap();
    sent(&session.push_async(&input));
    sent(&session.state_async());
    sent(&session.set_state_async(None, State::default()));
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
                let options = LayerOptions { strategy, ..LayerOptions::default() };
                let backend = Backend::Gpu(gpu.clone());
                check(&Layer::new(&works[0].weights, (backend, options.clone())).unwrap());
            }
        });
    });
}
