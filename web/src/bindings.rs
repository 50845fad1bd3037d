//! What the page calls beside the npm package's bindings, whose devices, errors and plans it has.

use std::rc::Rc;

use wasm_bindgen::prelude::wasm_bindgen;
use wgpu_rnn::{Backend, LayerOptions, Strategy};
use wgpu_rnn_js::{Device, Failure, Plan};

use crate::check;
use crate::model;
use crate::speaker;

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
    pub fn new(bytes: &[u8]) -> Result<Model, Failure> {
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
    pub async fn load(model: &Model, device: &Device) -> Result<Speaker, Failure> {
        Ok(Speaker(speaker::Speaker::new(Rc::clone(&model.0), device.backend().clone()).await?))
    }

    /// The phonemes of each word.
    ///
    /// # Errors
    ///
    /// The library's.
    pub async fn pronounce(&self, words: Vec<String>) -> Result<Spoken, Failure> {
        Ok(Spoken(self.0.pronounce(&words).await?))
    }

    /// Runs the encoder over so many words of so many letters.
    ///
    /// # Errors
    ///
    /// The library's.
    pub async fn read(&self, words: usize, letters: usize) -> Result<(), Failure> {
        Ok(self.0.read(words, letters).await?)
    }

    /// What the GPU does for what was said: a plan for the encoder, which is called once, and one for the decoder;
    /// nothing for a model that is not on a GPU.
    ///
    /// # Errors
    ///
    /// The library's.
    pub fn plans(&self, spoken: &Spoken) -> Result<Vec<Plan>, Failure> {
        let (words, letters) = (spoken.0.phonemes.len(), spoken.0.letters);
        let plans = [Plan::of(&self.0.encoder, words, letters)?, Plan::of(&self.0.decoder, words, 1)?];
        Ok(plans.into_iter().flatten().collect())
    }
}

/// What was said.
#[wasm_bindgen]
pub struct Spoken(speaker::Spoken);

#[wasm_bindgen]
impl Spoken {
    /// The phonemes of each word, with spaces between them.
    pub fn phonemes(&self) -> Vec<String> {
        self.0.phonemes.iter().map(|word| word.join(" ")).collect()
    }

    /// The calls of the decoder.
    pub fn decoder_calls(&self) -> usize {
        self.0.calls()
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

    /// The names of the files that a model has values in and that are not here.
    ///
    /// # Errors
    ///
    /// The library's, if it is no model.
    pub fn missing(&self, name: &str, bytes: &[u8]) -> Result<Vec<String>, Failure> {
        Ok(check::missing(name, bytes, &self.0)?)
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
    pub fn new(name: &str, bytes: &[u8], part: &str, files: &Files) -> Result<Problem, Failure> {
        Ok(Problem(check::Problem::read(name, bytes, part, &files.0)?))
    }

    /// The layer, as PyTorch writes it.
    pub fn layer(&self) -> String {
        self.0.weights.config().to_string()
    }

    /// N.
    pub fn batch(&self) -> usize {
        self.0.given.size()[0]
    }

    /// T.
    pub fn steps(&self) -> usize {
        self.0.given.size()[1]
    }

    /// PyTorch's own error, of a file that has its result.
    pub fn torch(&self) -> Option<f64> {
        self.0.torch.as_ref().map(|torch| torch.absolute)
    }

    /// Runs it on a device, with a strategy by name: `auto`, or on a GPU another one.
    ///
    /// # Errors
    ///
    /// The library's.
    pub async fn run(&self, device: &Device, strategy: String) -> Result<Outcome, Failure> {
        let strategy: Strategy = strategy.parse()?;
        let outcome = self.0.run(device.backend().clone(), strategy).await?;
        Ok(Outcome {
            pass: outcome.pass,
            absolute: outcome.absolute,
            used: outcome.used,
            worst: outcome.worst,
        })
    }
}

/// What one backend made of a problem.
#[wasm_bindgen(getter_with_clone)]
pub struct Outcome {
    /// Whether every element is within its tolerance.
    pub pass: bool,
    /// The largest difference from what was expected.
    pub absolute: f64,
    /// The share of its tolerance that the worst element used.
    pub used: f64,
    /// That element: where it is, what was expected and what was found.
    pub worst: Option<String>,
}
