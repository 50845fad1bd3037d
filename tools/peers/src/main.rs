//! Times a backend on one case of `compare.py`, which starts this program. Arguments, input and
//! output are those of `worker.py`, without the name of a peer.

use std::io::{BufRead, stdin};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use safetensors::SafeTensors;
use wgpu_rnn::ndarray::Array3;
use wgpu_rnn::{AdapterChoice, Backend, Gpu, Layer, LayerOptions, LoadOptions, Weights};

#[derive(Parser)]
struct Args {
    /// The folder with the models
    folder: PathBuf,
    cell: String,
    case: String,
    /// The number of threads of the CPU backend, or gpu
    on: String,
}

fn main() -> Result<()> {
    let Args { folder, cell, case, on } = Args::parse();
    let path = folder.join(format!("{cell}_{case}.safetensors"));
    let file = std::fs::read(&path).with_context(|| path.display().to_string())?;
    let tensors = SafeTensors::deserialize(&file)?;
    let (input, expected) = (array(&tensors, "x")?, array(&tensors, "y")?);
    let state_dict = tensors.iter().filter(|(name, _)| !["x", "y"].contains(name));
    let weights = Weights::from_bytes(&safetensors::serialize(state_dict, None)?, &LoadOptions::default())?;
    let options = LayerOptions::default();
    let layer = match &*on {
        "gpu" => Layer::new(&weights, Backend::Gpu(Gpu::new(&AdapterChoice::Best)?))?,
        threads => {
            Layer::new(&weights, (Backend::Cpu, LayerOptions { threads: threads.parse()?, ..options }))?
        }
    };
    let forward = || layer.forward(&input);

    let output = forward()?.output;
    ensure!(
        output.shape() == expected.shape(),
        "expected {:?}, found {:?}",
        expected.shape(),
        output.shape()
    );
    ensure!(output.iter().all(|value| value.is_finite()), "the output is not finite");
    println!("{}", (output - expected).iter().fold(0.0_f32, |most, value| most.max(value.abs())));
    for line in stdin().lock().lines() {
        let seconds = Duration::from_secs_f64(line?.parse()?);
        let (start, mut times) = (Instant::now(), Vec::new());
        while times.is_empty() || start.elapsed() < seconds {
            let start = Instant::now();
            forward()?;
            times.push(start.elapsed().as_secs_f64());
        }
        println!("{}", serde_json::to_string(&times)?);
    }
    Ok(())
}

/// Returns a tensor of three dimensions.
fn array(tensors: &SafeTensors<'_>, name: &str) -> Result<Array3<f32>> {
    let tensor = tensors.tensor(name)?;
    let values = tensor.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    let shape: [usize; 3] = tensor.shape().try_into().with_context(|| name.to_string())?;
    Ok(Array3::from_shape_vec(shape, values)?)
}
