//! The tolerance of an f32 forward pass against the f64 reference.
//!
//! # The formula
//!
//! Every f32 operation has a rounding error of at most `u = 2⁻²⁴` of its result. The model of [Higham and
//! Mary, 2019](https://doi.org/10.1137/18M1226312) treats the errors as independent with mean zero. Their
//! standard deviation `σ` is propagated through the same steps as the reference, next to the value:
//!
//! - exact inputs and parameters: `σ = 0`;
//! - a sum of K products `p_j = w_j x_j` with partial sums `s_j`:
//!   `σ² = Σ_j (w_j σ(x_j))² + u² Σ_j (p_j² + s_j²)`, which grows like `u √K |s|` for terms of equal size;
//! - a product, a sum of two terms, and the GRU's `(1-z) n + z h`: the operands' σ, weighted with the
//!   partial derivatives and added linearly, because gates of one unit depend on the same state, plus `u`
//!   times each intermediate result. If both factors a and b are uncertain, `λ σ(a) σ(b)` is added:
//!   `(a + λσ(a)) (b + λσ(b))` contains that term, and it dominates if both factors are near zero;
//! - tanh, sigmoid, ReLU: σ times the largest slope within `λσ` of the argument, plus the function's own
//!   error: `2u |y|` for tanh and `(2 + |x|) u |y|` for the sigmoid, whose exponential loses `|x|` in
//!   relative accuracy. Two results of tanh differ by at most 2 and two of the sigmoid by at most 1, so that
//!   σ without the own error is at most `2/λ` and `1/λ`;
//! - clip, and the other functions of ONNX's operators: likewise. A ThresholdedRelu whose argument may be on
//!   either side of its threshold may be off by the threshold;
//! - products, tanh and sigmoid may also underflow. A device may flush a result below `2⁻¹²⁶` to zero, which
//!   loses the result and nothing more; otherwise it rounds it to a multiple of `2⁻¹⁴⁹`. So each of these adds
//!   `max(2⁻¹⁴⁹, min(y, 2⁻¹²⁶))/λ` to σ, where y is the largest absolute result within λσ, and nothing if y is 0;
//! - a gate may not be flushed, since it may multiply a large state. It is zero at the earliest where the
//!   exponential in the sigmoid, a number from `2¹²⁷` on, overflows. So `2⁻¹²⁷` replaces `2⁻¹²⁶` in a gate.
//!
//! The tolerance of an element is `λσ` with `λ = 8`. By Hoeffding's inequality, a sum of bounded independent
//! errors exceeds it with a probability below `2 exp(-λ²/2) ≈ 2.5·10⁻¹⁴`. If σ is zero, as in the padding
//! after a row's length, the value must be exact. How the tolerance grows with T depends on the weights:
//! contracting layers forget old errors, others accumulate them.
//!
//! Weights stored as f16 ([`Precision::F16`]) add `√(Σ_j (δ_j x_j)²)` to the σ of each sum. Here
//! `δ_j = 2⁻¹¹ |w_j|` bounds the rounding of a weight. A weight below 2⁻¹⁴ may be lost entirely:
//! `δ_j = |w_j| + 2⁻²⁵`. These errors are the same at every step, so this term is added linearly.

use ndarray::{ArrayView1, Dimension};

use crate::batch::Batch;
use crate::reference::{self, Number, sigmoid};
use crate::{Activation, Error, Input, Output, Precision, Weights};

mod compare;

pub use compare::Comparison;

/// u, the unit roundoff of f32.
const UNIT: f64 = 1.0 / (1u32 << 24) as f64;
/// λ, the number of tolerated standard deviations.
const LAMBDA: f64 = 8.0;
/// The own error of tanh and sigmoid, in units of u relative to the result.
const ACTIVATION: f64 = 2.0;
/// The smallest number above zero in f32.
const SMALLEST: f64 = FLUSHED * 2.0 * UNIT;
/// Results below this may be flushed to zero.
const FLUSHED: f64 = f32::MIN_POSITIVE as f64;
/// Gates below this may be zero.
const CLOSED: f64 = FLUSHED / 2.0;

