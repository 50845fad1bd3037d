//! Weights laid out for the loops that read them, once for a layer.

use ndarray::{Array1, ArrayView2, Axis};

use super::simd::{Block, PANEL};
use super::variant::VariantFunctions;
use crate::{Cell, Config, DirectionWeights};

/// A weight matrix `[gates*units, terms]` and its bias, transposed and cut in panels of columns.
///
/// Units are taken in blocks of [`PANEL`], and a block's gates are neighbouring panels: panel `b*gates + g` holds, for each
/// term k, the weights of gate g of units `b*PANEL..` side by side, so that the inner loop reads memory in order and
/// leaves all gates of its units behind. Units beyond the last have zeros.
#[derive(Debug)]
pub(super) struct Matrix {
    terms: usize,
    panels: Vec<Block>,
    bias: Vec<Block>,
}

impl Matrix {
    fn new(weight: &ArrayView2<'_, f32>, bias: &Array1<f32>, gates: usize) -> Self {
        let (rows, terms) = weight.dim();
        let units = rows / gates;
        let count = units.div_ceil(PANEL) * gates;
        let (mut panels, mut padded) = (vec![Block::default(); count * terms], vec![Block::default(); count]);
        for (row, (weights, &bias)) in weight.outer_iter().zip(bias).enumerate() {
            let (gate, unit) = (row / units, row % units);
            let (panel, lane) = (unit / PANEL * gates + gate, unit % PANEL);
            padded[panel].0[lane] = bias;
            for (lanes, &weight) in panels[panel * terms..][..terms].iter_mut().zip(weights) {
                lanes.0[lane] = weight;
            }
        }
        Matrix { terms, panels, bias: padded }
    }

    /// K: terms of each sum.
    pub(super) fn terms(&self) -> usize {
        self.terms
    }

    /// How many panels the columns take.
    pub(super) fn panels(&self) -> usize {
        self.bias.len()
    }

    /// Sums computed for each row, those of units that do not exist included.
    pub(super) fn columns(&self) -> usize {
        self.panels() * PANEL
    }

    /// A panel's bias and its weights, `terms` of them.
    #[inline(always)]
    pub(super) fn panel(&self, panel: usize) -> (&Block, &[Block]) {
        (&self.bias[panel], &self.panels[panel * self.terms..][..self.terms])
    }
}

/// The parameters of one direction of one layer.
///
/// Both biases are added with the input product, all but GRU's `b_hn` where it belongs inside `r * (…)`.
#[derive(Debug)]
pub(super) struct Direction {
    hidden_size: usize,
    pub(super) input: Matrix,
    pub(super) hidden: Matrix,
    pub(super) projection: Option<Matrix>,
    /// What multiplies r h where a GRU resets before the product; `hidden` then has the gates r and z only.
    pub(super) candidate: Option<Matrix>,
    /// What is not PyTorch's, if anything.
    pub(super) functions: Option<VariantFunctions>,
}

impl Direction {
    /// Blocks of units.
    pub(super) fn blocks(&self) -> usize {
        self.hidden_size.div_ceil(PANEL)
    }

    /// Blocks of the hidden state: of units, or of what they are projected to.
    pub(super) fn output_blocks(&self) -> usize {
        self.projection.as_ref().map_or(self.blocks(), Matrix::panels)
    }

    /// Products of a step: one, or two where the second multiplies what is behind the first.
    pub(super) fn products(&self) -> usize {
        if self.projection.is_some() || self.candidate.is_some() { 2 } else { 1 }
    }

    /// Multiply-adds of a step for one row.
    pub(super) fn step_work(&self) -> usize {
        let matrices = [Some(&self.hidden), self.projection.as_ref(), self.candidate.as_ref()];
        matrices.into_iter().flatten().map(|matrix| matrix.terms() * matrix.columns()).sum()
    }

    /// `direction`: 0 or 1.
    pub(super) fn new(config: &Config, direction: usize, weights: &DirectionWeights) -> Self {
        let gates = config.cell.gates();
        let columns = gates * config.hidden_size;
        let bias = |bias: &Option<Array1<f32>>| bias.clone().unwrap_or_else(|| Array1::zeros(columns));
        let mut of_hidden = bias(&weights.bias_hh);
        let mut of_input = bias(&weights.bias_ih);
        let resets_after = config.cell == Cell::Gru && !config.resets_before();
        let folded = if resets_after { 2 * config.hidden_size } else { columns };
        for (input, hidden) in of_input.iter_mut().zip(&mut of_hidden).take(folded) {
            *input += std::mem::take(hidden);
        }
        let without_bias =
            |weight: &ArrayView2<'_, f32>| Matrix::new(weight, &Array1::zeros(weight.nrows()), 1);
        let weight_hh = weights.weight_hh.view();
        let (hidden, candidate) = if config.resets_before() {
            let (first, last) = weight_hh.split_at(Axis(0), 2 * config.hidden_size);
            (Matrix::new(&first, &of_hidden, 2), Some(without_bias(&last)))
        } else {
            (Matrix::new(&weight_hh, &of_hidden, gates), None)
        };
        Direction {
            hidden_size: config.hidden_size,
            input: Matrix::new(&weights.weight_ih.view(), &of_input, gates),
            hidden,
            projection: weights.weight_hr.as_ref().map(|weight| without_bias(&weight.view())),
            candidate,
            functions: VariantFunctions::new(config, direction, weights),
        }
    }
}
