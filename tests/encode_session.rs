//! Pushes recorded into the caller's encoder: the bits of `push`, and the state in the order of submission.

use wgpu_rnn::ndarray::{Array3, Axis, concatenate};
use wgpu_rnn::{Backend, Config, Gpu, GpuBuffers, Layer, Session, Weights};

use crate::harness::{on_each_gpu, random};
use crate::on_gpu::{Held, encoder, submit};

/// Vectors of whole quads and padded ones, stacks, a projection, and a second product in each step.
fn configs() -> [Config; 5] {
    let lstm = Config::lstm(6, 9);
    [
        Config::rnn(4, 8),
        Config::gru(5, 7).num_layers(3),
        Config::gru(6, 7).reset_after(false),
        lstm.num_layers(2),
        lstm.proj_size(3),
    ]
}

/// A push in buffers.
struct Push {
    input: Held,
    output: Held,
    shape: [usize; 3],
}

impl Push {
    fn new(gpu: &Gpu, config: &Config, input: &Array3<f32>) -> Self {
        let (rows, steps, _) = input.dim();
        let shape = [rows, steps, config.output_size()];
        Push { input: Held::of(gpu, 256, input), output: Held::blank(gpu, 0, shape), shape }
    }

    fn buffers(&self) -> GpuBuffers<'_> {
        GpuBuffers::new(self.shape[0], self.shape[1], self.input.binding(), self.output.binding())
    }

    fn read(&self, gpu: &Gpu) -> Array3<f32> {
        self.output.read(gpu, self.shape)
    }
}

fn push(session: &mut Session, input: &Array3<f32>, rows: &[usize]) -> Array3<f32> {
    session.push(wgpu_rnn::Input::new(input).rows(rows)).unwrap()
}

fn bits(values: &Array3<f32>) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn assert_same_states(session: &Session, expected: &Session, what: &str) {
    let (found, expected) = (session.state().unwrap(), expected.state().unwrap());
    assert_eq!(found, expected, "{what}");
}

/// The calls alternate between recordings and pushes, and concern other rows each time.
#[test]
fn recorded_pushes_have_the_bits_of_push() {
    on_each_gpu(|implementation, gpu| {
        for config in configs() {
            let layer = implementation.layer(&Weights::seeded(config, 3).unwrap());
            let [mut session, mut expected] = [0; 2].map(|_| layer.session(4).unwrap());
            let what = format!("{config} on {}", implementation.name);
            for (seed, rows) in (1..).zip([&[2, 0][..], &[2, 0], &[3], &[0, 1, 2, 3], &[1]]) {
                let steps = 1 + seed as usize % 3;
                let input = random((rows.len(), steps, config.input_size), 1.0, seed);
                let pushed = Push::new(gpu, &config, &input);
                let mut encoder = encoder(gpu);
                session.encode(&mut encoder, &pushed.buffers(), Some(rows)).unwrap();
                submit(gpu, encoder);
                assert_eq!(bits(&pushed.read(gpu)), bits(&push(&mut expected, &input, rows)), "{what}");
                // The host goes on from the recorded state.
                let next = random((2, 2, config.input_size), 1.0, 100 + seed);
                let [found, wanted] = [&mut session, &mut expected].map(|one| push(one, &next, &[1, 3]));
                assert_eq!(bits(&found), bits(&wanted), "{what}");
            }
            assert_same_states(&session, &expected, &what);
        }
    });
}

#[test]
fn recordings_in_one_submission_go_on_from_each_other() {
    let config = Config::lstm(5, 6).num_layers(2);
    on_each_gpu(|implementation, gpu| {
        let layer = implementation.layer(&Weights::seeded(config, 0).unwrap());
        let mut session = layer.session(3).unwrap();
        let inputs: Vec<_> = (0..5).map(|seed| random((3, 1, 5), 1.0, seed)).collect();
        let pushes: Vec<_> = inputs.iter().map(|input| Push::new(gpu, &config, input)).collect();
        let mut encoder = encoder(gpu);
        for pushed in &pushes {
            session.encode(&mut encoder, &pushed.buffers(), None).unwrap();
        }
        submit(gpu, encoder);
        let outputs: Vec<_> = pushes.iter().map(|pushed| pushed.read(gpu)).collect();
        let joined = |arrays: &[Array3<f32>]| {
            let views: Vec<_> = arrays.iter().map(|array| array.view()).collect();
            concatenate(Axis(1), &views).unwrap()
        };
        let expected = layer.forward(&joined(&inputs)).unwrap();
        assert_eq!(bits(&joined(&outputs)), bits(&expected.output), "{}", implementation.name);
        let state = session.state().unwrap();
        assert_eq!(state.h_0.unwrap(), expected.h_n, "{}", implementation.name);
        assert_eq!(state.c_0, expected.c_n.map(Into::into), "{}", implementation.name);
    });
}

