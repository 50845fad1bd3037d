//! Keras' files: HDF5 in chunks, and an archive. `generate.py` has made them.

use wgpu_rnn::{LoadOptions, Weights};

use super::{Case, LARGE, each};

const HDF5: &[u8] = include_bytes!("large.weights.h5");
const ARCHIVE: &[u8] = include_bytes!("large.keras");

pub(super) fn cases() -> Vec<Case> {
    let case = |(name, file): (&str, &'static [u8])| -> Case {
        let run = move || each(LARGE, || Weights::from_bytes(file, &LoadOptions::default()).map(drop));
        (name.to_owned(), Box::new(run))
    };
    [("hdf5", HDF5), ("keras archive", ARCHIVE)].map(case).into()
}
