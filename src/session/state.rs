//! Which rows of a session a call concerns.

/// The rows that a call concerns, each listed once.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Active<'a> {
    All(usize),
    Named(&'a [usize]),
}

impl Active<'_> {
    pub(crate) fn len(self) -> usize {
        match self {
            Active::All(rows) => rows,
            Active::Named(rows) => rows.len(),
        }
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        (0..self.len()).map(move |slot| match self {
            Active::All(_) => slot,
            Active::Named(rows) => rows[slot],
        })
    }
}
