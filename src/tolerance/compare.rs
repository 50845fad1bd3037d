//! The comparison of a result with the expected one.

use ndarray::{Array, Dimension};

use crate::error::Fault;
use crate::{Error, Output};

/// The largest differences of a comparison, and the element that used most of its tolerance: the worst one.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Comparison {
    /// The largest `|found - expected|`; infinite if a value is NaN that should not be.
    pub absolute: f64,
    /// The largest `|found - expected| / |expected|` over elements that should not be zero.
    pub relative: f64,
    /// `|found - expected| / tolerance` of the worst element; above 1 is a failure. It is 0 if there are no
    /// elements.
    pub ratio: f64,
    /// The array of the worst element: `output`, `h_n` or `c_n`; empty if there are no elements.
    pub name: &'static str,
    /// The index of the worst element in that array.
    pub index: Vec<usize>,
    /// The expected value of the worst element.
    pub expected: f64,
    /// The value found there.
    pub found: f64,
    /// The largest allowed difference there.
    pub tolerance: f64,
}

impl Comparison {
    /// Compares a result with the expected one and a tolerance for each element.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](crate::ErrorKind::Input) if the three do not have the same shapes.
    pub fn new<D: Dimension>(
        found: &Output<D>,
        expected: &Output<D, f64>,
        tolerance: &Output<D, f64>,
    ) -> Result<Self, Error> {
        let mut all = Comparison::default();
        all.add("output", &found.output, &expected.output, &tolerance.output)?;
        all.add("h_n", &found.h_n, &expected.h_n, &tolerance.h_n)?;
        match (&found.c_n, &expected.c_n, &tolerance.c_n) {
            (None, None, None) => {}
            (Some(found), Some(expected), Some(tolerance)) => {
                all.add("c_n", found, expected, tolerance)?;
            }
            (found, expected, _) => {
                let shape = |has: bool| vec![usize::from(has)];
                let expected = expected.as_ref().map_or(shape(false), |c_n| c_n.shape().to_vec());
                let found = found.as_ref().map_or(shape(false), |c_n| c_n.shape().to_vec());
                return Err(Error::from(Fault::Shape { name: "c_n".into(), expected, found }).of_argument());
            }
        }
        Ok(all)
    }

    /// Returns whether every element is within its tolerance.
    pub fn passes(&self) -> bool {
        self.ratio <= 1.0
    }

    fn add<D: Dimension>(
        &mut self,
        name: &'static str,
        found: &Array<f32, D>,
        expected: &Array<f64, D>,
        tolerance: &Array<f64, D>,
    ) -> Result<(), Error> {
        let shape = expected.shape();
        for other in [found.shape(), tolerance.shape()] {
            if other != shape {
                let (name, expected, found) = (name.to_owned(), shape.to_vec(), other.to_vec());
                return Err(Error::from(Fault::Shape { name, expected, found }).of_argument());
            }
        }
        for (position, ((&found, &expected), &tolerance)) in
            found.iter().zip(expected).zip(tolerance).enumerate()
        {
            let found = f64::from(found);
            let difference = distance(found, expected);
            self.absolute = self.absolute.max(difference);
            if expected != 0.0 {
                self.relative = self.relative.max(difference / expected.abs());
            }
            // A NaN tolerance allows nothing: the reference itself overflowed.
            let ratio = match difference {
                0.0 => 0.0,
                _ if tolerance > 0.0 => difference / tolerance,
                _ => f64::INFINITY,
            };
            if self.name.is_empty() || ratio > self.ratio {
                let index = index_of(position, shape);
                *self = Comparison { ratio, name, index, expected, found, tolerance, ..*self };
            }
        }
        Ok(())
    }
}

/// Returns the index of the element at `position` in row-major order.
fn index_of(mut position: usize, shape: &[usize]) -> Vec<usize> {
    let mut index: Vec<usize> =
        shape.iter().rev().map(|&size| (position % size, position /= size).0).collect();
    index.reverse();
    index
}

/// Returns `|found - expected|`. Equal infinities and two NaNs differ by 0; a single NaN differs by
/// infinity.
fn distance(found: f64, expected: f64) -> f64 {
    if found == expected || (found.is_nan() && expected.is_nan()) {
        return 0.0;
    }
    let difference = (found - expected).abs();
    if difference.is_nan() { f64::INFINITY } else { difference }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, Ix3, array};

    use super::*;

    fn output<A: Clone>(value: A) -> Output<Ix3, A> {
        let one = Array3::from_elem((1, 2, 3), value);
        Output::new(one.clone(), one.clone(), Some(one))
    }

    #[test]
    fn a_wrong_element_in_any_array_fails() {
        let (expected, tolerance) = (output(1.0), output(0.25));
        assert!(Comparison::new(&output(1.25), &expected, &tolerance).unwrap().passes());
        let spoil: [fn(&mut Output) -> &mut f32; 3] = [
            |o| &mut o.output[[0, 1, 2]],
            |o| &mut o.h_n[[0, 1, 2]],
            |o| o.c_n.as_mut().map(|c| &mut c[[0, 1, 2]]).unwrap(),
        ];
        for (spoil, name) in spoil.into_iter().zip(["output", "h_n", "c_n"]) {
            for wrong in [1.26, 0.74, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0] {
                let mut found = output(1.0f32);
                *spoil(&mut found) = wrong;
                let comparison = Comparison::new(&found, &expected, &tolerance).unwrap();
                assert!(!comparison.passes(), "{wrong} in {name}");
                assert_eq!((comparison.name, &comparison.index[..]), (name, &[0, 1, 2][..]));
            }
        }
    }

    #[test]
    fn where_nothing_is_tolerated_only_equality_passes() {
        let (expected, tolerance) = (output(0.0), output(0.0));
        assert!(Comparison::new(&output(0.0), &expected, &tolerance).unwrap().passes());
        assert!(!Comparison::new(&output(1e-40), &expected, &tolerance).unwrap().passes());
        assert!(!Comparison::new(&output(1e-3), &expected, &output(f64::NAN)).unwrap().passes());
    }

    #[test]
    fn shapes_must_agree() {
        let mut found = output(1.0f32);
        found.h_n = array![[[1.0]]];
        assert!(Comparison::new(&found, &output(1.0), &output(1.0)).is_err());
        let mut found = output(1.0f32);
        found.c_n = None;
        assert!(Comparison::new(&found, &output(1.0), &output(1.0)).is_err());
    }
}
