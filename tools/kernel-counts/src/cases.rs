//! The cases, and the most instructions that each may take.

use anyhow::Result;
use wgpu_rnn::ndarray::Array3;
use wgpu_rnn::{Backend, Config, Gpu, Input, Layer, LayerOptions, Strategy, Weights};

use crate::valgrind;

/// A layer over some rows, for two numbers of steps.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// I and H of an LSTM.
    sizes: [usize; 2],
    rows: usize,
    strategy: Strategy,
    steps: [usize; 2],
    /// The most instructions for each multiply-add with Mesa 22.3: what was counted, and a tenth more.
    limit: f64,
}

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "scan, 1 row, H=128",
        sizes: [4, 128],
        rows: 1,
        strategy: Strategy::Scan,
        steps: [200, 300],
        limit: 2.85,
    },
    Case {
        name: "scan, 8 rows, H=64",
        sizes: [4, 64],
        rows: 8,
        strategy: Strategy::Scan,
        steps: [100, 150],
        limit: 4.75,
    },
    Case {
        name: "step, 1 row, K=256",
        sizes: [256, 256],
        rows: 1,
        strategy: Strategy::Step,
        steps: [1, 5],
        limit: 23.2,
    },
    Case {
        name: "step, 8 rows, K=256",
        sizes: [256, 256],
        rows: 8,
        strategy: Strategy::Step,
        steps: [1, 5],
        limit: 3.87,
    },
    Case {
        name: "64 rows, I=64, H=8",
        sizes: [64, 8],
        rows: 64,
        strategy: Strategy::Scan,
        steps: [100, 200],
        limit: 9.8,
    },
];

impl Case {
    fn config(&self) -> Config {
        let [input, hidden] = self.sizes;
        Config::lstm(input, hidden)
    }

    /// Returns the name of the count of the call with few steps.
    pub(crate) fn few(&self) -> String {
        format!("{}: few", self.name)
    }

    /// Returns the name of the count of the call with many steps.
    pub(crate) fn many(&self) -> String {
        format!("{}: many", self.name)
    }

    /// Returns the multiply-adds between the two calls.
    pub(crate) fn multiply_adds(&self) -> f64 {
        let [input, hidden] = self.sizes;
        let [few, many] = self.steps;
        (4 * hidden * (input + hidden) * self.rows * (many - few)) as f64
    }

    /// Returns the limit with a driver, if there is one for its version.
    pub(crate) fn limit(&self, driver: &str) -> Option<f64> {
        driver.contains("Mesa 22.3").then_some(self.limit)
    }

    /// Runs both calls, each a second time while valgrind counts.
    pub(crate) fn run(&self, gpu: &Gpu) -> Result<()> {
        let weights = Weights::seeded(self.config(), 1)?;
        let options = LayerOptions { strategy: self.strategy, ..LayerOptions::default() };
        let layer = Layer::new(&weights, (Backend::Gpu(gpu.clone()), options))?;
        for (steps, name) in self.steps.into_iter().zip([self.few(), self.many()]) {
            let x = Array3::<f32>::from_elem([self.rows, steps, self.sizes[0]], 0.1);
            layer.forward(Input::new(&x))?;
            valgrind::counted(&name, || layer.forward(Input::new(&x)))?;
        }
        Ok(())
    }
}
