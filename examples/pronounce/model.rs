//! What the trained model is without the backend that runs its layers: files, letters and phonemes. The page in `web/`
//! reads it from here, too.

use safetensors::SafeTensors;
use wgpu_rnn::ndarray::{Array, Array1, Array2, Array3, ArrayD, ArrayView1, Axis, Dimension, s};
use wgpu_rnn::{Error, ErrorKind, Input, LoadOptions, Weights};

/// Phonemes at which a word ends, come what may.
pub(crate) const MOST_PHONEMES: usize = 20;

/// The parameters of the trained model.
pub(crate) struct Model {
    /// GRU 256 → 256 over a word's letters.
    pub(crate) encoder: Weights,
    /// GRU 256 → 256 over its phonemes.
    pub(crate) decoder: Weights,
    graphemes: Vocabulary,
    phonemes: Vocabulary,
    /// `[graphemes, 256]` and `[phonemes, 256]`.
    grapheme_embedding: Array2<f32>,
    phoneme_embedding: Array2<f32>,
    /// `[phonemes, 256]` and `[phonemes]`: the layer that gives the logits.
    output_weight: Array2<f32>,
    output_bias: Array1<f32>,
}

impl Model {
    /// Reads `g2p.safetensors`.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let tensors = Tensors::parse(bytes)?;
        Ok(Model {
            encoder: tensors.weights("encoder.")?,
            decoder: tensors.weights("decoder.")?,
            graphemes: tensors.vocabulary("graphemes")?,
            phonemes: tensors.vocabulary("phonemes")?,
            grapheme_embedding: fixed(tensors.get("encoder.embedding")?)?,
            phoneme_embedding: fixed(tensors.get("decoder.embedding")?)?,
            output_weight: fixed(tensors.get("output.weight")?)?,
            output_bias: fixed(tensors.get("output.bias")?)?,
        })
    }

    /// The encoder's input for some words.
    pub(crate) fn letters(&self, words: &[impl AsRef<str>]) -> Result<Letters, Error> {
        let spelled = words.iter().map(|word| self.spell(word.as_ref())).collect::<Result<Vec<_>, _>>()?;
        let lengths: Vec<usize> = spelled.iter().map(Vec::len).collect();
        let steps = lengths.iter().copied().max().unwrap_or(1);
        let mut vectors = Array3::zeros((words.len(), steps, self.grapheme_embedding.ncols()));
        for (mut row, graphemes) in vectors.outer_iter_mut().zip(&spelled) {
            row.slice_mut(s![..graphemes.len(), ..])
                .assign(&self.grapheme_embedding.select(Axis(0), graphemes));
        }
        Ok(Letters { vectors, lengths })
    }

    /// The graphemes of a word and the end of it, as indices.
    pub(super) fn spell(&self, word: &str) -> Result<Vec<usize>, Error> {
        let unknown = self.graphemes.index("<unk>")?;
        let letters = word.to_lowercase();
        let known = letters.chars().map(|letter| self.graphemes.letter(letter).unwrap_or(unknown));
        Ok(known.chain([self.graphemes.index("</s>")?]).collect())
    }

    /// The beginning of what is said for that many words.
    pub(crate) fn speech(&self, words: usize) -> Result<Speech<'_>, Error> {
        let (start, end) = (self.phonemes.index("<s>")?, self.phonemes.index("</s>")?);
        Ok(Speech {
            model: self,
            end,
            last: vec![start; words],
            ended: vec![false; words],
            phonemes: vec![Vec::new(); words],
            calls: 0,
        })
    }
}

/// Words as the encoder reads them: their letters' vectors, `[N, T, 256]`, and how many each has.
pub(crate) struct Letters {
    pub(crate) vectors: Array3<f32>,
    lengths: Vec<usize>,
}

impl Letters {
    /// What goes into the encoder, whose final state goes into the decoder.
    pub(crate) fn input(&self) -> Input<'_> {
        Input::new(self.vectors.view()).lengths(&self.lengths)
    }
}

/// What has been said of some words: the most probable phoneme each time, one decoder call for each.
pub(crate) struct Speech<'m> {
    model: &'m Model,
    /// The phoneme that ends a word.
    end: usize,
    last: Vec<usize>,
    ended: Vec<bool>,
    phonemes: Vec<Vec<&'m str>>,
    calls: usize,
}

impl<'m> Speech<'m> {
    /// The decoder's next input, `[N, 1, 256]`; none when all words have ended.
    pub(crate) fn next_input(&self) -> Option<Array3<f32>> {
        let goes_on = self.calls < MOST_PHONEMES && !self.ended.iter().all(|&ended| ended);
        goes_on.then(|| self.model.phoneme_embedding.select(Axis(0), &self.last).insert_axis(Axis(1)))
    }

    /// Takes what the decoder made of that input: its final states `[1, N, 256]`.
    pub(crate) fn take(&mut self, h: &Array3<f32>) {
        let model = self.model;
        let logits = h.index_axis(Axis(0), 0).dot(&model.output_weight.t()) + &model.output_bias;
        self.last = logits.outer_iter().map(|logits| argmax(&logits)).collect();
        for ((&phoneme, said), ended) in self.last.iter().zip(&mut self.phonemes).zip(&mut self.ended) {
            *ended |= phoneme == self.end;
            if !*ended {
                said.push(model.phonemes.name(phoneme));
            }
        }
        self.calls += 1;
    }

    /// The phonemes of each word.
    pub(crate) fn phonemes(self) -> Vec<Vec<&'m str>> {
        self.phonemes
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

    fn weights(&self, prefix: &str) -> Result<Weights, Error> {
        Weights::from_state_dict(
            self.tensors.iter().cloned(),
            &LoadOptions { layers: vec![prefix.into()], ..LoadOptions::default() },
        )
    }

    /// A list of names, which the metadata holds as JSON: `["<pad>", "<unk>", …]`.
    fn vocabulary(&self, key: &str) -> Result<Vocabulary, Error> {
        let list = self.metadata.get(key).ok_or_else(|| format_error(key, "not in the metadata"))?;
        let names = list.trim_matches(['[', ']']).split(", ");
        Ok(Vocabulary(names.map(|name| name.trim_matches('"').to_owned()).collect()))
    }
}

fn fixed<D: Dimension>(tensor: ArrayD<f32>) -> Result<Array<f32, D>, Error> {
    tensor.into_dimensionality().map_err(|error| format_error("g2p.safetensors", &error.to_string()))
}

fn format_error(what: &str, found: &str) -> Error {
    Error::new(ErrorKind::File, format!("{what}: expected the bundled g2p_en model, found {found}"))
}
