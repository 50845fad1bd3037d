//! Layers that cannot be reloaded.

use wgpu_rnn::{Backend, Config, Layer, Weights};

use super::{Row, row};

pub fn rows() -> Vec<Row> {
    let weights = |config| Weights::seeded(config, 0).unwrap();
    let mut layer = Layer::new(&weights(Config::gru(3, 4)), Backend::Cpu).unwrap();
    let neither = "weights: expected them to be kept (LayerOptions::keep_weights) or given again \
                   (Layer::reload_with), found neither";
    let other = "weights: expected those of GRU(3, 4), found those of GRU(3, 5)";
    let wider = weights(Config::gru(3, 5));
    vec![
        row("Layer::reload", layer.reload(Backend::Cpu), neither),
        row("Layer::reload_async", pollster::block_on(layer.reload_async(Backend::Cpu)), neither),
        row("Layer::reload_with", layer.reload_with(&wider, Backend::Cpu), other),
        row(
            "Layer::reload_with_async",
            pollster::block_on(layer.reload_with_async(&wider, Backend::Cpu)),
            other,
        ),
    ]
}
