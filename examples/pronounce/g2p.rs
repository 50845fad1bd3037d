//! Grapheme to phoneme: a GRU reads a word's letters, another writes its phonemes.

use safetensors::SafeTensors;
use wgpu_rnn::ndarray::{Array1, Array2, Array3, ArrayD, ArrayView1, Axis, s};
use wgpu_rnn::{Backend, Error, Input, Layer, LoadOptions, State, Weights};

/// The trained parameters of g2p_en 2.1.0.
const MODEL: &[u8] = include_bytes!("g2p.safetensors");

/// Phonemes at which a word ends, come what may.
const MOST_PHONEMES: usize = 20;

/// The model, ready to run.
pub(crate) struct G2p {
    graphemes: Vocabulary,
    phonemes: Vocabulary,
    /// `[graphemes, 256]` and `[phonemes, 256]`.
    grapheme_embedding: Array2<f32>,
    phoneme_embedding: Array2<f32>,
    encoder: Layer,
    decoder: Layer,
    /// `[phonemes, 256]` and `[phonemes]`: the layer that gives the logits.
    output_weight: Array2<f32>,
    output_bias: Array1<f32>,
}

impl G2p {
    /// Loads the bundled model onto a backend.
    pub(crate) fn new(backend: Backend) -> Result<Self, Error> {
        let tensors = Tensors::parse(MODEL)?;
        Ok(G2p {
            graphemes: tensors.vocabulary("graphemes")?,
            phonemes: tensors.vocabulary("phonemes")?,
            grapheme_embedding: fixed(tensors.get("encoder.embedding")?)?,
            phoneme_embedding: fixed(tensors.get("decoder.embedding")?)?,
            encoder: tensors.layer("encoder.", backend.clone())?,
            decoder: tensors.layer("decoder.", backend)?,
            output_weight: fixed(tensors.get("output.weight")?)?,
            output_bias: fixed(tensors.get("output.bias")?)?,
        })
    }

    /// The phonemes of each word, all words as one batch.
    pub(crate) fn pronounce(&self, words: &[impl AsRef<str>]) -> Result<Vec<Vec<&str>>, Error> {
        if words.is_empty() {
            return Ok(Vec::new());
        }
        self.decode(self.encode(words)?)
    }

    /// The encoder's final hidden states, `[1, N, 256]`.
    fn encode(&self, words: &[impl AsRef<str>]) -> Result<Array3<f32>, Error> {
        let spelled = words.iter().map(|word| self.spell(word.as_ref())).collect::<Result<Vec<_>, _>>()?;
        let lengths: Vec<usize> = spelled.iter().map(Vec::len).collect();
        let steps = lengths.iter().copied().max().unwrap_or(1);
        let mut input = Array3::zeros((words.len(), steps, self.grapheme_embedding.ncols()));
        for (mut row, graphemes) in input.outer_iter_mut().zip(&spelled) {
            row.slice_mut(s![..graphemes.len(), ..])
                .assign(&self.grapheme_embedding.select(Axis(0), graphemes));
        }
        let input = Input::new(input.view()).lengths(&lengths);
        Ok(self.encoder.forward(&input, &State::zero())?.h_n)
    }

    /// The graphemes of a word and the end of it, as indices.
    fn spell(&self, word: &str) -> Result<Vec<usize>, Error> {
        let unknown = self.graphemes.index("<unk>")?;
        let letters = word.to_lowercase();
        let known = letters.chars().map(|letter| self.graphemes.letter(letter).unwrap_or(unknown));
        Ok(known.chain([self.graphemes.index("</s>")?]).collect())
    }

    /// The most probable phonemes, one decoder call for each, from initial hidden states `[1, N, 256]`.
    fn decode(&self, mut h: Array3<f32>) -> Result<Vec<Vec<&str>>, Error> {
        let (start, end) = (self.phonemes.index("<s>")?, self.phonemes.index("</s>")?);
        let mut last = vec![start; h.dim().1];
        let mut spoken = vec![Vec::new(); last.len()];
        let mut ended = vec![false; last.len()];
        for _ in 0..MOST_PHONEMES {
            let input = self.phoneme_embedding.select(Axis(0), &last).insert_axis(Axis(1));
            h = self.decoder.forward(&Input::new(input.view()), &State::hidden(h.view()))?.h_n;
            let logits = h.index_axis(Axis(0), 0).dot(&self.output_weight.t()) + &self.output_bias;
            last = logits.outer_iter().map(|logits| argmax(&logits)).collect();
            for ((&phoneme, spoken), ended) in last.iter().zip(&mut spoken).zip(&mut ended) {
                *ended |= phoneme == end;
                if !*ended {
                    spoken.push(self.phonemes.name(phoneme));
                }
            }
            if ended.iter().all(|&ended| ended) {
                break;
            }
        }
        Ok(spoken)
    }
}

