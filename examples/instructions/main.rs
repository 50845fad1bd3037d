//! The CPU backend on each instruction set that the machine has: the same work on the same thread, side by side.
//!
//! A wider instruction set that takes longer than a narrower one is a fault of the library, and ends the program with an
//! error that names both.
//!
//! ```sh
//! cargo run --release -p instructions
//! ```

mod order;

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use wgpu_rnn::ndarray::Array3;
use wgpu_rnn::{Backend, Config, CpuInstructions, Layer, LayerOptions, Weights};

/// Sets take turns this many times, and the fastest run of each counts.
const ROUNDS: usize = 9;

/// A fault must remain after up to this many times as many rounds. On a machine that does other work, even the
/// fastest of a few runs may be slow.
const ATTEMPTS: usize = 5;

/// A layer and a batch. The first is two large products of 512 rows, and nearly nothing else.
fn works() -> [(Config, usize, usize); 3] {
    [(Config::rnn_relu(1024, 1024), 512, 1), (Config::lstm(256, 256), 32, 16), (Config::gru(80, 256), 1, 100)]
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut faults = Vec::new();
    for (config, batch, steps) in works() {
        let name = format!("{config}, N {batch}, T {steps}");
        let times = times(config, batch, steps)?;
        let work = multiply_adds(&config, batch, steps);
        for (instructions, time) in &times {
            let gflops = 2e-9 * work / time.as_secs_f64();
            println!("{name:40} {instructions:8} {:9.3} ms {gflops:8.1} GFLOP/s", 1e3 * time.as_secs_f64());
        }
        faults.extend(order::faults(&times).into_iter().map(|fault| format!("{name}: {fault}")));
    }
    match faults.is_empty() {
        true => Ok(()),
        false => Err(faults.join("; ").into()),
    }
}

/// The fastest forward pass of one thread, for each instruction set.
fn times(
    config: Config,
    batch: usize,
    steps: usize,
) -> Result<Vec<(CpuInstructions, Duration)>, Box<dyn Error>> {
    let weights = Weights::seeded(config, 0)?;
    let input = Array3::from_shape_fn((batch, steps, config.input_size), |(n, t, i)| {
        ((n + 3 * t + 7 * i) as f32).sin()
    });
    let mut layers = Vec::new();
    for instructions in CpuInstructions::available() {
        let options =
            LayerOptions { threads: 1, instructions: Some(instructions), ..LayerOptions::default() };
        layers.push((instructions, Layer::new(&weights, (Backend::Cpu, options.clone()))?, Duration::MAX));
    }
    let mut times = Vec::new();
    for _ in 0..ATTEMPTS {
        for _ in 0..ROUNDS {
            for (_, layer, fastest) in &mut layers {
                let start = Instant::now();
                black_box(layer.forward(&input)?);
                *fastest = start.elapsed().min(*fastest);
            }
        }
        times = layers.iter().map(|(instructions, _, fastest)| (*instructions, *fastest)).collect();
        if order::faults(&times).is_empty() {
            break;
        }
    }
    Ok(times)
}

fn multiply_adds(config: &Config, batch: usize, steps: usize) -> f64 {
    let gates = (config.cell.gates() * config.hidden_size) as f64;
    gates * (config.input_size + config.hidden_size) as f64 * (batch * steps) as f64
}
