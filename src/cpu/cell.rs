//! The elementwise part of one time step of one row, once its products are known.

use super::activation::{relu, sigmoid, tanh};
use crate::{Cell, Nonlinearity};

/// Turns the products of a step into the new state.
///
/// `of_input` and `of_hidden` hold the G*H gates in PyTorch's order, biases included. `h` is the state before and after;
/// for a projected LSTM it is only written, with what is to be projected. `c` is empty where the cell has none.
pub(super) fn advance(cell: Cell, of_input: &[f32], of_hidden: &[f32], h: &mut [f32], c: &mut [f32]) {
    match cell {
        Cell::Rnn(Nonlinearity::Tanh) => rnn(of_input, of_hidden, h, tanh),
        Cell::Rnn(Nonlinearity::Relu) => rnn(of_input, of_hidden, h, relu),
        Cell::Lstm => lstm(of_input, of_hidden, h, c),
        Cell::Gru => gru(of_input, of_hidden, h),
    }
}

fn rnn(of_input: &[f32], of_hidden: &[f32], h: &mut [f32], activation: impl Fn(f32) -> f32) {
    for ((h, of_input), of_hidden) in h.iter_mut().zip(of_input).zip(of_hidden) {
        *h = activation(of_input + of_hidden);
    }
}

fn lstm(of_input: &[f32], of_hidden: &[f32], h: &mut [f32], c: &mut [f32]) {
    let units = h.len().min(c.len());
    let (h, c) = (&mut h[..units], &mut c[..units]);
    let [xi, xf, xg, xo] = gates(of_input, units);
    let [hi, hf, hg, ho] = gates(of_hidden, units);
    for unit in 0..units {
        let i = sigmoid(xi[unit] + hi[unit]);
        let f = sigmoid(xf[unit] + hf[unit]);
        let g = tanh(xg[unit] + hg[unit]);
        let o = sigmoid(xo[unit] + ho[unit]);
        let next = f * c[unit] + i * g;
        c[unit] = next;
        h[unit] = o * tanh(next);
    }
}

fn gru(of_input: &[f32], of_hidden: &[f32], h: &mut [f32]) {
    let units = h.len();
    let [xr, xz, xn] = gates(of_input, units);
    let [hr, hz, hn] = gates(of_hidden, units);
    for unit in 0..units {
        let r = sigmoid(xr[unit] + hr[unit]);
        let z = sigmoid(xz[unit] + hz[unit]);
        let n = tanh(xn[unit] + r * hn[unit]);
        h[unit] = (1.0 - z) * n + z * h[unit];
    }
}

/// Each gate's values for all units.
fn gates<const G: usize>(values: &[f32], units: usize) -> [&[f32]; G] {
    std::array::from_fn(|gate| &values[gate * units..(gate + 1) * units])
}
