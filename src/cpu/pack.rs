//! Weights laid out for the loops that read them, once for a layer.

use ndarray::{Array1, Array2};

use crate::{Cell, Config, DirectionWeights};

/// Columns of a panel: what one pass of the inner loop computes for a row.
pub(super) const PANEL: usize = 16;

/// A weight matrix `[columns, terms]` and its bias, transposed and cut in panels of columns.
///
/// Panel `p` holds, for each term k, the weights of columns `p*PANEL..` side by side, so that the inner loop reads
/// memory in order. Columns beyond the last are zero.
#[derive(Debug)]
pub(super) struct Matrix {
    terms: usize,
    columns: usize,
    panels: Vec<[f32; PANEL]>,
    bias: Vec<[f32; PANEL]>,
}

impl Matrix {
    fn new(weight: &Array2<f32>, bias: &Array1<f32>) -> Self {
        let (columns, terms) = weight.dim();
        let count = columns.div_ceil(PANEL);
        let mut panels = vec![[0.0; PANEL]; count * terms];
        for (column, weights) in weight.outer_iter().enumerate() {
            let first = column / PANEL * terms;
            for (lanes, &weight) in panels[first..first + terms].iter_mut().zip(weights) {
                lanes[column % PANEL] = weight;
            }
        }
        let mut padded = vec![[0.0; PANEL]; count];
        padded.as_flattened_mut()[..columns].copy_from_slice(&bias.to_vec());
        Matrix { terms, columns, panels, bias: padded }
    }

    /// K: terms of each sum.
    pub(super) fn terms(&self) -> usize {
        self.terms
    }

    /// Sums computed for each row.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// The bias of each column.
    pub(super) fn bias(&self) -> &[f32] {
        &self.bias.as_flattened()[..self.columns]
    }

    /// Each panel's bias and its weights, `terms` of them.
    pub(super) fn panels(&self) -> impl Iterator<Item = (&[f32; PANEL], &[[f32; PANEL]])> {
        self.bias.iter().zip(self.panels.chunks_exact(self.terms))
    }
}

/// The parameters of one direction of one layer.
///
/// Both biases are added with the input product, all but GRU's `b_hn`, which belongs inside `r * (…)`.
#[derive(Debug)]
pub(super) struct Direction {
    /// For few time steps; its bias is also that of `weight_ih`.
    pub(super) input: Matrix,
    /// For many time steps: `[G*H, in]` as it is, since the matrix product packs it for itself.
    pub(super) weight_ih: Array2<f32>,
    pub(super) hidden: Matrix,
    pub(super) projection: Option<Matrix>,
}

impl Direction {
    pub(super) fn new(config: &Config, weights: &DirectionWeights) -> Self {
        let columns = config.cell.gates() * config.hidden_size;
        let bias = |bias: &Option<Array1<f32>>| bias.clone().unwrap_or_else(|| Array1::zeros(columns));
        let mut of_hidden = bias(&weights.bias_hh);
        let mut of_input = bias(&weights.bias_ih);
        let folded = if config.cell == Cell::Gru { 2 * config.hidden_size } else { columns };
        for (input, hidden) in of_input.iter_mut().zip(&mut of_hidden).take(folded) {
            *input += std::mem::take(hidden);
        }
        let projection = |weight: &Array2<f32>| Matrix::new(weight, &Array1::zeros(weight.nrows()));
        Direction {
            input: Matrix::new(&weights.weight_ih, &of_input),
            weight_ih: weights.weight_ih.clone(),
            hidden: Matrix::new(&weights.weight_hh, &of_hidden),
            projection: weights.weight_hr.as_ref().map(projection),
        }
    }
}
