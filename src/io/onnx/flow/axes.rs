//! The axes of a sequence, and their changes when it is transposed or reshaped.

/// The axes of a recurrent node's Y. An axis that is known to have size 1 has no letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::io::onnx) enum Letter {
    T,
    N,
    D,
    H,
}

use Letter::{D, H, N, T};

/// Each axis as the list of axes of Y that it contains, the slowest first. An axis of size 1 contains none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::io::onnx) struct Axes(Vec<Vec<Letter>>);

/// The size of one dimension of a shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::io::onnx) enum Dim {
    /// A number.
    Known(i64),
    /// The size of these axes of that node's Y, in any order.
    Of(usize, Vec<Letter>),
    /// An unknown size.
    Unknown,
}

impl Dim {
    /// Returns the product of two sizes.
    pub(super) fn product(&self, other: &Dim) -> Dim {
        match (self, other) {
            (Dim::Known(1), dim) | (dim, Dim::Known(1)) => dim.clone(),
            (Dim::Known(a), Dim::Known(b)) => a.checked_mul(*b).map_or(Dim::Unknown, Dim::Known),
            (Dim::Of(node, a), Dim::Of(other, b)) if node == other && a.len() + b.len() <= Axes::MOST => {
                Dim::Of(*node, a.iter().chain(b).copied().collect())
            }
            _ => Dim::Unknown,
        }
    }
}

impl Axes {
    /// A limit above the number of axes that any exporter makes between two layers.
    pub(super) const MOST: usize = 8;

    /// Returns the axes of Y: `[T, D, N, H]`, or `[N, T, D, H]` if it is batch-first.
    pub(super) fn of_output(batch_first: bool, size: impl Fn(Letter) -> Option<usize>) -> Self {
        Axes::new(if batch_first { [&[N][..], &[T], &[D], &[H]] } else { [&[T], &[D], &[N], &[H]] }, size)
    }

    /// Returns whether these are the axes of the next layer's X: `[T, N, D*H]`, or `[N, T, D*H]` if it is
    /// batch-first.
    pub(super) fn is_input(&self, batch_first: bool, size: impl Fn(Letter) -> Option<usize>) -> bool {
        *self == Axes::new(if batch_first { [&[N][..], &[T], &[D, H]] } else { [&[T], &[N], &[D, H]] }, size)
    }

    /// Creates the axes without the letters of size 1, whose position does not matter.
    fn new<const RANK: usize>(axes: [&[Letter]; RANK], size: impl Fn(Letter) -> Option<usize>) -> Self {
        let longer =
            |axis: &[Letter]| axis.iter().copied().filter(|&letter| size(letter) != Some(1)).collect();
        Axes(axes.map(longer).to_vec())
    }

    pub(super) fn rank(&self) -> usize {
        self.0.len()
    }

    /// Returns the shape, as far as the letters determine it.
    pub(super) fn dims(&self, node: usize) -> Vec<Dim> {
        let dim = |letters: &Vec<Letter>| match letters.is_empty() {
            true => Dim::Known(1),
            false => Dim::Of(node, letters.clone()),
        };
        self.0.iter().map(dim).collect()
    }

    /// Returns the sizes of the shape, if they are known.
    pub(super) fn sizes(&self, size: impl Fn(Letter) -> Option<usize>) -> Vec<Option<usize>> {
        let product =
            |letters: &Vec<Letter>| letters.iter().try_fold(1usize, |all, &one| all.checked_mul(size(one)?));
        self.0.iter().map(product).collect()
    }

    /// Returns the axes in another order.
    pub(super) fn transposed(&self, order: &[i64]) -> Option<Self> {
        let places: Vec<usize> = order.iter().filter_map(|&place| usize::try_from(place).ok()).collect();
        let mut sorted = places.clone();
        sorted.sort_unstable();
        let all = sorted.into_iter().eq(0..self.rank()) && places.len() == order.len();
        all.then(|| Axes(places.into_iter().map(|place| self.0[place].clone()).collect()))
    }

