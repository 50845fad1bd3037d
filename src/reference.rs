//! The reference implementation, which defines the layer: plain loops over f64. Every test compares with it.
//!
//! The loops are generic over a number trait, so that the tolerance of a comparison
//! ([`tolerance`](crate::tolerance)) comes from the same definition as the values.

use std::mem;

use ndarray::{Array3, ArrayView1, ArrayView3, Dimension, Ix3, s};

use crate::array::{reserved, zeros};
use crate::batch::Batch;
use crate::{Activation, Cell, Config, DirectionWeights, Error, Input, Output, Weights};

/// Computes the forward pass of f32 parameters and inputs in f64.
///
/// ```
/// use wgpu_rnn::{Config, Weights, ndarray::Array3, reference};
///
/// let weights = Weights::seeded(Config::gru(4, 8).bidirectional(true), 0)?;
/// let input = Array3::ones((2, 10, 4));
/// let result = reference::forward(&weights, &input)?;
/// assert_eq!(result.output.shape(), [2, 10, 16]);
/// assert_eq!(result.h_n.shape(), [2, 2, 8]);
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
///
/// # Errors
///
/// The input and its state are checked as in [`Layer::forward`](crate::Layer::forward).
pub fn forward<'i, D: Dimension>(
    weights: &Weights,
    input: impl Into<Input<'i, D>>,
) -> Result<Output<D, f64>, Error> {
    let input = input.into();
    input.check_for_forward()?;
    let batch = Batch::new(weights.config(), &input)?;
    batch.restore(run(weights, &batch)?)
}