/// The index of the largest value; the first of them where there are several.
fn argmax(values: &ArrayView1<'_, f32>) -> usize {
    let best = values.iter().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map_or(0, |(index, _)| index)
}

/// Names, in the order of an embedding's rows.
struct Vocabulary(Vec<String>);

impl Vocabulary {
    fn index(&self, name: &str) -> Result<usize, Error> {
        self.0.iter().position(|known| known == name).ok_or_else(|| format_error(name, "not in the metadata"))
    }

    fn letter(&self, letter: char) -> Option<usize> {
        self.0.iter().position(|known| known.chars().eq([letter]))
    }

    fn name(&self, index: usize) -> &str {
        self.0.get(index).map_or("<unk>", String::as_str)
    }
}

/// What the model's file holds.
struct Tensors {
    metadata: std::collections::HashMap<String, String>,
    tensors: Vec<(String, ArrayD<f32>)>,
}

impl Tensors {
    fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let error = |error: safetensors::SafeTensorError| format_error("g2p.safetensors", &error.to_string());
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(error)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(error)?;
        let values = |bytes: &[u8]| -> Vec<f32> {
            bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
        };
        let array = |(name, tensor): (String, safetensors::tensor::TensorView<'_>)| {
            ArrayD::from_shape_vec(tensor.shape(), values(tensor.data()))
                .map_err(|error| format_error(&name, &error.to_string()))
                .map(|array| (name, array))
        };
        Ok(Tensors {
            metadata: header.metadata().clone().unwrap_or_default(),
            tensors: tensors.tensors().into_iter().map(array).collect::<Result<_, _>>()?,
        })
    }

    fn get(&self, name: &str) -> Result<ArrayD<f32>, Error> {
        let tensor = self.tensors.iter().find(|(known, _)| known == name);
        tensor.map(|(_, tensor)| tensor.clone()).ok_or_else(|| format_error(name, "no such tensor"))
    }

    fn layer(&self, prefix: &str, backend: Backend) -> Result<Layer, Error> {
        let options = LoadOptions::default().prefix(prefix);
        let weights = Weights::from_state_dict(self.tensors.iter().cloned(), &options)?;
        Layer::new(&weights, backend)
    }

    /// A list of names, which the metadata holds as JSON: `["<pad>", "<unk>", …]`.
    fn vocabulary(&self, key: &str) -> Result<Vocabulary, Error> {
        let list = self.metadata.get(key).ok_or_else(|| format_error(key, "not in the metadata"))?;
        let names = list.trim_matches(['[', ']']).split(", ");
        Ok(Vocabulary(names.map(|name| name.trim_matches('"').to_owned()).collect()))
    }
}

fn fixed<D: wgpu_rnn::ndarray::Dimension>(
    tensor: ArrayD<f32>,
) -> Result<wgpu_rnn::ndarray::Array<f32, D>, Error> {
    tensor.into_dimensionality().map_err(|error| format_error("g2p.safetensors", &error.to_string()))
}

fn format_error(what: &str, found: &str) -> Error {
    Error::Format { what: what.into(), expected: "the bundled g2p_en model".into(), found: found.into() }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// 300 words with the phonemes that the published package gives.
    pub(crate) fn expected() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
        let lines = include_str!("expected.tsv").lines().filter_map(|line| line.split_once('\t'));
        lines.map(|(word, phonemes)| (word, phonemes.split(' ').collect()))
    }

    /// All of them, as one batch; the test suite asks it of every backend.
    pub(crate) fn check(backend: Backend) {
        let g2p = G2p::new(backend).unwrap();
        let (words, expected): (Vec<_>, Vec<_>) = expected().unzip();
        assert_eq!(words.len(), 300);
        let found = g2p.pronounce(&words).unwrap();
        assert_eq!(found.len(), 300);
        for (word, (found, expected)) in words.iter().zip(found.iter().zip(&expected)) {
            assert_eq!(found, expected, "{word}");
        }
    }

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
        assert_eq!(g2p.spell("a-z").unwrap(), [3, 1, 28, 2]);
        assert_eq!(g2p.spell("").unwrap(), [2]);
    }

    #[test]
    fn no_words_and_endless_words() {
        let g2p = G2p::new(Backend::Cpu).unwrap();
        assert!(g2p.pronounce(&[""; 0]).unwrap().is_empty());
        let long = "na".repeat(60);
        assert!(g2p.pronounce(&[long]).unwrap()[0].len() <= MOST_PHONEMES);
    }
}
