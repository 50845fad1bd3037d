//! Layers and their forward passes.

use wasm_bindgen::prelude::wasm_bindgen;
use wgpu_rnn::ndarray::{Array3, ArrayView3};
use wgpu_rnn::{Backend, Input, LayerOptions, Precision, State};

use crate::config::Config;
use crate::device::Device;
use crate::failure::Failure;
use crate::now::now;
use crate::plan::Plan;
use crate::session::Session;
use crate::weights::Weights;

/// A layer that is ready to run.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Layer(wgpu_rnn::Layer);

fn options(precision: Option<String>, strategy: Option<String>) -> Result<LayerOptions, Failure> {
    let mut options = LayerOptions::default();
    if let Some(name) = precision {
        options.precision = name.parse::<Precision>()?;
    }
    if let Some(name) = strategy {
        options.strategy = name.parse()?;
    }
    Ok(options)
}

#[wasm_bindgen]
impl Layer {
    /// Packs the weights for the CPU.
    ///
    /// # Errors
    ///
    /// The library's.
    pub fn on_cpu(weights: &Weights, precision: Option<String>) -> Result<Layer, Failure> {
        let options = options(precision, None)?;
        Ok(Layer(now(wgpu_rnn::Layer::new_async(&weights.0, (Backend::Cpu, options)))?))
    }

    /// Returns the configuration.
    pub fn config(&self) -> Config {
        Config::from(self.0.config())
    }

    /// Returns the configuration as PyTorch writes it.
    pub fn text(&self) -> String {
        self.0.config().to_string()
    }

    /// Returns the device.
    pub fn device(&self) -> Device {
        Device::from(self.0.backend().clone())
    }

    /// Runs a forward pass on the CPU.
    ///
    /// # Errors
    ///
    /// The library's.
    pub fn forward(
        &self,
        input: Vec<f32>,
        batch: usize,
        steps: usize,
        lengths: Option<Vec<u32>>,
        h_0: Option<Vec<f32>>,
        c_0: Option<Vec<f32>>,
    ) -> Result<Output, Failure> {
        let call = Call::new(self.0.config(), input, [batch, steps], lengths, [h_0, c_0])?;
        Ok(Output::from(now(self.0.forward_async(call.input()))?))
    }

    /// Starts a session on the CPU.
    ///
    /// # Errors
    ///
    /// The library's.
    pub fn session(&self, rows: usize) -> Result<Session, Failure> {
        Ok(Session::new(now(self.0.session_async(rows))?))
    }

    /// What the GPU does for a forward pass; nothing on the CPU.
    ///
    /// # Errors
    ///
    /// The library's.
    #[cfg_attr(not(feature = "gpu"), allow(clippy::unused_self, reason = "only a GPU has plans"))]
    pub fn plan(&self, batch: usize, steps: usize) -> Result<Option<Plan>, Failure> {
        #[cfg(feature = "gpu")]
        return Ok(Plan::of(&self.0, batch, steps)?);
        #[cfg(not(feature = "gpu"))]
        {
            let _ = (batch, steps);
            Ok(None)
        }
    }
}

#[cfg(feature = "gpu")]
#[wasm_bindgen]
impl Layer {
    /// Packs the weights for a device.
    ///
    /// # Errors
    ///
    /// The library's.
    pub async fn load(
        weights: &Weights,
        device: &Device,
        precision: Option<String>,
        strategy: Option<String>,
    ) -> Result<Layer, Failure> {
        let options = options(precision, strategy)?;
        Ok(Layer(wgpu_rnn::Layer::new_async(&weights.0, (device.backend().clone(), options)).await?))
    }

    /// Runs a forward pass.
    ///
    /// # Errors
    ///
    /// The library's.
    pub async fn forward_async(
        &self,
        input: Vec<f32>,
        batch: usize,
        steps: usize,
        lengths: Option<Vec<u32>>,
        h_0: Option<Vec<f32>>,
        c_0: Option<Vec<f32>>,
    ) -> Result<Output, Failure> {
        let call = Call::new(self.0.config(), input, [batch, steps], lengths, [h_0, c_0])?;
        Ok(Output::from(self.0.forward_async(call.input()).await?))
    }

    /// Starts a session.
    ///
    /// # Errors
    ///
    /// The library's.
    pub async fn session_async(&self, rows: usize) -> Result<Session, Failure> {
        Ok(Session::new(self.0.session_async(rows).await?))
    }
}

/// The arguments of a forward pass.
struct Call {
    input: Array3<f32>,
    lengths: Option<Vec<usize>>,
    state: State<'static>,
}

impl Call {
    fn new(
        config: &wgpu_rnn::Config,
        input: Vec<f32>,
        [batch, steps]: [usize; 2],
        lengths: Option<Vec<u32>>,
        state: [Option<Vec<f32>>; 2],
    ) -> Result<Call, Failure> {
        let input = array("input", "N, T, I", [batch, steps, config.input_size], input)?;
        let lengths = lengths.map(|lengths| lengths.into_iter().map(|length| length as usize).collect());
        Ok(Call { input, lengths, state: initial(config, batch, state)? })
    }

    fn input(&self) -> Input<'_> {
        let input = Input::new(&self.input).state(&self.state);
        match &self.lengths {
            Some(lengths) => input.lengths(lengths),
            None => input,
        }
    }
}

/// Returns a state of so many rows.
pub(crate) fn initial(
    config: &wgpu_rnn::Config,
    rows: usize,
    [h_0, c_0]: [Option<Vec<f32>>; 2],
) -> Result<State<'static>, Failure> {
    let states = config.num_layers * config.directions();
    let read = |name, letters, size, values: Option<Vec<f32>>| {
        values.map(|values| array(name, letters, [states, rows, size], values)).transpose()
    };
    let mut state = State::default();
    state.h_0 = read("h_0", "L*D, N, H_out", config.hidden_output_size(), h_0)?.map(Into::into);
    state.c_0 = read("c_0", "L*D, N, H", config.hidden_size, c_0)?.map(Into::into);
    Ok(state)
}

fn array(name: &str, letters: &str, shape: [usize; 3], values: Vec<f32>) -> Result<Array3<f32>, Failure> {
    let found = values.len();
    Array3::from_shape_vec(shape, values).map_err(|_| {
        Failure::input(format!("{name}: expected [{letters}] = {shape:?} values, found {found} values"))
    })
}

/// The result of a forward pass.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Output(wgpu_rnn::Output);

impl From<wgpu_rnn::Output> for Output {
    fn from(output: wgpu_rnn::Output) -> Output {
        Output(output)
    }
}

#[wasm_bindgen]
impl Output {
    /// `[N, T, D*H_out]`.
    pub fn output(&self) -> Vec<f32> {
        values(self.0.output.view())
    }

    /// `[L*D, N, H_out]`.
    pub fn h_n(&self) -> Vec<f32> {
        values(self.0.h_n.view())
    }

    /// `[L*D, N, H]` of an LSTM.
    pub fn c_n(&self) -> Option<Vec<f32>> {
        self.0.c_n.as_ref().map(|c_n| values(c_n.view()))
    }
}

fn values(array: ArrayView3<'_, f32>) -> Vec<f32> {
    array.iter().copied().collect()
}
