//! The GPU backend, as far as the requests are this crate's. wgpu's own requests are smaller than those counted here.

use std::env;

use wgpu_rnn::inspect::{Capabilities, PlanReport};
use wgpu_rnn::ndarray::Array3;
use wgpu_rnn::{AdapterChoice, Backend, Config, Gpu, Input, Layer, LayerOptions, Precision, State, Strategy};

use super::{Case, LARGE, batch, configs, each, weights};

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = vec![("plan".into(), Box::new(plan))];
    if env::var_os("WGPU_RNN_TEST_NO_GPU").is_some() {
        return cases;
    }
    for (name, config) in configs() {
        cases.push((format!("gpu {name}"), Box::new(move || forward(config, Precision::F32))));
        if name == "lstm" {
            cases.push(("gpu halves".into(), Box::new(move || forward(config, Precision::F16))));
            cases.push(("gpu session".into(), Box::new(move || session(config))));
        }
    }
    cases
}

fn gpu() -> Gpu {
    Gpu::new(&AdapterChoice::Best).expect("an adapter")
}

/// A plan of many dispatches, for which no GPU is needed.
fn plan() {
    let (config, capabilities) = (Config::lstm(8, 16).num_layers(2), Capabilities::default());
    for strategy in [Strategy::Step, Strategy::HoistedStep] {
        let options = LayerOptions { strategy, ..LayerOptions::default() };
        each(LARGE, || PlanReport::new(&config, 3, 5000, &capabilities, &options).map(drop));
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
    const ROWS: usize = 16_000;
    let layer = Layer::new(&weights(config), Backend::Gpu(gpu())).expect("a layer");
    let rows: Vec<usize> = (0..ROWS).collect();
    let input = Array3::from_elem((ROWS, 1, config.input_size), 0.1);
    let state = |size| Array3::from_elem((config.num_layers, 160, size), 0.1);
    let (h_0, c_0) = (state(config.hidden_output_size()), state(config.hidden_size));
    each(LARGE, || {
        let mut session = layer.session(ROWS)?;
        session.push(Input::new(input.view()).rows(&rows))?;
        let mut state = State::from(h_0.view());
        state.c_0 = config.cell.has_cell_state().then(|| c_0.view().into());
        session.set_state(Some(&rows[..160]), &state)?;
        session.state().map(drop)
    });
}
