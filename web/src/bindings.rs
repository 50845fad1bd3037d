//! What JavaScript calls. Structures go over as JSON; errors are the library's, as messages.

use std::rc::Rc;

use serde::Serialize;
use wasm_bindgen::prelude::{JsError, wasm_bindgen};
use wgpu_rnn::{AdapterChoice, Backend, Gpu, LayerOptions, Strategy};

use crate::check::{self, Outcome};
use crate::model;
use crate::plan::Plan;
use crate::speaker;

#[wasm_bindgen(start)]
fn start() {
    console_error_panic_hook::set_once();
}

/// What layers run on.
#[wasm_bindgen]
pub struct Device(Backend);

#[wasm_bindgen]
impl Device {
    /// The CPU, through WebAssembly.
    pub fn cpu() -> Device {
        Device(Backend::Cpu)
    }

    /// The browser's GPU.
    ///
    /// # Errors
    ///
    /// The library's, if the page has none.
    pub async fn gpu() -> Result<Device, JsError> {
        Ok(Device(Backend::Gpu(Gpu::new_async(&AdapterChoice::Best).await?)))
    }

    /// Whether it is a GPU that is none: a driver on the CPU.
    pub fn is_software(&self) -> bool {
        matches!(&self.0, Backend::Gpu(gpu) if gpu.is_software())
    }
}

/// The trained model.
#[wasm_bindgen]
pub struct Model(Rc<model::Model>);

#[wasm_bindgen]
impl Model {
    /// Reads `g2p.safetensors`.
    ///
    /// # Errors
    ///
    /// The library's, if it is not that file.
    #[wasm_bindgen(constructor)]
    pub fn new(bytes: &[u8]) -> Result<Model, JsError> {
        Ok(Model(Rc::new(model::Model::parse(bytes)?)))
    }

    /// What the library takes for the encoder over so many words of so many letters, and why.
    pub async fn auto(&self, words: usize, letters: usize) -> String {
        let config = self.0.encoder.config();
        Backend::auto_async(config, words, letters, &LayerOptions::default()).await.to_string()
    }
}

/// The model on a device.
#[wasm_bindgen]
pub struct Speaker(speaker::Speaker);

#[wasm_bindgen]
impl Speaker {
    /// Packs the weights for the device.
    ///
    /// # Errors
    ///
    /// The library's.
    pub async fn load(model: &Model, device: &Device) -> Result<Speaker, JsError> {
        Ok(Speaker(speaker::Speaker::new(Rc::clone(&model.0), device.0.clone()).await?))
    }

    /// The phonemes of each word.
    ///
    /// # Errors
    ///
    /// The library's.
    pub async fn pronounce(&self, words: Vec<String>) -> Result<Spoken, JsError> {
        Ok(Spoken(self.0.pronounce(&words).await?))
    }

    /// Runs the encoder over so many words of so many letters.
    ///
    /// # Errors
    ///
    /// The library's.
    pub async fn read(&self, words: usize, letters: usize) -> Result<(), JsError> {
        Ok(self.0.read(words, letters).await?)
    }

    /// What the GPU does for what was said: a plan for the encoder, which is called once, and one for the decoder; null for
    /// a model that is not on a GPU.
    ///
    /// # Errors
    ///
    /// The library's.
    pub fn plan(&self, spoken: &Spoken) -> Result<String, JsError> {
        let (words, letters) = (spoken.0.phonemes.len(), spoken.0.letters);
        let plans = (Plan::of(&self.0.encoder, words, letters)?, Plan::of(&self.0.decoder, words, 1)?);
        json(&match plans {
            (Some(encoder), Some(decoder)) => {
                Some(Plans { encoder, decoder, decoder_calls: spoken.0.calls() })
            }
            _ => None,
        })
    }
}

#[derive(Serialize)]
struct Plans {
    encoder: Plan,
    decoder: Plan,
    decoder_calls: usize,
}

/// What was said.
#[wasm_bindgen]
pub struct Spoken(speaker::Spoken);

#[wasm_bindgen]
impl Spoken {
    /// The phonemes of each word.
    ///
    /// # Errors
    ///
    /// None that is known.
    pub fn phonemes(&self) -> Result<String, JsError> {
        json(&self.0.phonemes)
    }

    /// The largest difference between the hidden states; nothing where other phonemes were said.
    pub fn difference(&self, other: &Spoken) -> Option<f32> {
        self.0.difference(&other.0)
    }
}

/// The files beside an ONNX model.
#[wasm_bindgen]
pub struct Files(check::Files);

#[wasm_bindgen]
impl Files {
    /// None.
    #[wasm_bindgen(constructor)]
    #[allow(clippy::new_without_default, reason = "JavaScript has no defaults")]
    pub fn new() -> Files {
        Files(check::Files::new())
    }

    /// Adds a file.
    pub fn add(&mut self, name: String, bytes: Vec<u8>) {
        self.0.insert(name, bytes);
    }

    /// The names of the files, as JSON, that a model has values in and that are not here.
    ///
    /// # Errors
    ///
    /// The library's, if it is no model.
    pub fn missing(&self, name: &str, bytes: &[u8]) -> Result<String, JsError> {
        json(&check::missing(name, bytes, &self.0)?)
    }
}

/// A visitor's file, and what must come out of its layer.
#[wasm_bindgen]
pub struct Problem(check::Problem);

#[wasm_bindgen]
impl Problem {
    /// Reads a file, with those beside it, and computes the reference.
    ///
    /// # Errors
    ///
    /// The library's.
    #[wasm_bindgen(constructor)]
    pub fn new(name: &str, bytes: &[u8], part: &str, files: &Files) -> Result<Problem, JsError> {
        Ok(Problem(check::Problem::read(name, bytes, part, &files.0)?))
    }

    /// What the layer is, and over what it is run.
    ///
    /// # Errors
    ///
    /// None that is known.
    pub fn about(&self) -> Result<String, JsError> {
        let [batch, steps] = self.0.given.size();
        let layer = self.0.weights.config().to_string();
        let torch = self.0.torch.as_ref().map(|torch| torch.absolute);
        json(&About { layer, batch, steps, torch })
    }

    /// Runs it on a device, with a strategy by name: `auto`, or on a GPU another one.
    ///
    /// # Errors
    ///
    /// The library's.
    pub async fn run(&self, device: &Device, strategy: String) -> Result<String, JsError> {
        let strategy: Strategy = strategy.parse()?;
        json::<Outcome>(&self.0.run(device.0.clone(), strategy).await?)
    }
}

#[derive(Serialize)]
struct About {
    layer: String,
    batch: usize,
    steps: usize,
    /// PyTorch's own error, of a file that has its result.
    torch: Option<f64>,
}

fn json<T: Serialize>(value: &T) -> Result<String, JsError> {
    Ok(serde_json::to_string(value)?)
}
