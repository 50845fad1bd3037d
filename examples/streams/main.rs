//! Live streams: a server's view of a recurrent layer.
//!
//! Streams begin at any time, send packets of a few steps with pauses between them, and end; a row that is free goes to the
//! next one. One push serves all rows that have a packet at a tick. Behind it, each stream is run alone in one call, and has
//! to give the same bits.
//!
//! ```sh
//! cargo run --release -p streams
//! ```

mod traffic;

use std::error::Error;
use std::time::{Duration, Instant};

use clap::Parser;
use wgpu_rnn::ndarray::{Array3, Axis};
use wgpu_rnn::{AdapterChoice, Backend, Config, Gpu, Input, Layer, Weights};

use traffic::{Stream, Traffic};

/// Simulated live streams on the GPU and on the CPU.
#[derive(Parser)]
struct Args {
    /// Rows of a session, as a list: as many streams are live at once.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 256])]
    rows: Vec<usize>,
    /// Streams in all for each row.
    #[arg(long, default_value_t = 2)]
    streams: usize,
    /// Steps of a stream on average.
    #[arg(long, default_value_t = 40)]
    steps: usize,
    /// Features of an input vector.
    #[arg(long, default_value_t = 40)]
    input_size: usize,
    /// Hidden units of each of two layers.
    #[arg(long, default_value_t = 128)]
    hidden_size: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let weights = Weights::seeded(Config::gru(args.input_size, args.hidden_size).num_layers(2), 0)?;
    println!("{}", weights.config());
    println!(
        "{:>5}  {:>7}  {:>6}  {:>9}  {:>9}  {:>9}  device",
        "rows", "streams", "pushes", "steps/s", "p50 ms", "p99 ms"
    );
    for &rows in &args.rows {
        for backend in backends() {
            serve(&weights, backend, rows, &args)?;
        }
    }
    Ok(())
}

/// The best GPU, which may be a driver on the CPU, and the CPU.
fn backends() -> Vec<Backend> {
    let gpu = match Gpu::new(&AdapterChoice::Best) {
        Ok(gpu) => Some(Backend::Gpu(gpu)),
        Err(error) => {
            eprintln!("without a GPU: {error}");
            None
        }
    };
    gpu.into_iter().chain([Backend::Cpu]).collect()
}

fn serve(weights: &Weights, backend: Backend, rows: usize, args: &Args) -> Result<(), Box<dyn Error>> {
    let name = backend.to_string();
    let layer = Layer::new(weights, backend)?;
    let mut session = layer.session(rows)?;
    let mut traffic = Traffic::new(rows, rows * args.streams, args.steps, args.input_size);
    let (mut latencies, mut steps) = (Vec::new(), 0);
    while let Some(tick) = traffic.tick() {
        session.reset(Some(&tick.begun))?;
        let input = Input::new(tick.input.view()).lengths(&tick.lengths);
        let start = Instant::now();
        let output = session.push(input.rows(&tick.rows))?;
        latencies.push(start.elapsed());
        steps += tick.lengths.iter().sum::<usize>();
        traffic.answer(&tick, &output);
    }
    let total: Duration = latencies.iter().sum();
    let pushes = latencies.len();
    latencies.sort_unstable();
    let percentile = |percent: usize| latencies[(pushes - 1) * percent / 100].as_secs_f64() * 1e3;
    let streams = traffic.ended();
    for stream in streams {
        same_alone(&layer, stream)?;
    }
    println!(
        "{rows:>5}  {:>7}  {pushes:>6}  {:>9.0}  {:>9.3}  {:>9.3}  {name}",
        streams.len(),
        steps as f64 / total.as_secs_f64(),
        percentile(50),
        percentile(99),
    );
    Ok(())
}

/// Whether one call gives what the pushes gave, bit for bit.
fn same_alone(layer: &Layer, stream: &Stream) -> Result<(), Box<dyn Error>> {
    let input: Array3<f32> = stream.input.clone().insert_axis(Axis(0));
    let expected = layer.forward(&input)?.output;
    let same = expected.iter().zip(&stream.output).all(|(a, b)| a.to_bits() == b.to_bits());
    if same { Ok(()) } else { Err(format!("a stream of {} steps differs", input.len_of(Axis(1))).into()) }
}
