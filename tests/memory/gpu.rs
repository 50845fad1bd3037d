//! The GPU backend, as far as the requests are this crate's. wgpu's own requests are smaller than those counted here.

use std::env;

use wgpu_rnn::inspect::PlanReport;
use wgpu_rnn::{AdapterChoice, Backend, Config, Gpu, Input, Layer, LayerOptions, Precision, Strategy};

use super::{Case, LARGE, ROWS, batch, configs, each, weights};

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = vec![("plan".into(), Box::new(plan))];
    if env::var_os("WGPU_RNN_TEST_NO_GPU").is_some() {
        return cases;
    }
    for (name, config) in configs() {
        cases.push((format!("gpu {name}"), Box::new(move || forward(config, Precision::F32))));
        if name == "lstm" {
            cases.push(("gpu halves".into(), Box::new(move || forward(config, Precision::F16))));
        }
        if config.directions() == 1 {
            cases.push((format!("gpu session {name}"), Box::new(move || session(config))));
        }
    }
    cases
}

fn gpu() -> Gpu {
    Gpu::new(&AdapterChoice::Best).expect("an adapter")
}

/// A plan of many dispatches, for which no GPU is needed.
fn plan() {
    let (config, limits) = (Config::lstm(8, 16).num_layers(2), wgpu_rnn::wgpu::Limits::default());
    for strategy in [Strategy::Step, Strategy::HoistedStep] {
        let options = LayerOptions { strategy, ..LayerOptions::default() };
        each(LARGE, || PlanReport::new(&config, 3, 5000, &limits, &options).map(drop));
    }
}

fn forward(config: Config, precision: Precision) {
    let (gpu, weights, input) = (gpu(), weights(config), batch(&config));
    let options = LayerOptions { precision, ..LayerOptions::default() };
    each(LARGE, || {
        let layer = Layer::new(&weights, (Backend::Gpu(gpu.clone()), options.clone()))?;
        layer.forward(&Input::new(input.view()))?;
        pollster::block_on(layer.forward_async(&Input::new(input.view()))).map(drop)
    });
}

fn session(config: Config) {
    let layer = Layer::new(&weights(config), Backend::Gpu(gpu())).expect("a layer");
    let (input, rows) = (batch(&config), (0..ROWS).collect::<Vec<_>>());
    each(LARGE, || {
        let mut session = layer.session(160)?;
        session.push(Input::new(input.view()).rows(&rows))?;
        let state = session.state()?;
        session.set_state(None, &state)
    });
}
