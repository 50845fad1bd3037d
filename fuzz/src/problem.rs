//! Problems from bytes: configurations, state dicts and batches that are right, nearly right, or wrong.

use arbitrary::{Result, Unstructured};
use wgpu_rnn::ndarray::{ArrayD, IxDyn, ShapeBuilder};
use wgpu_rnn::{Activation, Cell, Config, Precision};

/// Sizes that no layer can have.
const HUGE: [usize; 4] = [usize::MAX, usize::MAX / 2, 1 << 62, 1 << 60];
/// From the smallest subnormal numbers to those that saturate every gate.
const SCALES: [f32; 7] = [0.0, 1e-44, 1e-20, 0.1, 1.0, 30.0, 1e5];
/// Those that no ReLU carries out of f32's range in a few steps and layers.
const MODEST: usize = 5;

/// A layer, what is done to its parameters, and a batch.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) config: Config,
    pub(crate) precision: Precision,
    pub(crate) threads: usize,
    /// Numbers the values.
    pub(crate) seed: u64,
    /// The largest parameter.
    pub(crate) scale: f32,
    /// What is done to the state dict.
    pub(crate) mistakes: Vec<Mistake>,
    pub(crate) input: Array,
    pub(crate) lengths: Option<Vec<usize>>,
    pub(crate) h_0: Option<Array>,
    pub(crate) c_0: Option<Array>,
}

/// A change of a state dict; each number counts around the tensors.
#[derive(Debug)]
pub(crate) enum Mistake {
    Drop(usize),
    /// Under that name.
    Add(String, Vec<usize>),
    Reshape(usize, Vec<usize>),
    Spoil(usize, f32),
}

/// An array of a batch.
#[derive(Debug)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    values: ArrayD<f32>,
    /// Whether the last axis of the view runs backwards.
    backwards: bool,
}

impl Array {
    /// The values of the shape, in one of a few memory layouts.
    pub(crate) fn view(&self) -> wgpu_rnn::ndarray::ArrayViewD<'_, f32> {
        let mut view = self.values.view();
        if let (true, Some(last)) = (self.backwards, self.shape.len().checked_sub(1)) {
            view.invert_axis(wgpu_rnn::ndarray::Axis(last));
        }
        view
    }

    /// The largest absolute value that is finite.
    pub(crate) fn largest(&self) -> f32 {
        self.values.iter().map(|value| value.abs()).filter(|value| value.is_finite()).fold(0.0, f32::max)
    }

    pub(crate) fn is_finite(&self) -> bool {
        self.values.iter().all(|value| value.is_finite())
    }
}

impl Problem {
    pub(crate) fn new(u: &mut Unstructured<'_>) -> Result<Self> {
        let config = config(u)?;
        let is_relu = config.cell == Cell::RnnRelu;
        let scales = if is_relu { &SCALES[..MODEST] } else { &SCALES };
        let seed = u.arbitrary()?;
        let scale = *u.choose(scales)?;
        // Huge sizes are refused before there is a batch.
        let small = |size: usize| if size < 1 << 32 { size } else { 1 };
        let (n, t) = (u.int_in_range(0..=5)?, u.int_in_range(0..=5)?);
        let (n, t) = if u.ratio(7, 8)? { (n.max(1), t.max(1)) } else { (n, t) };
        let states = small(config.num_layers) * config.directions();
        let batched = u.ratio(3, 4)?;
        let shape = |first, middle, last| if batched { vec![first, middle, last] } else { vec![first, last] };
        let input =
            if batched { vec![n, t, small(config.input_size)] } else { vec![t, small(config.input_size)] };
        let h_0 = shape(states, n, small(config.hidden_output_size()));
        let c_0 = shape(states, n, small(config.hidden_size));
        let has_c_0 = if config.cell.has_cell_state() { u.ratio(1, 2)? } else { u.ratio(1, 16)? };
        let problem = Problem {
            config,
            precision: *u.choose(&[Precision::F32, Precision::F32, Precision::F16])?,
            threads: u.int_in_range(0..=3)?,
            seed,
            scale,
            mistakes: mistakes(u, &config)?,
            input: array(u, input, scales, seed ^ 1)?,
            lengths: lengths(u, if batched { n } else { 1 }, t)?,
            h_0: if u.ratio(1, 2)? { Some(array(u, h_0, scales, seed ^ 2)?) } else { None },
            c_0: if has_c_0 { Some(array(u, c_0, scales, seed ^ 3)?) } else { None },
        };
        // Behind all else, so that bytes that were found before mean what they did.
        problem.varied(u)
    }

