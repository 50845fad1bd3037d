//! `wgpu-rnn plan`: what a GPU would do.

mod json;

use wgpu_rnn::{
    AdapterChoice, Config, Error, ErrorKind, Gpu, LayerOptions, Strategy, inspect::PlanReport, wgpu::Limits,
};

use crate::args::PlanArguments;
use crate::device::{self, DeviceChoice};
use crate::failure::{Failure, Result};
use crate::report;
use crate::shape::BatchArguments;

/// A forward pass of N rows and T steps on a device.
#[derive(Debug)]
struct Work {
    config: Config,
    batch: usize,
    steps: usize,
    device: String,
    /// The device; none for WebGPU's baseline limits.
    gpu: Option<Gpu>,
}

impl Work {
    fn plan(&self, options: &LayerOptions) -> std::result::Result<PlanReport, Error> {
        let Work { config, batch, steps, gpu, .. } = self;
        match gpu {
            Some(gpu) => gpu.plan(config, *batch, *steps, options),
            None => PlanReport::new(config, *batch, *steps, &Limits::default(), options),
        }
    }
}

const BASELINE: &str = "WebGPU's baseline limits";

pub(crate) fn plan(arguments: &PlanArguments) -> Result<()> {
    let config = config(arguments)?;
    arguments.size.check()?;
    let BatchArguments { batch, steps } = arguments.size;
    let (device, gpu) = device(arguments, &device::Work { name: "", config, batch, steps })?;
    let work = Work { config, batch, steps, device, gpu };
    let plans = plans(&work, arguments)?;
    report::print(&match arguments.json {
        true => json::text(&work, &plans)?,
        false => plans.iter().map(PlanReport::to_string).collect::<Vec<_>>().join("\n"),
    })?;
    let Work { config, batch, steps, device, .. } = &work;
    report::note(&format!("planned {config}, batch {batch}, steps {steps}, for {device}"));
    Ok(())
}

fn config(arguments: &PlanArguments) -> Result<Config> {
    match arguments.source.read(arguments.layer.nonlinearity, None)? {
        Some(source) => Ok(*source.alone()?.config()),
        None => arguments.layer.config(),
    }
}

/// Returns the device of the plan, in words and open; none for the baseline.
fn device(arguments: &PlanArguments, work: &device::Work<'_>) -> Result<(String, Option<Gpu>)> {
    let baseline = || (BASELINE.to_owned(), None);
    if arguments.device == "baseline" {
        return Ok(baseline());
    }
    let Ok(choice) = arguments.device.parse::<DeviceChoice>();
    let adapter = match &choice {
        DeviceChoice::Auto => {
            device::auto(work, &options(arguments, arguments.strategy.one()));
            &AdapterChoice::Hardware
        }
        DeviceChoice::Adapter(adapter) => adapter,
        DeviceChoice::Cpu | DeviceChoice::Reference => {
            return Err(Failure::new(format_args!(
                "device must be gpu, auto, an adapter's index or name, or baseline: {choice} has no plan"
            )));
        }
    };
    match Gpu::new(adapter) {
        Ok(gpu) => Ok((gpu.to_string(), Some(gpu))),
        Err(error) if matches!(adapter, AdapterChoice::Best | AdapterChoice::Hardware) => {
            report::note(&format!("{choice}: plans for {BASELINE}, since {error}"));
            Ok(baseline())
        }
        Err(error) => Err(Failure::new(error)),
    }
}

fn options(arguments: &PlanArguments, strategy: Strategy) -> LayerOptions {
    let options = LayerOptions { strategy, precision: arguments.precision, ..LayerOptions::default() };
    match arguments.budget {
        Some(bytes) => LayerOptions { budget: bytes, ..options },
        None => options,
    }
}

/// Returns a plan for each strategy. Of several strategies, those that do not fit the limits are left out.
fn plans(work: &Work, arguments: &PlanArguments) -> Result<Vec<PlanReport>> {
    let strategies = &arguments.strategy.0;
    let mut plans = Vec::new();
    for &strategy in strategies {
        let options = options(arguments, strategy);
        match work.plan(&options) {
            Ok(plan) => plans.push(plan),
            Err(error) if error.kind() == ErrorKind::TooLarge && strategies.len() > 1 => {
                report::note(&format!("left out {strategy}: {error}"));
            }
            Err(error) => return Err(Failure::new(error)),
        }
    }
    match plans.is_empty() {
        true => Err(Failure::new("no strategy fits")),
        false => Ok(plans),
    }
}