/// Returns the tolerance of each element of the result of [`reference::forward`], for a layer that stores
/// these weights with the given precision.
///
/// # Errors
///
/// The same as [`reference::forward`].
pub fn forward<'i, D: Dimension>(
    weights: &Weights,
    precision: Precision,
    input: impl Into<Input<'i, D>>,
) -> Result<Output<D, f64>, Error> {
    let input = input.into();
    input.check_for_forward()?;
    let batch = Batch::new(weights.config(), &input)?;
    batch.restore(match precision {
        Precision::F32 => reference::run::<Rounded>(weights, &batch)?.map(Rounded::tolerance)?,
        Precision::F16 => reference::run::<Rounded<true>>(weights, &batch)?.map(Rounded::tolerance)?,
    })
}

/// A value and the standard deviation of its error in f32. `HALVES` says whether weights are stored as f16.
#[derive(Clone, Copy, Debug, Default)]
struct Rounded<const HALVES: bool = false> {
    value: f64,
    sigma: f64,
}

impl<const HALVES: bool> Rounded<HALVES> {
    fn tolerance(&self) -> f64 {
        LAMBDA * self.sigma
    }

    /// Returns the argument within λσ at which tanh and sigmoid are steepest.
    fn steepest(self) -> f64 {
        (self.value.abs() - LAMBDA * self.sigma).max(0.0)
    }
}

/// Returns what a possible underflow adds to the σ of a result of at most `size`. Results from `limit` on do not
/// underflow.
fn underflow(size: f64, limit: f64) -> f64 {
    if size > 0.0 { size.clamp(SMALLEST, limit) / LAMBDA } else { 0.0 }
}

/// The activation functions.
impl<const HALVES: bool> Rounded<HALVES> {
    /// Propagates the argument's σ through a function, with the largest slope within λσ.
    fn carried(self, activation: Activation) -> f64 {
        let [alpha, beta] = activation.parameters().map(f64::from);
        let (low, high) = (self.value - LAMBDA * self.sigma, self.value + LAMBDA * self.sigma);
        // The slope is `below` on one side of a limit and 1 on the other.
        let kinked = |limit: f64, below: f64| match (low < limit, high > limit) {
            (true, true) => below.abs().max(1.0),
            (true, false) => below.abs(),
            _ => 1.0,
        };
        let slope = match activation {
            Activation::Tanh => 1.0 - self.steepest().tanh().powi(2),
            Activation::ScaledTanh { .. } => {
                alpha.abs() * beta.abs() * (1.0 - (beta.abs() * self.steepest()).tanh().powi(2))
            }
            Activation::Sigmoid => {
                // The smaller of σ(x) and σ(-x): with the larger one, 1 - σ would vanish from |x| = 37 on.
                let steepest = sigmoid(-self.steepest());
                steepest * (1.0 - steepest)
            }
            Activation::Relu => kinked(0.0, 0.0),
            Activation::LeakyRelu { .. } => kinked(0.0, alpha),
            Activation::Elu { .. } => kinked(0.0, alpha * high.min(0.0).exp()),
            Activation::ThresholdedRelu { .. } => kinked(alpha, 0.0),
            Activation::Affine { .. } => alpha.abs(),
            Activation::HardSigmoid { .. } => {
                let (first, last) = ((alpha * low + beta), (alpha * high + beta));
                let flat = first.max(last) < 0.0 || first.min(last) > 1.0;
                if flat { 0.0 } else { alpha.abs() }
            }
            Activation::Softsign => (1.0 + self.steepest()).powi(-2),
            Activation::Softplus => sigmoid(high),
        };
        let jump = match activation {
            Activation::ThresholdedRelu { .. } if low <= alpha && alpha <= high => alpha.abs() / LAMBDA,
            _ => 0.0,
        };
        // The largest difference between two results.
        let range = match activation {
            Activation::Tanh | Activation::Softsign => 2.0,
            Activation::ScaledTanh { .. } => 2.0 * alpha.abs(),
            Activation::Sigmoid | Activation::HardSigmoid { .. } => 1.0,
            _ => f64::INFINITY,
        };
        (slope * self.sigma).min(range / LAMBDA) + jump
    }

