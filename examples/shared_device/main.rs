//! Runs a layer between a program's own compute passes, in one submission on the program's own device:
//! `cargo run --release -p shared_device`.

#![allow(clippy::cast_possible_truncation, reason = "the example's sizes are small")]

mod program;

use std::error::Error;
use std::process::ExitCode;

use wgpu_rnn::wgpu;

use program::{BATCH, STEPS};

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("shared_device: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether the GPU's result is the CPU's.
fn run() -> Result<bool, Box<dyn Error>> {
    let (device, queue) = pollster::block_on(open())?;
    let weights = program::weights()?;
    let config = weights.config();
    println!("{config} over N = {BATCH}, T = {STEPS} on {}", device.adapter_info().name);
    let means = program::run(&device, &queue, &weights)?;
    println!("one submission: features made on the GPU, the layer, the mean of its output over time");
    println!("read back: {} of {} floats of output", means.len(), STEPS * means.len());
    let (difference, part) = program::difference(&means, &program::on_cpu(&weights)?);
    println!(
        "largest difference to the CPU backend: {difference:.1e}, {:.0} % of what is allowed",
        100.0 * part
    );
    Ok(part <= 1.0)
}

/// A device with WebGPU's default limits, as a program opens it for its own work: of the best adapter, without a window.
async fn open() -> Result<(wgpu::Device, wgpu::Queue), Box<dyn Error>> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let options = wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        ..Default::default()
    };
    let adapter = instance.request_adapter(&options).await?;
    let required_limits = wgpu::Limits::default().or_worse_values_from(&adapter.limits());
    let descriptor =
        wgpu::DeviceDescriptor { label: Some("shared_device"), required_limits, ..Default::default() };
    Ok(adapter.request_device(&descriptor).await?)
}