#[test]
fn a_recording_that_is_dropped_changes_no_state() {
    let config = Config::gru(4, 6);
    on_each_gpu(|implementation, gpu| {
        let layer = implementation.layer(&Weights::seeded(config, 0).unwrap());
        let mut session = layer.session(2).unwrap();
        let input = random((2, 3, 4), 1.0, 1);
        session.push(&input).unwrap();
        let before = session.state().unwrap();
        let pushed = Push::new(gpu, &config, &input);
        let mut dropped = encoder(gpu);
        session.encode(&mut dropped, &pushed.buffers(), None).unwrap();
        drop(dropped);
        assert_eq!(session.state().unwrap(), before, "{}", implementation.name);
        session.reset(Some(&[1])).unwrap();
        let mut encoder = encoder(gpu);
        session.encode(&mut encoder, &pushed.buffers(), None).unwrap();
        submit(gpu, encoder);
        let second = layer.forward(&input.select(Axis(0), &[1])).unwrap();
        let found = pushed.read(gpu).select(Axis(0), &[1]);
        assert_eq!(bits(&found), bits(&second.output), "{}", implementation.name);
    });
}

#[test]
fn every_misuse_has_its_message() {
    let config = Config::lstm(5, 4);
    on_each_gpu(|implementation, gpu| {
        let layer = implementation.layer(&Weights::seeded(config, 0).unwrap());
        let mut session = layer.session(3).unwrap();
        let input = Array3::zeros((2, 1, 5));
        let (pushed, state) = (Push::new(gpu, &config, &input), Held::blank(gpu, 0, [1, 2, 4]));
        let mut refused = |buffers: GpuBuffers<'_>, rows: &[usize]| {
            let mut encoder = encoder(gpu);
            let error = session.encode(&mut encoder, &buffers, Some(rows)).unwrap_err();
            submit(gpu, encoder);
            error.to_string()
        };
        let given = Some(state.binding());
        let bytes = state.buffer.size();
        let kept =
            format!("expected none, since the session keeps the state, found a buffer of {bytes} bytes");
        assert_eq!(
            refused(GpuBuffers { h_0: given.clone(), ..pushed.buffers() }, &[0, 1]),
            format!("h_0: {kept}")
        );
        assert_eq!(
            refused(GpuBuffers { c_n: given.clone(), ..pushed.buffers() }, &[0, 1]),
            format!("c_n: {kept}")
        );
        let lengths = refused(GpuBuffers { lengths: given, ..pushed.buffers() }, &[0, 1]);
        assert!(
            lengths.starts_with("lengths: expected none, since every row of the call has T steps"),
            "{lengths}"
        );
        let [count, missing, twice] =
            [&[0][..], &[0, 3], &[1, 1]].map(|rows| refused(pushed.buffers(), rows));
        assert!(count.contains('1') && count.contains('2'), "{count}");
        assert!(missing.contains('3'), "{missing}");
        assert!(twice.contains("twice"), "{twice}");
    });
}

#[test]
fn a_session_on_the_cpu_records_nothing() {
    on_each_gpu(|_, gpu| {
        let config = Config::gru(4, 6);
        let layer = Layer::new(&Weights::seeded(config, 0).unwrap(), Backend::Cpu).unwrap();
        let pushed = Push::new(gpu, &config, &Array3::zeros((1, 1, 4)));
        let error = layer.session(1).unwrap().encode(&mut encoder(gpu), &pushed.buffers(), None).unwrap_err();
        assert_eq!(error.kind(), wgpu_rnn::ErrorKind::Config);
    });
}