    /// Returns the axes without those of size 1 at the given positions, or without any of size 1 if no
    /// positions are given.
    pub(super) fn squeezed(&self, places: Option<&[i64]>) -> Option<Self> {
        // Without positions, an axis of unknown size might be 1 and would be removed too.
        let places = indices(places?, self.rank())?;
        let only_ones = places.iter().all(|&place| self.0[place].is_empty());
        let kept = self.0.iter().enumerate().filter(|(place, _)| !places.contains(place));
        only_ones.then(|| Axes(kept.map(|(_, letters)| letters.clone()).collect()))
    }

    /// Returns the axes with axes of size 1 at the given positions of the result.
    pub(super) fn unsqueezed(&self, places: &[i64]) -> Option<Self> {
        let rank = self.rank().checked_add(places.len()).filter(|&rank| rank <= Axes::MOST)?;
        let places = indices(places, rank)?;
        let mut kept = self.0.iter();
        let axes = (0..rank).map(|place| match places.contains(&place) {
            true => Some(Vec::new()),
            false => kept.next().cloned(),
        });
        axes.collect::<Option<_>>().map(Axes)
    }

    /// Returns the axes for another shape. Each of its sizes must be that of whole axes, in their order.
    ///
    /// `size` returns the size of an axis if it is known. `zero_copies` says whether a size of 0 means the
    /// size of the axis at the same position.
    pub(super) fn reshaped(
        &self,
        node: usize,
        shape: &[Dim],
        zero_copies: bool,
        size: impl Fn(Letter) -> Option<usize>,
    ) -> Option<Self> {
        let all: Vec<Letter> = self.0.iter().flatten().copied().collect();
        let count = |place: usize, letters: &mut dyn Iterator<Item = Letter>| match &shape[place] {
            Dim::Known(0) if zero_copies => {
                self.0.get(place).filter(|axis| same(letters, axis)).map(Vec::len)
            }
            Dim::Known(wanted) => whole_axes(*wanted, letters, &size),
            Dim::Of(of, axes) if *of == node => same(letters, axes).then_some(axes.len()),
            _ => None,
        };
        let rest = shape.iter().position(|dim| *dim == Dim::Known(-1)).unwrap_or(shape.len());
        let (mut from, mut to) = (0, all.len());
        let mut axes: Vec<Vec<Letter>> = Vec::new();
        for place in 0..rest {
            let taken = count(place, &mut all[from..to].iter().copied())?;
            axes.push(all[from..from + taken].to_vec());
            from += taken;
        }
        let mut behind: Vec<Vec<Letter>> = Vec::new();
        for place in (rest + 1..shape.len()).rev() {
            let taken = count(place, &mut all[from..to].iter().rev().copied())?;
            behind.push(all[to - taken..to].to_vec());
            to -= taken;
        }
        match rest < shape.len() {
            true => axes.push(all[from..to].to_vec()),
            false if from < to => return None,
            false => {}
        }
        axes.extend(behind.into_iter().rev());
        Some(Axes(axes))
    }
}

/// Converts indices, which may be negative, to axes. Each axis may occur once.
pub(super) fn indices(places: &[i64], rank: usize) -> Option<Vec<usize>> {
    let signed = i64::try_from(rank).ok()?;
    let place = |&place: &i64| {
        usize::try_from(if place < 0 { place + signed } else { place }).ok().filter(|&place| place < rank)
    };
    let found: Vec<usize> = places.iter().map(place).collect::<Option<_>>()?;
    let distinct = found.iter().enumerate().all(|(index, place)| !found[..index].contains(place));
    distinct.then_some(found)
}

/// Returns whether the next letters are these, in any order.
fn same(letters: &mut dyn Iterator<Item = Letter>, wanted: &[Letter]) -> bool {
    let mut found: Vec<Letter> = letters.take(wanted.len()).collect();
    let mut wanted = wanted.to_vec();
    found.sort_unstable();
    wanted.sort_unstable();
    found == wanted
}

/// Returns the number of the next axes that together have the given number of elements.
fn whole_axes(
    wanted: i64,
    letters: &mut dyn Iterator<Item = Letter>,
    size: &impl Fn(Letter) -> Option<usize>,
) -> Option<usize> {
    let wanted = usize::try_from(wanted).ok()?;
    let (mut product, mut taken) = (1usize, 0);
    while product < wanted {
        product = product.checked_mul(size(letters.next()?)?)?;
        taken += 1;
    }
    (product == wanted).then_some(taken)
}
