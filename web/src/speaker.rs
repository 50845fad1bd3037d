//! The example's model on one backend, without blocking.

use std::rc::Rc;

use wgpu_rnn::ndarray::Array3;
use wgpu_rnn::{Backend, Error, Input, Layer};

use crate::model::Model;

/// The model, ready to run.
pub(crate) struct Speaker {
    model: Rc<Model>,
    pub(crate) encoder: Layer,
    pub(crate) decoder: Layer,
}

/// What was said, and the states that led to it.
pub(crate) struct Spoken {
    /// The phonemes of each word.
    pub(crate) phonemes: Vec<Vec<String>>,
    /// The encoder's final states, and the decoder's after each call: `[1, N, 256]`.
    states: Vec<Array3<f32>>,
    /// Of the longest word, with the end of it.
    pub(crate) letters: usize,
}

impl Speaker {
    pub(crate) async fn new(model: Rc<Model>, backend: Backend) -> Result<Self, Error> {
        let encoder = Layer::new_async(&model.encoder, backend.clone()).await?;
        let decoder = Layer::new_async(&model.decoder, backend).await?;
        Ok(Speaker { model, encoder, decoder })
    }

    /// The phonemes of each word, all words as one batch.
    pub(crate) async fn pronounce(&self, words: &[String]) -> Result<Spoken, Error> {
        let mut spoken = Spoken { phonemes: Vec::new(), states: Vec::new(), letters: 0 };
        if words.is_empty() {
            return Ok(spoken);
        }
        let letters = self.model.letters(words)?;
        let mut h = self.encoder.forward_async(&letters.input()).await?.h_n;
        let mut speech = self.model.speech(words.len())?;
        while let Some(input) = speech.next_input() {
            let next = self.decoder.forward_async(Input::from(&input).state(h.view())).await?.h_n;
            speech.take(&next);
            spoken.states.push(std::mem::replace(&mut h, next));
        }
        spoken.states.push(h);
        spoken.letters = letters.vectors.dim().1;
        spoken.phonemes =
            speech.phonemes().into_iter().map(|said| said.into_iter().map(str::to_owned).collect()).collect();
        Ok(spoken)
    }

    /// Runs the encoder over N words of that many letters.
    pub(crate) async fn read(&self, words: usize, letters: usize) -> Result<(), Error> {
        // The end of a word is read, too.
        let letters = self.model.letters(&vec!["a".repeat(letters.saturating_sub(1)); words])?;
        self.encoder.forward_async(&letters.input()).await.map(|_| ())
    }
}

impl Spoken {
    /// Calls of the decoder.
    pub(crate) fn calls(&self) -> usize {
        self.states.len().saturating_sub(1)
    }

    /// The largest difference between the states of two backends that were given the same words. Where one said another
    /// phoneme, what follows is not comparable and the answer is none.
    pub(crate) fn difference(&self, other: &Spoken) -> Option<f32> {
        if self.phonemes != other.phonemes || self.states.len() != other.states.len() {
            return None;
        }
        let states = self.states.iter().flatten().zip(other.states.iter().flatten());
        // Not f32::max, which would lose a NaN.
        let larger = |largest: f32, next: f32| if next > largest || next.is_nan() { next } else { largest };
        Some(states.map(|(a, b)| (a - b).abs()).fold(0.0, larger))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &[u8] = include_bytes!("../../examples/pronounce/g2p.safetensors");

    fn speak(backend: Backend, words: &[&str]) -> Spoken {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        pollster::block_on(async {
            let model = Rc::new(Model::parse(MODEL).unwrap());
            Speaker::new(model, backend).await.unwrap().pronounce(&words).await.unwrap()
        })
    }

    #[test]
    fn two_backends_say_the_same_and_differ_a_little() {
        let (cpu, reference) = (
            speak(Backend::Cpu, &["hello", "rhythm", ""]),
            speak(Backend::Reference, &["hello", "rhythm", ""]),
        );
        assert_eq!(cpu.phonemes[0], ["HH", "EH1", "L", "OW0"]);
        assert_eq!(cpu.letters, 7);
        assert!(cpu.calls() >= 5, "four phonemes and the end of the word");
        let difference = cpu.difference(&reference).unwrap();
        assert!(difference > 0.0 && difference < 1e-5, "{difference}");
        assert_eq!(cpu.difference(&cpu), Some(0.0));
    }

    #[test]
    fn other_words_and_other_numbers_are_seen() {
        let (hello, world) = (speak(Backend::Cpu, &["hello"]), speak(Backend::Cpu, &["world"]));
        assert_eq!(hello.difference(&world), None);
        let mut wrong = speak(Backend::Cpu, &["hello"]);
        wrong.states[2][[0, 0, 17]] += 0.5;
        assert_eq!(hello.difference(&wrong), Some(0.5));
        wrong.states[2][[0, 0, 17]] = f32::NAN;
        assert!(hello.difference(&wrong).unwrap().is_nan());
    }

    #[test]
    fn the_encoder_alone_reads_any_number_of_words() {
        let model = Rc::new(Model::parse(MODEL).unwrap());
        pollster::block_on(async {
            let speaker = Speaker::new(model, Backend::Cpu).await.unwrap();
            for (words, letters) in [(1, 1), (3, 10)] {
                speaker.read(words, letters).await.unwrap();
            }
        });
    }

    #[test]
    fn no_words_are_no_calls() {
        let nothing = speak(Backend::Cpu, &[]);
        assert_eq!((nothing.phonemes.len(), nothing.calls()), (0, 0));
    }
}