    /// The same with some of what ONNX has and PyTorch has not; none at the end of the bytes.
    fn varied(mut self, u: &mut Unstructured<'_>) -> Result<Self> {
        if u.int_in_range(0..=2u8)? == 0 {
            return Ok(self);
        }
        let seldom = |u: &mut Unstructured<'_>| Ok(u.int_in_range(0..=7u8)? > 5);
        let is_lstm = self.config.cell == Cell::Lstm;
        let for_lstm =
            |u: &mut Unstructured<'_>| Ok(u.int_in_range(0..=31u8)? > if is_lstm { 15 } else { 30 });
        const CLIPS: [Option<f32>; 8] =
            [None, None, None, Some(0.5), Some(3.0), Some(1e-3), Some(0.0), Some(f32::NAN)];
        self.config = Config {
            reverse: u.arbitrary()?,
            clip: *u.choose(&CLIPS)?,
            input_forget: for_lstm(u)?,
            peepholes: for_lstm(u)?,
            reset_after: !if self.config.cell == Cell::Gru { u.arbitrary()? } else { seldom(u)? },
            ..self.config
        };
        // Of larger values functions without bounds make what f32 does not hold.
        let arrays = [Some(&self.input), self.h_0.as_ref(), self.c_0.as_ref()];
        let is_small = arrays.into_iter().flatten().all(|array| array.values.iter().all(|v| v.abs() <= 1.0));
        if u.arbitrary()? && is_small && self.scale <= 1.0 {
            let directions = [activations(u)?, activations(u)?];
            self.config = self.config.activations(directions);
        }
        Ok(self)
    }
}

fn activations(u: &mut Unstructured<'_>) -> Result<[Activation; 3]> {
    Ok([activation(u)?, activation(u)?, activation(u)?])
}

fn activation(u: &mut Unstructured<'_>) -> Result<Activation> {
    let alpha = *u.choose(&[0.0, 0.01, 0.2, 1.0, -0.5, 1.5])?;
    // One that no layer takes, now and then.
    let beta = *u.choose(&[0.0, 0.5, 1.0, -0.7, f32::INFINITY])?;
    let beta = if u.int_in_range(0..=7u8)? == 7 { beta } else { beta.min(1.0) };
    Ok(*u.choose(&[
        Activation::Relu,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Affine { alpha, beta },
        Activation::LeakyRelu { alpha },
        Activation::ThresholdedRelu { alpha },
        Activation::ScaledTanh { alpha, beta },
        Activation::HardSigmoid { alpha, beta },
        Activation::Elu { alpha },
        Activation::Softsign,
        Activation::Softplus,
    ])?)
}

fn config(u: &mut Unstructured<'_>) -> Result<Config> {
    let new = *u.choose(&[Config::rnn, Config::rnn_relu, Config::lstm, Config::gru])?;
    // Beyond the widest panels and tiles of the CPU backend at times.
    let widest = if u.ratio(1, 8)? { 40 } else { 9 };
    let (input_size, hidden_size) = (size(u, widest)?, size(u, widest)?);
    let config = new(input_size, hidden_size)
        .num_layers(size(u, 3)?)
        .bidirectional(u.arbitrary()?)
        .bias(u.ratio(3, 4)?);
    let wants_projection = if config.cell.has_cell_state() { u.ratio(1, 3)? } else { u.ratio(1, 32)? };
    Ok(if wants_projection { config.proj_size(size(u, widest)?) } else { config })
}

/// A size from 1 on; seldom 0, seldom huge.
fn size(u: &mut Unstructured<'_>, most: usize) -> Result<usize> {
    Ok(match u.int_in_range(0..=255u8)? {
        255 | 254 => 0,
        253 | 252 => *u.choose(&HUGE)?,
        other => 1 + usize::from(other) % most,
    })
}