    /// Applies a function. Its results may underflow below `limit`.
    fn activated(self, activation: Activation, limit: f64) -> Self {
        let (value, carried) = (self.value.activate(activation), self.carried(activation));
        let underflow = underflow(value.abs() + LAMBDA * carried, limit);
        Rounded { value, sigma: carried + self.own(activation, value, underflow) }
    }

    /// Returns a function's own error. `underflow` is the part of it that an underflow of the result causes.
    fn own(self, activation: Activation, value: f64, underflow: f64) -> f64 {
        let [alpha, beta] = activation.parameters().map(f64::from);
        let (x, y) = (self.value, value.abs());
        match activation {
            Activation::Relu | Activation::ThresholdedRelu { .. } => 0.0,
            Activation::Tanh => ACTIVATION * UNIT * y + underflow,
            Activation::Sigmoid | Activation::Softplus => (ACTIVATION + x.abs()) * UNIT * y + underflow,
            // The rounding of beta x is, after the slope of tanh, at most the same fraction of the result.
            // The product with alpha rounds too.
            Activation::ScaledTanh { .. } => (ACTIVATION + 2.0) * UNIT * y + underflow,
            Activation::Affine { .. } | Activation::HardSigmoid { .. } => {
                UNIT * ((alpha * x).abs() + (alpha * x + beta).abs()) + underflow
            }
            Activation::LeakyRelu { .. } => UNIT * y + underflow,
            Activation::Elu { .. } if x >= 0.0 => 0.0,
            Activation::Elu { .. } | Activation::Softsign => 2.0 * ACTIVATION * UNIT * y + underflow,
        }
    }
}

/// Returns the largest difference between a weight and its f16 value.
fn half_error(weight: f64) -> f64 {
    let size = weight.abs();
    if size > 0.0 && size < f64::from(half::f16::MIN_POSITIVE) {
        return size + f64::powi(2.0, -25);
    }
    size * f64::powi(2.0, -11)
}

impl<const HALVES: bool> Number for Rounded<HALVES> {
    fn exact(value: f32) -> Self {
        Rounded { value: f64::from(value), sigma: 0.0 }
    }

    fn dot(start: f32, weights: ArrayView1<'_, f32>, values: &[Self]) -> Self {
        let (mut sum, mut variance, mut of_weights) = (f64::from(start), 0.0, 0.0);
        let mut size = sum.abs();
        for (&weight, x) in weights.iter().zip(values) {
            let weight = f64::from(weight);
            let product = weight * x.value;
            sum += product;
            size += product.abs();
            variance += (weight * x.sigma).powi(2) + UNIT * UNIT * (product * product + sum * sum);
            if HALVES {
                of_weights += (half_error(weight) * x.value).powi(2);
            }
        }
        let sigma = variance.sqrt() + f64::sqrt(of_weights);
        Rounded { value: sum, sigma: sigma + underflow(size + LAMBDA * sigma, FLUSHED) }
    }

    fn add(self, other: Self) -> Self {
        let value = self.value + other.value;
        Rounded { value, sigma: self.sigma + other.sigma + UNIT * value.abs() }
    }

    fn mul(self, other: Self) -> Self {
        let value = self.value * other.value;
        let carried = self.sigma * other.value.abs()
            + other.sigma * self.value.abs()
            + LAMBDA * self.sigma * other.sigma;
        let underflow = underflow(value.abs() + LAMBDA * carried, FLUSHED);
        Rounded { value, sigma: carried + UNIT * value.abs() + underflow }
    }