/// The numbers that the reference computes with.
pub(crate) trait Number: Copy + Default {
    /// Converts an exact f32 value.
    fn exact(value: f32) -> Self;
    /// Returns `start + Σ weights·values`, summed in that order.
    fn dot(start: f32, weights: ArrayView1<'_, f32>, values: &[Self]) -> Self;
    fn add(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    /// Returns `(1 - self)·a + self·b`.
    fn mix(self, a: Self, b: Self) -> Self;
    /// Returns `1 - self`.
    fn complement(self) -> Self;
    /// Clips to [-limit, limit].
    fn clip(self, limit: f32) -> Self;
    /// Applies an activation function. NaN stays NaN, as in PyTorch.
    fn activate(self, activation: Activation) -> Self;
    /// Applies the activation function of a gate, which multiplies other values and is not stored.
    fn gate(self, activation: Activation) -> Self {
        self.activate(activation)
    }
}

impl Number for f64 {
    fn exact(value: f32) -> Self {
        f64::from(value)
    }

    fn dot(start: f32, weights: ArrayView1<'_, f32>, values: &[Self]) -> Self {
        let products = weights.iter().zip(values).map(|(&weight, &value)| f64::from(weight) * value);
        products.fold(f64::from(start), |sum, product| sum + product)
    }

    fn add(self, other: Self) -> Self {
        self + other
    }

    fn mul(self, other: Self) -> Self {
        self * other
    }

    fn mix(self, a: Self, b: Self) -> Self {
        (1.0 - self) * a + self * b
    }

    fn complement(self) -> Self {
        1.0 - self
    }

    fn clip(self, limit: f32) -> Self {
        self.clamp(-f64::from(limit), f64::from(limit))
    }

    fn activate(self, activation: Activation) -> Self {
        let [alpha, beta] = activation.parameters().map(f64::from);
        match activation {
            Activation::Relu => above(self, 0.0, 0.0),
            Activation::Tanh => self.tanh(),
            Activation::Sigmoid => sigmoid(self),
            Activation::Affine { .. } => alpha * self + beta,
            Activation::LeakyRelu { .. } => above(self, 0.0, alpha * self),
            Activation::ThresholdedRelu { .. } => {
                if self <= alpha {
                    0.0
                } else {
                    self
                }
            }
            Activation::ScaledTanh { .. } => alpha * (beta * self).tanh(),
            Activation::HardSigmoid { .. } => (alpha * self + beta).clamp(0.0, 1.0),
            Activation::Elu { .. } => above(self, 0.0, alpha * self.exp_m1()),
            Activation::Softsign => self / (1.0 + self.abs()),
            Activation::Softplus => self.max(0.0) + (-self.abs()).exp().ln_1p(),
        }
    }
}

/// Returns `x`, or `below` if `x` is below the limit.
fn above(x: f64, limit: f64, below: f64) -> f64 {
    if x < limit { below } else { x }
}

/// Returns `1 / (1 + exp(-x))`.
pub(crate) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Computes the forward pass over any [`Number`].
pub(crate) fn run<A: Number>(weights: &Weights, batch: &Batch<'_>) -> Result<Output<Ix3, A>, Error> {
    let config = weights.config();
    let (n, t) = (batch.rows(), batch.steps());
    let (d, h_out) = (config.directions(), config.hidden_output_size());
    let mut sequence: Array3<A> = zeros("input", [n, t, config.input_size])?;
    sequence.zip_mut_with(&batch.input, |value, &given| *value = A::exact(given));
    let mut h_n = initial(batch.h_0.as_ref(), "h_n", [config.num_layers * d, n, h_out])?;
    let mut c_n = initial(batch.c_0.as_ref(), "c_n", [config.num_layers * d, n, config.hidden_size])?;

    let mut x = reserved("the input of a step", sequence.dim().2.max(d * h_out))?;
    let (mut h, mut next) = (reserved("h", h_out)?, reserved("h", h_out)?);
    let (mut c, mut gated) = (reserved("c", config.hidden_size)?, reserved("gates", config.hidden_size)?);
    for layer in 0..config.num_layers {
        let mut output: Array3<A> = zeros("output", [n, t, d * h_out])?;
        for direction in 0..d {
            let index = layer * d + direction;
            for row in 0..n {
                let length = batch.length(row);
                refill(&mut h, &h_n.slice(s![index, row, ..]));
                refill(&mut c, &c_n.slice(s![index, row, ..]));
                for step in 0..length {
                    let time = if config.is_reverse(direction) { length - 1 - step } else { step };
                    refill(&mut x, &sequence.slice(s![row, time, ..]));
                    let state = Step { x: &x, h: &h, c: &mut c, gated: &mut gated, next: &mut next };
                    one_step(config, direction, &weights.directions()[index], state);
                    mem::swap(&mut h, &mut next);
                    output
                        .slice_mut(s![row, time, direction * h_out..(direction + 1) * h_out])
                        .assign(&ArrayView1::from(&h));
                }
                h_n.slice_mut(s![index, row, ..]).assign(&ArrayView1::from(&h));
                c_n.slice_mut(s![index, row, ..]).assign(&ArrayView1::from(&c));
            }
        }
        sequence = output;
    }
    Ok(Output::new(sequence, h_n, config.cell.has_cell_state().then_some(c_n)))
}

/// Replaces the elements of a vector, which has room for them.
fn refill<A: Number>(vector: &mut Vec<A>, values: &ArrayView1<'_, A>) {
    vector.clear();
    vector.extend(values);
}

/// The vectors of a step. Those that it fills have room for what it computes.
struct Step<'s, A> {
    x: &'s [A],
    h: &'s [A],
    c: &'s mut [A],
    /// A vector of H elements for its own use.
    gated: &'s mut Vec<A>,
    /// The new hidden state.
    next: &'s mut Vec<A>,
}

/// Returns the given state, or zeros.
fn initial<A: Number>(
    given: Option<&ArrayView3<'_, f32>>,
    name: &str,
    shape: [usize; 3],
) -> Result<Array3<A>, Error> {
    let mut state = zeros(name, shape)?;
    if let Some(given) = given {
        state.zip_mut_with(given, |value, &given| *value = A::exact(given));
    }
    Ok(state)
}

/// Computes one time step of one row: the new hidden state, and the new cell state in place of the old one.
fn one_step<A: Number>(config: &Config, direction: usize, weights: &DirectionWeights, step: Step<'_, A>) {
    let Step { x, h, c, gated: own, next } = step;
    own.clear();
    next.clear();
    let bias = |bias: &Option<ndarray::Array1<f32>>, row: usize| bias.as_ref().map_or(0.0, |bias| bias[row]);
    let of_input = |row| A::dot(bias(&weights.bias_ih, row), weights.weight_ih.row(row), x);
    let of_hidden = |row| A::dot(bias(&weights.bias_hh, row), weights.weight_hh.row(row), h);
    let gate = |gate, unit| {
        let row = gate * config.hidden_size + unit;
        of_input(row).add(of_hidden(row))
    };
    let units = 0..config.hidden_size;
    let Config { clip, input_forget, .. } = *config;
    let [of_f, of_g, of_h] = config.activations_of(direction);
    let clipped = |x: A| clip.map_or(x, |limit| x.clip(limit));
    let activate = |x, function| clipped(x).activate(function);
    let gated = |x| clipped(x).gate(of_f);
    // Adds the peephole term of an LSTM's gate i, f or o (0, 1, 2).
    let peep = |sum: A, gate: usize, c: A, unit: usize| match &weights.weight_ch {
        Some(weight) => sum.add(A::exact(weight[gate * config.hidden_size + unit]).mul(c)),
        None => sum,
    };
    match config.cell {
        Cell::RnnTanh | Cell::RnnRelu => next.extend(units.map(|unit| activate(gate(0, unit), of_f))),
        Cell::Lstm => {
            let unprojected = units.map(|unit| {
                let i = gated(peep(gate(0, unit), 0, c[unit], unit));
                let f = match input_forget {
                    true => i.complement(),
                    false => gated(peep(gate(1, unit), 1, c[unit], unit)),
                };
                let g = activate(gate(2, unit), of_g);
                c[unit] = f.mul(c[unit]).add(i.mul(g));
                let o = gated(peep(gate(3, unit), 2, c[unit], unit));
                o.mul(c[unit].activate(of_h))
            });
            match &weights.weight_hr {
                Some(weight) => {
                    own.extend(unprojected);
                    next.extend(weight.outer_iter().map(|row| A::dot(0.0, row, own)));
                }
                None => next.extend(unprojected),
            }
        }
        Cell::Gru if config.resets_before() => {
            let r = units.clone().map(|unit| gated(gate(0, unit)));
            own.extend(r.zip(h).map(|(r, h)| r.mul(*h)));
            let kept = &*own;
            let n_of = |unit| {
                let row = 2 * config.hidden_size + unit;
                let of_kept = A::dot(bias(&weights.bias_hh, row), weights.weight_hh.row(row), kept);
                activate(of_input(row).add(of_kept), of_g)
            };
            next.extend(units.map(|unit| gated(gate(1, unit)).mix(n_of(unit), h[unit])));
        }
        Cell::Gru => next.extend(units.map(|unit| {
            let [r, z] = [0, 1].map(|index| gated(gate(index, unit)));
            let row = 2 * config.hidden_size + unit;
            let n = activate(of_input(row).add(r.mul(of_hidden(row))), of_g);
            z.mix(n, h[unit])
        })),
    }
}