fn lengths(u: &mut Unstructured<'_>, n: usize, t: usize) -> Result<Option<Vec<usize>>> {
    if u.ratio(1, 2)? {
        return Ok(None);
    }
    let count = if u.ratio(1, 16)? { u.int_in_range(0..=6)? } else { n };
    let one = |u: &mut Unstructured<'_>| match u.int_in_range(0..=63u8)? {
        63 => Ok(t + 1),
        62 => Ok(usize::MAX),
        other => Ok(usize::from(other) % (t + 1)),
    };
    (0..count).map(|_| one(u)).collect::<Result<_>>().map(Some)
}

/// An array of that shape, or of nearly that.
fn array(u: &mut Unstructured<'_>, mut shape: Vec<usize>, scales: &[f32], seed: u64) -> Result<Array> {
    let scale = *u.choose(scales)?;
    if u.ratio(1, 8)? {
        change(u, &mut shape)?;
    }
    let column_major = u.ratio(1, 4)?;
    let mut next = random(seed, scale);
    let mut values = ArrayD::from_shape_simple_fn(IxDyn(&shape).set_f(column_major), &mut next);
    if u.ratio(1, 16)? && !values.is_empty() {
        let place = u.choose_index(values.len())?;
        let special = *u.choose(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, f32::MIN_POSITIVE])?;
        if let Some(value) = values.iter_mut().nth(place) {
            *value = special;
        }
    }
    Ok(Array { shape, values, backwards: u.ratio(1, 4)? })
}

/// One dimension more, less, or of another size, or two swapped.
fn change(u: &mut Unstructured<'_>, shape: &mut Vec<usize>) -> Result<()> {
    let place = if shape.is_empty() { 0 } else { u.choose_index(shape.len())? };
    match (u.int_in_range(0..=4u8)?, shape.get_mut(place)) {
        (0, _) | (_, None) => shape.insert(place, u.int_in_range(0..=2)?),
        (1, _) => _ = shape.remove(place),
        (2, Some(size)) => *size += 1,
        (3, Some(size)) => *size = size.saturating_sub(1),
        _ => shape.swap(0, place),
    }
    Ok(())
}

fn mistakes(u: &mut Unstructured<'_>, config: &Config) -> Result<Vec<Mistake>> {
    let count = *u.choose(&[0, 0, 1, 1, 1, 2])?;
    (0..count).map(|_| mistake(u, config)).collect()
}

fn mistake(u: &mut Unstructured<'_>, config: &Config) -> Result<Mistake> {
    const STEMS: [&str; 7] =
        ["weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr", "weight_ch", "running_mean"];
    const LAYERS: [&str; 7] = ["0", "1", "2", "9", "00", "+1", "18446744073709551615"];
    let place = u.int_in_range(0..=31)?;
    Ok(match u.int_in_range(0..=3u8)? {
        0 => Mistake::Drop(place),
        1 => {
            let prefix = *u.choose(&["", "", "", "other."])?;
            let reverse = *u.choose(&["", "_reverse"])?;
            let name = format!("{prefix}{}_l{}{reverse}", u.choose(&STEMS)?, u.choose(&LAYERS)?);
            let mut shape = tensor_shape(config, place);
            if u.ratio(1, 4)? {
                change(u, &mut shape)?;
            }
            Mistake::Add(name, shape)
        }
        2 => {
            let mut shape = tensor_shape(config, place);
            change(u, &mut shape)?;
            Mistake::Reshape(place, shape)
        }
        _ => Mistake::Spoil(place, *u.choose(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY])?),
    })
}

/// The shape of one of a configuration's parameters; of none if it has huge ones.
fn tensor_shape(config: &Config, place: usize) -> Vec<usize> {
    let shapes: Vec<_> = config.parameters().take(60).map(|(_, shape)| shape).collect();
    let shape = shapes.get(place % shapes.len().max(1)).cloned().unwrap_or_default();
    if shape.iter().all(|&size| size < 1 << 12) { shape } else { Vec::new() }
}

/// Values in [-scale, scale) that depend on the seed only (splitmix64).
pub(crate) fn random(seed: u64, scale: f32) -> impl FnMut() -> f32 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        ((bits >> 40) as f32 / (1 << 23) as f32 - 1.0) * scale
    }
}
