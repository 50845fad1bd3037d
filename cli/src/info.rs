//! `wgpu-rnn info`: the devices of the machine.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;
use wgpu_rnn::{Backend, CpuInstructions, LayerOptions};

use crate::args::InfoArguments;
use crate::bench::case::{self, Case};
use crate::columns::columns;
use crate::device;
use crate::failure::{Failure, Result, one_line};
use crate::shape::CellName;
use crate::{keras, model, report, weights};

#[cfg(feature = "gpu")]
mod adapters;
#[cfg(feature = "gpu")]
pub(crate) use adapters::{device_type, driver};

/// A build without the feature `gpu` sees no adapter.
#[cfg(not(feature = "gpu"))]
mod adapters {
    pub(super) fn all() -> Vec<super::Adapter> {
        Vec::new()
    }
}

#[derive(Debug, Serialize)]
struct Info {
    version: &'static str,
    adapters: Vec<Adapter>,
    cpu_threads: usize,
    cpu_instructions: String,
    /// All sets of the machine, the narrowest first.
    cpu_instructions_available: Vec<String>,
    /// The choices of `--device auto`.
    auto: Vec<Taken>,
}

#[derive(Debug, Serialize)]
struct Adapter {
    index: usize,
    name: String,
    backend: String,
    #[serde(rename = "type")]
    device_type: String,
    software: bool,
    driver: String,
    /// Whether `--device auto` considers the adapter; `auto_reason` says why it does not.
    auto: bool,
    auto_reason: Option<String>,
    /// None if the adapter disappeared between the two listings.
    abilities: Option<Abilities>,
}

/// The choice of `--device auto` for a case.
#[derive(Debug, Serialize)]
struct Taken {
    case: String,
    layer: String,
    batch: usize,
    steps: usize,
    takes: String,
    reason: String,
    /// The expected times of both backends in milliseconds, if a GPU was considered.
    cpu_ms: Option<f64>,
    gpu_ms: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Abilities {
    f16: bool,
    subgroups: bool,
    max_buffer_size: u64,
    max_storage_buffer_binding_size: u64,
    max_storage_buffers_per_shader_stage: u32,
    max_compute_invocations_per_workgroup: u32,
    max_compute_workgroup_storage_size: u32,
    max_compute_workgroups_per_dimension: u32,
    /// `kept` or `flushed to zero`; none if the device cannot be opened.
    subnormals: Option<&'static str>,
}

pub(crate) fn info(arguments: &InfoArguments) -> Result<()> {
    if let Some(path) = &arguments.model {
        return report::print(&model::describe(path, arguments.json)?);
    }
    if let Some(path) = &arguments.keras {
        return report::print(&keras::describe(path, arguments.json)?);
    }
    if let Some(path) = &arguments.weights {
        return report::print(&weights::describe(path, arguments.json)?);
    }
    let info = gather()?;
    report::print(&match arguments.json {
        true => serde_json::to_string_pretty(&info).map_err(Failure::new)? + "\n",
        false => text(&info),
    })
}

fn gather() -> Result<Info> {
    let instructions = CpuInstructions::best().map_err(Failure::new)?;
    Ok(Info {
        version: env!("CARGO_PKG_VERSION"),
        adapters: adapters::all(),
        cpu_threads: device::cpu_threads(),
        cpu_instructions: instructions.to_string(),
        cpu_instructions_available: CpuInstructions::available().map(|one| one.to_string()).collect(),
        auto: case::grid(CellName::Lstm).iter().map(taken).collect(),
    })
}

fn taken(case: &Case) -> Taken {
    let Case { short_name, config, batch, steps, .. } = case;
    let choice = Backend::auto(config, *batch, *steps, &LayerOptions::default());
    let ms = |time: Option<Duration>| time.map(|time| 1e3 * time.as_secs_f64());
    Taken {
        case: short_name.clone(),
        layer: config.to_string(),
        batch: *batch,
        steps: *steps,
        takes: choice.backend.to_string(),
        reason: one_line(&choice.reason),
        cpu_ms: ms(choice.cpu_time),
        gpu_ms: ms(choice.gpu_time),
    }
}

fn text(info: &Info) -> String {
    let mut text = format!("wgpu-rnn {}\n\nadapters\n", info.version);
    if info.adapters.is_empty() {
        text.push_str(match cfg!(feature = "gpu") {
            true => "  none (is a Vulkan, Metal, DX12 or GL driver installed?)\n",
            false => "  none (this build lacks the feature `gpu`)\n",
        });
    }
    for adapter in &info.adapters {
        describe(&mut text, adapter);
    }
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "\ncpu backend\n  {}, of {}; {} threads\n\n--device auto takes\n",
        info.cpu_instructions,
        info.cpu_instructions_available.join(", "),
        info.cpu_threads
    );
    let line = |taken: &Taken| {
        let Taken { case, layer, batch, steps, takes, reason, .. } = taken;
        [format!("  {case}"), format!("{layer}, N {batch}, T {steps}"), format!("{takes}, since {reason}")]
    };
    let lines: Vec<[String; 3]> = info.auto.iter().map(line).collect();
    text + &columns(&lines, |_| false) + "Its estimates are coarse; `wgpu-rnn bench` measures.\n"
}

fn describe(text: &mut String, adapter: &Adapter) {
    let Adapter { index, name, backend, device_type, software, driver, abilities, .. } = adapter;
    let kind = if *software { "software" } else { "hardware" };
    let _ = writeln!(text, "  {index}  {name}\n     {backend}, {device_type} ({kind}), driver {driver}");
    let _ = match &adapter.auto_reason {
        Some(reason) => writeln!(text, "     never taken by auto: {reason}"),
        None => writeln!(text, "     considered by auto"),
    };
    let Some(abilities) = abilities else { return };
    let yes = |has| if has { "yes" } else { "no" };
    let _ = writeln!(
        text,
        "     f16 {}, subgroups {}; buffers to {} MiB, bindings to {} MiB, {} a stage\n     \
         workgroups of {} invocations and {} KiB, {} along a side of a dispatch\n     \
         numbers below 2^-126 {}",
        yes(abilities.f16),
        yes(abilities.subgroups),
        abilities.max_buffer_size >> 20,
        abilities.max_storage_buffer_binding_size >> 20,
        abilities.max_storage_buffers_per_shader_stage,
        abilities.max_compute_invocations_per_workgroup,
        abilities.max_compute_workgroup_storage_size >> 10,
        abilities.max_compute_workgroups_per_dimension,
        abilities.subnormals.unwrap_or("unknown: the device cannot be opened"),
    );
}
