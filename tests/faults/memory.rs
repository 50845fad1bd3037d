//! Memory that cannot be had.

use std::process::Command;
use std::{env, fs, process};

use wgpu_rnn::ndarray::Array3;
use wgpu_rnn::{Backend, Config, ErrorKind, Input, Layer, LayerOptions, Strategy, Weights};

use crate::harness::{bits, on_each, on_each_of};
use crate::polled::Polled;
use crate::work::Work;
use crate::{queued, watched};

/// Set for the process whose memory is limited, to the adapter's place.
const CHILD: &str = "WGPU_RNN_TEST_LITTLE_MEMORY";

/// Views that repeat a row take no memory themselves; the result of so many rows would.
#[test]
fn a_result_that_no_host_has_room_for_is_an_error() {
    watched(|| {
        let one = Array3::zeros((1, 1, 1));
        let weights = Weights::seeded(Config::lstm(1, 1), 0).unwrap();
        on_each(|implementation| {
            let layer = implementation.layer(&weights);
            for (rows, steps) in [(1 << 44, 1), (1 << 22, 1 << 22), (1, 1 << 44)] {
                let input = Input::new(one.broadcast((rows, steps, 1)).unwrap());
                let polled = Polled::new(layer.forward_async(&input)).finish();
                for result in [layer.forward(&input), polled] {
                    match result {
                        Err(error) if error.kind() == ErrorKind::OutOfMemory => {}
                        Err(error) if error.kind() == ErrorKind::TooLarge && implementation.is_gpu() => {}
                        other => panic!("N={rows}, T={steps} on {}: {other:?}", implementation.name),
                    }
                }
            }
            let x = Array3::zeros((2, 3, 1));
            layer.forward(&Input::new(x.view())).expect("the layer works on");
        });
    });
}

/// A process of its own is left with so little memory that the driver, asked for buffers that the plan and the device's
/// limits allow, has none.
#[test]
#[cfg(target_os = "linux")]
fn a_driver_without_memory_is_an_error_and_the_layer_works_on() {
    watched(|| {
        on_each_of(queued(), |gpu| {
            let adapter = gpu.device().adapter_info();
            let place = queued().iter().position(|one| one.device().adapter_info() == adapter).unwrap();
            let output = Command::new(env::current_exe().unwrap())
                .args(["--exact", "memory::with_little_memory", "--ignored", "--nocapture"])
                .env(CHILD, place.to_string())
                // glibc keeps address space for each thread otherwise, and ends a process where a driver's thread gets none.
                .env("MALLOC_ARENA_MAX", "1")
                .output()
                .unwrap();
            let told = String::from_utf8_lossy(&output.stdout);
            let problems = String::from_utf8_lossy(&output.stderr);
            println!("{gpu}: {told}");
            assert!(output.status.success() && told.contains("refused: "), "{gpu}: {told}\n{problems}");
        });
    });
}

/// Takes this process any further address space but so much.
fn leave(bytes: u64) {
    let used: u64 =
        fs::read_to_string("/proc/self/statm").unwrap().split(' ').next().unwrap().parse().unwrap();
    let limit = used * 4096 + bytes;
    let id = process::id().to_string();
    let done = Command::new("prlimit").args(["--pid", &id, &format!("--as={limit}")]).status();
    assert!(done.expect("util-linux' prlimit").success());
}

#[test]
#[ignore = "run by a_driver_without_memory_is_an_error_and_the_layer_works_on, in a process of its own"]
fn with_little_memory() {
    let Ok(place) = env::var(CHILD) else { return };
    let gpu = queued()[place.parse::<usize>().unwrap()].clone();
    // Buffers of the gates four times as large as the output.
    let work = Work::new(Config::lstm(4, 64), 64, 4);
    let options =
        LayerOptions { strategy: Strategy::HoistedStep, budget: 1 << 30, ..LayerOptions::default() };
    let layer = Layer::new(&work.weights, (Backend::Gpu(gpu), options)).unwrap();
    let expected = bits(&work.run(&layer).unwrap());
    let large = Array3::<f32>::zeros((64, 1900, 4));
    let plan = layer.plan(64, 1900).unwrap().unwrap();
    assert!(plan.workspace_bytes > 100 << 20, "{plan}");
    leave(64 << 20);
    let input = Input::new(large.view());
    for _ in 0..2 {
        let polled = Polled::new(layer.forward_async(&input)).finish();
        for result in [layer.forward(&input), polled] {
            match result {
                Err(error) if matches!(error.kind(), ErrorKind::OutOfMemory | ErrorKind::DeviceLost) => {
                    println!("refused: {error}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
    if work.run(&layer).is_err_and(|error| error.kind() == ErrorKind::DeviceLost) {
        println!("lost, and put on the CPU");
        work.run(&work.layer(Backend::Cpu)).unwrap();
        return;
    }
    assert_eq!(bits(&work.run(&layer).unwrap()), expected);
    println!("worked on");
}
