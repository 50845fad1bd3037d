//! Layers that cannot be reloaded.

use wgpu_rnn::{Backend, Config, Layer, Weights};

use super::{Row, row};

pub fn rows() -> Vec<Row> {
    let weights = |config| Weights::seeded(config, 0).unwrap();
    let mut layer = Layer::new(&weights(Config::gru(3, 4)), Backend::Cpu).unwrap();
    vec![
        row(
            "Layer::reload",
            layer.reload(Backend::Cpu),
            "weights: expected them to be kept (LayerOptions::keep_weights) or given again \
             (Layer::reload_with), found neither",
        ),
        row(
            "Layer::reload_with",
            layer.reload_with(&weights(Config::gru(3, 5)), Backend::Cpu),
            "weights: expected those of GRU(3, 4), found those of GRU(3, 5)",
        ),
    ]
}
