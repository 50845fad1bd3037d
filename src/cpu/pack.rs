//! The packed weights of a layer, in the order in which the loops read them.

use ndarray::{Array1, ArrayView2, Axis};

use super::simd::{Block, PANEL};
use super::variant::VariantFunctions;
use crate::array::{filled, reserved};
use crate::{Cell, Config, DirectionWeights, Error};

/// A weight matrix `[gates*units, terms]` and its bias, transposed and split into panels of columns.
///
/// Units are grouped in blocks of [`PANEL`], and the gates of a block are adjacent panels: for each term k,
/// panel `b*gates + g` holds the adjacent weights of gate g of units `b*PANEL..`. The inner loop therefore
/// reads memory in order and produces all gates of its units. The padding after the last unit is zero.
#[derive(Debug)]
pub(super) struct Matrix {
    terms: usize,
    panels: Vec<Block>,
    bias: Vec<Block>,
}

impl Matrix {
    /// Packs a matrix with its bias.
    fn new(weight: &ArrayView2<'_, f32>, bias: &[f32], gates: usize) -> Result<Self, Error> {
        let (rows, terms) = weight.dim();
        let units = rows / gates;
        let count = units.div_ceil(PANEL) * gates;
        let blocks = |len| filled("packed weights", len, Block::default());
        let (mut panels, mut padded) = (blocks(count.saturating_mul(terms))?, blocks(count)?);
        let bias = bias.iter().copied().chain(std::iter::repeat(0.0));
        for (row, (weights, bias)) in weight.outer_iter().zip(bias).enumerate() {
            let (gate, unit) = (row / units, row % units);
            let (panel, lane) = (unit / PANEL * gates + gate, unit % PANEL);
            padded[panel].0[lane] = bias;
            for (lanes, &weight) in panels[panel * terms..][..terms].iter_mut().zip(weights) {
                lanes.0[lane] = weight;
            }
        }
        Ok(Matrix { terms, panels, bias: padded })
    }

    /// Returns K, the number of terms of each sum.
    pub(super) fn terms(&self) -> usize {
        self.terms
    }

    /// Returns the number of panels of the columns.
    pub(super) fn panels(&self) -> usize {
        self.bias.len()
    }

    /// Returns the number of sums computed for each row, including those of the padding.
    pub(super) fn columns(&self) -> usize {
        self.panels() * PANEL
    }

    /// Returns a panel's bias and its weights for each of the `terms`.
    #[inline(always)]
    pub(super) fn panel(&self, panel: usize) -> (&Block, &[Block]) {
        (&self.bias[panel], &self.panels[panel * self.terms..][..self.terms])
    }
}

/// The parameters of one direction of one layer.
///
/// Both biases are added with the input product, except a GRU's `b_hn` if it belongs inside `r * (…)`.
#[derive(Debug)]
pub(super) struct Direction {
    hidden_size: usize,
    pub(super) input: Matrix,
    pub(super) hidden: Matrix,
    pub(super) projection: Option<Matrix>,
    /// The matrix that multiplies r h in a GRU that resets before the product. `hidden` then has only the
    /// gates r and z.
    pub(super) candidate: Option<Matrix>,
    /// The features that differ from PyTorch's cell, if any.
    pub(super) functions: Option<VariantFunctions>,
}

impl Direction {
    /// Returns the number of blocks of units.
    pub(super) fn blocks(&self) -> usize {
        self.hidden_size.div_ceil(PANEL)
    }

    /// Returns the number of blocks of the hidden state: those of the units, or of the projected state.
    pub(super) fn output_blocks(&self) -> usize {
        self.projection.as_ref().map_or(self.blocks(), Matrix::panels)
    }

    /// Returns the number of products of a step: one, or two if the second product multiplies a result of
    /// the first.
    pub(super) fn products(&self) -> usize {
        if self.projection.is_some() || self.candidate.is_some() { 2 } else { 1 }
    }

    /// Returns the multiply-adds of a step for one row.
    pub(super) fn step_work(&self) -> usize {
        let matrices = [Some(&self.hidden), self.projection.as_ref(), self.candidate.as_ref()];
        matrices.into_iter().flatten().map(|matrix| matrix.terms() * matrix.columns()).sum()
    }

    /// Packs the weights of a direction, 0 or 1.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::OutOfMemory`](crate::ErrorKind::OutOfMemory) if there is not enough memory for them.
    pub(super) fn new(config: &Config, direction: usize, weights: &DirectionWeights) -> Result<Self, Error> {
        let gates = config.cell.gates();
        let columns = gates * config.hidden_size;
        let bias = |bias: &Option<Array1<f32>>| {
            let mut values = reserved("biases", columns)?;
            values.extend(bias.iter().flatten());
            values.resize(columns, 0.0);
            Ok::<Vec<f32>, Error>(values)
        };
        let (mut of_hidden, mut of_input) = (bias(&weights.bias_hh)?, bias(&weights.bias_ih)?);
        let resets_after = config.cell == Cell::Gru && !config.resets_before();
        let folded = if resets_after { 2 * config.hidden_size } else { columns };
        for (input, hidden) in of_input.iter_mut().zip(&mut of_hidden).take(folded) {
            *input += std::mem::take(hidden);
        }
        let without_bias = |weight: &ArrayView2<'_, f32>| Matrix::new(weight, &[], 1);
        let weight_hh = weights.weight_hh.view();
        let (hidden, candidate) = if config.resets_before() {
            let (first, last) = weight_hh.split_at(Axis(0), 2 * config.hidden_size);
            (Matrix::new(&first, &of_hidden, 2)?, Some(without_bias(&last)?))
        } else {
            (Matrix::new(&weight_hh, &of_hidden, gates)?, None)
        };
        Ok(Direction {
            hidden_size: config.hidden_size,
            input: Matrix::new(&weights.weight_ih.view(), &of_input, gates)?,
            hidden,
            projection: weights.weight_hr.as_ref().map(|weight| without_bias(&weight.view())).transpose()?,
            candidate,
            functions: VariantFunctions::new(config, direction, weights),
        })
    }
}
