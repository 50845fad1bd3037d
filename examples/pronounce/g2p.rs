//! Grapheme to phoneme: a GRU reads a word's letters, another writes its phonemes.

// Said for programs that take this file for a module of theirs.
#[path = "model.rs"]
mod model;

use wgpu_rnn::{Backend, Error, Input, Layer};

use model::Model;

/// The trained parameters of g2p_en 2.1.0.
const MODEL: &[u8] = include_bytes!("g2p.safetensors");

/// The model, ready to run.
pub(crate) struct G2p {
    model: Model,
    encoder: Layer,
    decoder: Layer,
}

impl G2p {
    /// Loads the bundled model onto a backend.
    pub(crate) fn new(backend: Backend) -> Result<Self, Error> {
        let model = Model::parse(MODEL)?;
        let encoder = Layer::new(&model.encoder, backend.clone())?;
        let decoder = Layer::new(&model.decoder, backend)?;
        Ok(G2p { model, encoder, decoder })
    }

    /// The phonemes of each word, all words as one batch.
    pub(crate) fn pronounce(&self, words: &[impl AsRef<str>]) -> Result<Vec<Vec<&str>>, Error> {
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let mut h = self.encoder.forward(&self.model.letters(words)?.input())?.h_n;
        let mut speech = self.model.speech(words.len())?;
        while let Some(input) = speech.next_input() {
            h = self.decoder.forward(Input::from(&input).state(h.view()))?.h_n;
            speech.take(&h);
        }
        Ok(speech.phonemes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_pronounced_the_same_in_any_company() {
        let g2p = G2p::new(Backend::Cpu).unwrap();
        let hello = vec!["HH", "EH1", "L", "OW0"];
        assert_eq!(g2p.pronounce(&["hello"]).unwrap()[0], hello);
        let several =
            g2p.pronounce(&["hello", "Hello", "incomprehensibility", "HELLO", "", "hello"]).unwrap();
        for index in [0, 1, 3, 5] {
            assert_eq!(several[index], hello);
        }
        assert_eq!(several[4], g2p.pronounce(&[""]).unwrap()[0]);
        assert_eq!(several[2], g2p.pronounce(&["incomprehensibility"]).unwrap()[0]);
    }

    #[test]
    fn letters_that_the_model_does_not_know_are_all_the_same() {
        let g2p = G2p::new(Backend::Cpu).unwrap();
        let found = g2p.pronounce(&["don't", "don-t", "don\u{e9}t", "don7t", "dont"]).unwrap();
        assert!(found[1..4].iter().all(|phonemes| *phonemes == found[0]), "{found:?}");
        assert!(!found[0].is_empty());
        assert_eq!(g2p.model.spell("a-z").unwrap(), [3, 1, 28, 2]);
        assert_eq!(g2p.model.spell("").unwrap(), [2]);
    }

    #[test]
    fn no_words_and_endless_words() {
        let g2p = G2p::new(Backend::Cpu).unwrap();
        assert!(g2p.pronounce(&[""; 0]).unwrap().is_empty());
        let long = "na".repeat(60);
        assert!(g2p.pronounce(&[long]).unwrap()[0].len() <= model::MOST_PHONEMES);
    }
}
