//! Load: many mixed calls from several threads, with memory that has to stay as it is after a warm-up.
//!
//! Two layers are shared by all threads; calls have any number of rows, steps and lengths, block or are polled, are
//! dropped half-way, and go to sessions that open, live a while, and close. Some results are held against the f64
//! reference. On request, devices are destroyed in the middle of the calls, which then must say so, and replaced.
//!
//! ```sh
//! cargo run --release -p soak -- --device all --calls 100000 --threads 32 --lose 500
//! ```

mod caller;
mod memory;
mod subject;

use std::env;
use std::error::Error;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use clap::Parser;
use wgpu_rnn::{Config, Error as LayerError, Weights};

use caller::{Caller, Outcome};
use memory::Memory;
use subject::Subject;

/// Parts of the calls between two looks at the memory.
const PARTS: usize = 10;

/// How many of them are the warm-up: the allocator and the driver take some 50,000 calls to settle.
const WARM_UP: usize = 5;

/// Memory that may come on top after the warm-up: what an allocator's fragments take, with those of each thread.
const SLACK: usize = 2 << 20;
const SLACK_OF_THREAD: usize = 128 << 10;
/// Memory that may come on top for each device that is lost after the warm-up. Lavapipe of Mesa 22.3 takes 0.5 MiB for
/// each from the fiftieth device on, and up to 3 MiB for each of the first ones, so that few calls need none lost.
const SLACK_OF_DEVICE: usize = 1 << 20;

/// What `all` stands for.
const ALL: [&str; 3] = ["cpu", "vulkan", "gl"];

#[derive(Parser)]
struct Args {
    /// Calls in all, on each device.
    #[arg(long, default_value_t = 100_000)]
    calls: usize,
    /// Threads that make them.
    #[arg(long, default_value_t = 4)]
    threads: usize,
    /// `gpu` (the best adapter, which may be a driver on the CPU), `vulkan`, `gl`, `cpu`, or `all`: the last three
    /// that the machine has, each in a process of its own.
    #[arg(long, default_value = "gpu", value_parser = ["gpu", "vulkan", "gl", "cpu", "all"])]
    device: String,
    /// Of how many calls one is held against the reference.
    #[arg(long, default_value_t = 100)]
    check: usize,
    /// Of how many calls one loses the device, at random; 0 loses none.
    #[arg(long, default_value_t = 0)]
    lose: usize,
}

/// The counts of all threads.
#[derive(Default)]
struct Counts {
    checked: AtomicUsize,
    /// Calls that a lost device has ended.
    lost: AtomicUsize,
    errors: AtomicUsize,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args = Args::parse();
    if args.device == "all" {
        return each(&args);
    }
    let weights = [
        Weights::seeded(Config::gru(13, 24).num_layers(2), 0)?,
        Weights::seeded(Config::lstm(8, 20).bidirectional(true), 1)?,
    ];
    let Some(subject) = Subject::open(&args.device, weights)? else {
        println!("no adapter for {}", args.device);
        return Ok(ExitCode::SUCCESS);
    };
    run(&args, &subject)
}

/// Runs a process for each device.
fn each(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let mut failed = Vec::new();
    for device in ALL {
        let numbers = [("--calls", args.calls), ("--threads", args.threads), ("--check", args.check)];
        let numbers = numbers.into_iter().chain([("--lose", args.lose)]);
        let numbers = numbers.flat_map(|(flag, number)| [flag.to_owned(), number.to_string()]);
        let status = Command::new(env::current_exe()?).args(["--device", device]).args(numbers).status()?;
        if !status.success() {
            failed.push(format!("{device}: {status}"));
        }
    }
    println!("{}", if failed.is_empty() { "all devices passed".into() } else { failed.join("; ") });
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run(args: &Args, subject: &Subject) -> Result<ExitCode, Box<dyn Error>> {
    let backend = subject.gpu().map_or("cpu".into(), |gpu| gpu.to_string());
    println!("{} calls from {} threads on {backend}", args.calls, args.threads);
    println!(
        "{:>8}  {:>8}  {:>13}  {:>8}  {:>8}  memory",
        "calls", "checked", "lost: devices", "calls", "seconds"
    );
    let (clock, counts) = (Instant::now(), Counts::default());
    let print = |calls: usize, memory: &Memory| {
        let count = |of: &AtomicUsize| of.load(Ordering::Relaxed);
        println!(
            "{calls:>8}  {:>8}  {:>13}  {:>8}  {:>8.0}  {memory}",
            count(&counts.checked),
            subject.lost(),
            count(&counts.lost),
            clock.elapsed().as_secs_f64()
        );
    };
    print(0, &Memory::now(subject.gpu().as_ref()));
    let mut callers: Vec<Caller<'_>> =
        (0..args.threads).map(|seed| Caller::new(subject, args.check, args.lose, seed)).collect();
    let (mut looks, mut lost) = (Vec::new(), Vec::new());
    for part in 1..=PARTS {
        let calls = args.calls * part / PARTS - args.calls * (part - 1) / PARTS;
        thread::scope(|scope| {
            for (thread, caller) in callers.iter_mut().enumerate() {
                let own = calls * (thread + 1) / args.threads - calls * thread / args.threads;
                let counts = &counts;
                scope.spawn(move || {
                    for _ in 0..own {
                        note(caller.call(&counts.checked), counts);
                    }
                });
            }
        });
        callers.iter_mut().for_each(Caller::close);
        let look = Memory::now(subject.gpu().as_ref());
        print(args.calls * part / PARTS, &look);
        looks.push(look);
        lost.push(subject.lost());
    }
    let errors = counts.errors.into_inner();
    let devices = lost[PARTS - 1] - lost[WARM_UP - 1];
    let slack = SLACK + SLACK_OF_THREAD * args.threads + SLACK_OF_DEVICE * devices;
    let warm = &looks[WARM_UP - 1];
    let grown = looks.iter().skip(WARM_UP).find_map(|look| look.grown(warm, slack, devices == 0));
    println!(
        "resident after the warm-up and at the end: {} and {}; at most {} KiB more are allowed",
        warm.resident(),
        looks[PARTS - 1].resident(),
        slack >> 10
    );
    match (&grown, errors) {
        (None, 0) => println!("no error, and memory is flat after the warm-up"),
        (grown, errors) => println!("{errors} errors; {}", grown.as_deref().unwrap_or("memory is flat")),
    }
    Ok(if grown.is_none() && errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn note(outcome: Result<Outcome, LayerError>, counts: &Counts) {
    match outcome {
        Ok(Outcome::Done) => {}
        Ok(Outcome::Lost) => _ = counts.lost.fetch_add(1, Ordering::Relaxed),
        Err(error) => {
            counts.errors.fetch_add(1, Ordering::Relaxed);
            eprintln!("{error}");
        }
    }
}
