//! Keras' files: HDF5 in chunks, and an archive. `generate.py` has made them.

use wgpu_rnn::Weights;
use wgpu_rnn::io::{KerasOptions, Tensors};

use super::{Case, LARGE, each};

const HDF5: &[u8] = include_bytes!("large.weights.h5");
const ARCHIVE: &[u8] = include_bytes!("large.keras");

pub(super) fn cases() -> Vec<Case> {
    let options = KerasOptions::default();
    let hdf5 = {
        let options = options.clone();
        move || each(LARGE, || Weights::from_keras(&Tensors::from_hdf5(HDF5)?, &options).map(drop))
    };
    let archive =
        move || each(LARGE, || Weights::from_keras(&Tensors::from_keras(ARCHIVE)?, &options).map(drop));
    vec![("hdf5".into(), Box::new(hdf5)), ("keras archive".into(), Box::new(archive))]
}
