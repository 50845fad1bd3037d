//! `wgpu-rnn init`: writes PyTorch's parameters for a seed.

use wgpu_rnn::Weights;

use crate::args::InitArguments;
use crate::failure::{Failure, Result};
use crate::outputs::{Format, Outputs};
use crate::report;

pub(crate) fn init(arguments: &InitArguments) -> Result<()> {
    let config = arguments.layer.config()?;
    let mut outputs = Outputs::default();
    outputs.add("weights", &arguments.output, Format::WEIGHTS)?;
    outputs.open()?;
    let weights = Weights::seeded(config, arguments.seed).map_err(Failure::new)?;
    outputs.commit(|format, _| match format {
        Format::Npz => weights.to_npz(),
        _ => weights.to_safetensors(),
    })?;
    let count: usize = weights.parameters().map(|(_, values)| values.len()).sum();
    let path = arguments.output.display();
    report::note(&format!("wrote {config} with seed {}, {count} parameters, to {path}", arguments.seed));
    Ok(())
}
