//! Load: many mixed calls from several threads, with memory that has to stay as it is after a warm-up.
//!
//! Two layers are shared by all threads; calls have any number of rows, steps and lengths, block or are polled, are dropped
//! half-way, and go to sessions that open, live a while, and close. Some results are held against the f64 reference.
//!
//! ```sh
//! cargo run --release -p soak -- --calls 100000
//! ```

mod caller;
mod memory;

use std::error::Error;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use clap::Parser;
use wgpu_rnn::{AdapterChoice, Backend, Config, Error as LayerError, Gpu, Layer, Weights};

use caller::Caller;
use memory::Memory;

/// Parts of the calls between two looks at the memory.
const PARTS: usize = 10;

/// How many of them are the warm-up: the allocator and the driver take some 50,000 calls to settle.
const WARM_UP: usize = 5;

/// Memory that may come on top after the warm-up: what an allocator's fragments take.
const SLACK: usize = 2 << 20;

#[derive(Parser)]
struct Args {
    /// Calls in all.
    #[arg(long, default_value_t = 100_000)]
    calls: usize,
    /// Threads that make them.
    #[arg(long, default_value_t = 4)]
    threads: usize,
    /// `gpu` (the best adapter, which may be a driver on the CPU) or `cpu`.
    #[arg(long, default_value = "gpu", value_parser = ["gpu", "cpu"])]
    device: String,
    /// Of how many calls one is held against the reference.
    #[arg(long, default_value_t = 100)]
    check: usize,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args = Args::parse();
    let gpu = if args.device == "gpu" { Some(Gpu::new(&AdapterChoice::Best)?) } else { None };
    let backend = gpu.clone().map_or(Backend::Cpu, Backend::Gpu);
    println!("{} calls from {} threads on {backend}", args.calls, args.threads);
    let weights = [
        Weights::seeded(Config::gru(13, 24).num_layers(2), 0)?,
        Weights::seeded(Config::lstm(8, 20).bidirectional(true), 1)?,
    ];
    let layers = [Layer::new(&weights[0], backend.clone())?, Layer::new(&weights[1], backend)?];
    let start = Memory::now(gpu.as_ref());
    println!("{:>8}  {:>8}  {:>8}  {:>8}  memory", "calls", "checked", "errors", "seconds");
    println!("{:>8}  {:>8}  {:>8}  {:>8}  {start}", 0, 0, 0, 0);
    let (clock, errors, checked) = (Instant::now(), AtomicUsize::new(0), AtomicUsize::new(0));
    let mut callers: Vec<Caller<'_>> =
        (0..args.threads).map(|seed| Caller::new(&weights, &layers, args.check, seed)).collect();
    let mut looks = Vec::new();
    for part in 1..=PARTS {
        let calls = args.calls * part / PARTS - args.calls * (part - 1) / PARTS;
        thread::scope(|scope| {
            for (thread, caller) in callers.iter_mut().enumerate() {
                let own = calls * (thread + 1) / args.threads - calls * thread / args.threads;
                let (errors, checked) = (&errors, &checked);
                scope.spawn(move || {
                    for _ in 0..own {
                        note(caller.call(checked), errors);
                    }
                });
            }
        });
        callers.iter_mut().for_each(Caller::close);
        let look = Memory::now(gpu.as_ref());
        println!(
            "{:>8}  {:>8}  {:>8}  {:>8.0}  {look}",
            args.calls * part / PARTS,
            checked.load(Ordering::Relaxed),
            errors.load(Ordering::Relaxed),
            clock.elapsed().as_secs_f64()
        );
        looks.push(look);
    }
    let errors = errors.into_inner();
    let grown = looks.iter().skip(WARM_UP).find_map(|look| look.grown(&looks[WARM_UP - 1], SLACK));
    match (&grown, errors) {
        (None, 0) => println!("no error, and memory is flat after the warm-up"),
        (grown, errors) => println!("{errors} errors; {}", grown.as_deref().unwrap_or("memory is flat")),
    }
    Ok(if grown.is_none() && errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn note(outcome: Result<(), LayerError>, errors: &AtomicUsize) {
    if let Err(error) = outcome {
        errors.fetch_add(1, Ordering::Relaxed);
        eprintln!("{error}");
    }
}