    fn mix(self, a: Self, b: Self) -> Self {
        let rest = 1.0 - self.value;
        let (from_a, from_b) = (rest * a.value, self.value * b.value);
        let value = from_a + from_b;
        let carried =
            rest.abs() * a.sigma + self.value.abs() * b.sigma + (b.value - a.value).abs() * self.sigma;
        let carried = carried + LAMBDA * self.sigma * (a.sigma + b.sigma);
        // Rounding errors of 1 - z, the two products and their sum.
        let size = from_a.abs() + from_b.abs();
        let own = UNIT * (size + from_a.abs() + value.abs()) + underflow(size + LAMBDA * carried, FLUSHED);
        Rounded { value, sigma: carried + own }
    }

    fn complement(self) -> Self {
        let value = 1.0 - self.value;
        Rounded { value, sigma: self.sigma + UNIT * value.abs() }
    }

    fn clip(self, limit: f32) -> Self {
        let beyond = self.steepest() > f64::from(limit);
        Rounded { value: self.value.clip(limit), sigma: if beyond { 0.0 } else { self.sigma } }
    }

    fn activate(self, activation: Activation) -> Self {
        self.activated(activation, FLUSHED)
    }

    fn gate(self, activation: Activation) -> Self {
        self.activated(activation, CLOSED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_gate_carries_the_error_of_its_argument() {
        for argument in [-10.0, -30.0, -40.0, -60.0] {
            let gate = Rounded::<false> { value: argument, sigma: 1e-4 }.activate(Activation::Sigmoid);
            // Here σ(x) = exp(x), so an absolute error in x is a relative error in σ(x).
            let relative = gate.sigma / gate.value;
            assert!((1e-4..2e-4).contains(&relative), "{argument}: {relative}");
        }
    }

    #[test]
    fn two_uncertain_factors_near_zero_have_an_uncertain_product() {
        // A gate and a cell state whose arguments are only known to be large.
        let unknown = Rounded::<false> { value: -1e3, sigma: 1e6 };
        let near_zero = Rounded { value: 0.0, ..unknown };
        let (gate, state) = (unknown.activate(Activation::Sigmoid), near_zero.activate(Activation::Tanh));
        assert_eq!((gate.value, state.value), (0.0, 0.0));
        let (all, most) = (gate.mul(state).tolerance(), gate.tolerance() * state.tolerance());
        assert!((1.0..3.0).contains(&all) && (2.0..2.1).contains(&most), "{all} {most}");
        let mixed = gate.mix(state, state);
        assert!((2.0..10.0).contains(&mixed.tolerance()), "{mixed:?}");
    }

    #[test]
    fn a_value_too_small_for_f32_may_be_flushed_to_zero() {
        let product = Rounded::<false>::exact(1e-20).mul(Rounded::exact(1e-19));
        assert!((1.0..1.001).contains(&(product.tolerance() / product.value)), "{product:?}");
        let normal = Rounded::<false>::exact(1e-10).mul(Rounded::exact(1e-10));
        assert!((f64::from(f32::MIN_POSITIVE)..1e-26).contains(&normal.tolerance()), "{normal:?}");
        assert_eq!(Rounded::<false>::exact(0.0).mul(Rounded::exact(1e30)).tolerance(), 0.0);
        assert_eq!(Rounded::<false>::exact(1.0).tolerance(), 0.0);
    }

    #[test]
    fn a_closed_gate_hides_no_state() {
        let kept = |argument: f32| {
            let gate = Rounded::<false>::exact(argument).gate(Activation::Sigmoid);
            gate.mix(Rounded::exact(0.5), Rounded::exact(3e38))
        };
        // Without the rounding of the state itself, nothing is left of it.
        for argument in [-1000.0, -200.0, -120.0] {
            assert!(kept(argument).tolerance() < 2e-6, "{argument}: {:?}", kept(argument));
        }
        // The sigmoid in f32 may be zero here, but not twice as large.
        let dropped = kept(-95.0);
        assert!((0.9..1.1).contains(&(dropped.tolerance() / (dropped.value - 0.5))), "{dropped:?}");
        // Here it may not be zero.
        let open = kept(-86.0);
        assert!(open.tolerance() < 0.4 * open.value, "{open:?}");
    }
}
