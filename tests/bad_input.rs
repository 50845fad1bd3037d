//! The properties that `fuzz/` tries, within bounds and the same in every run: files that are broken in every byte and at
//! random, and problems from random bytes.

#[path = "../fuzz/src/files.rs"]
pub mod files;
#[path = "../fuzz/src/layer.rs"]
mod layer;
#[cfg(feature = "onnx")]
#[path = "../fuzz/src/onnx.rs"]
pub mod onnx;
#[path = "../fuzz/src/problem.rs"]
mod problem;

use std::cell::RefCell;
use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use rawzip::CompressionMethod;
use wgpu_rnn::ndarray::ArrayD;
use wgpu_rnn::{Error, ErrorKind, io};

use crate::property::runner;
use files::{Format, archive, check, npy_file, safetensors_file, samples};

/// What headers are made of: brackets, digits, signs, and codes of encryption.
const BYTES: &[u8] = b"\0\x01\"(-9[{,'\\_\x63\x7F\x80\xFF";

#[test]
fn files_that_are_cut_off_or_changed_in_one_byte() {
    let samples = samples();
    let is_small = |(format, file): &&(Format, Vec<u8>)| match format {
        Format::Pytorch => file.len() < 1300,
        Format::Hdf5 => file.len() < 2600,
        _ => false,
    };
    let small = samples.iter().filter(is_small);
    for (format, file) in samples[..4].iter().chain(small) {
        for place in 0..file.len() {
            check(*format, &file[..place]);
            for &byte in BYTES.iter().chain(&[file[place] ^ 1]) {
                let mut changed = file.clone();
                changed[place] = byte;
                check(*format, &changed);
            }
        }
    }
}

/// What is done to a file, at a place of it.
#[derive(Clone, Debug)]
enum Edit {
    Set(u8),
    Insert(Vec<u8>),
    Remove(usize),
    /// So many bytes once more.
    Repeat(usize),
}

fn edits() -> impl Strategy<Value = Vec<(Index, Edit)>> {
    let byte = prop_oneof![select(BYTES), any::<u8>()];
    let edit = prop_oneof![
        byte.clone().prop_map(Edit::Set),
        vec(byte, 1..6).prop_map(Edit::Insert),
        (1..40usize).prop_map(Edit::Remove),
        (1..80usize).prop_map(Edit::Repeat),
    ];
    vec((any::<Index>(), edit), 1..5)
}

fn edited(file: &[u8], edits: &[(Index, Edit)]) -> Vec<u8> {
    let mut file = file.to_vec();
    for (place, edit) in edits {
        let place = place.index(file.len() + 1);
        let end = |count: &usize| file.len().min(place + count);
        match edit {
            Edit::Set(byte) => file.iter_mut().skip(place).take(1).for_each(|old| *old = *byte),
            Edit::Insert(bytes) => _ = file.splice(place..place, bytes.iter().copied()),
            Edit::Remove(count) => _ = file.drain(place..end(count)),
            Edit::Repeat(count) => file.extend_from_within(place..end(count)),
        }
    }
    file
}

#[test]
fn files_that_are_changed_at_random() {
    let result = runner(5000).run(&(select(samples()), edits()), |((format, file), edits)| {
        check(format, &edited(&file, &edits));
        Ok(())
    });
    assert!(result.is_ok(), "{}", result.unwrap_err());
}

#[test]
fn problems_from_random_bytes() {
    let counts = RefCell::new([0; 3]);
    let result = runner(6000).run(&vec(any::<u8>(), 0..160), |bytes| {
        counts.borrow_mut()[layer::check(&bytes) as usize] += 1;
        Ok(())
    });
    assert!(result.is_ok(), "{}", result.unwrap_err());
    // They are of every kind.
    let counts = counts.into_inner();
    assert!(counts.iter().all(|&count| count >= 300), "no layer, refused, computed: {counts:?}");
}

/// The inputs that fuzzing failed on once.
#[test]
fn what_fuzzing_found_stays_found() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/findings");
    let mut count = 0;
    for (name, run) in [
        ("safetensors", (|bytes| check(Format::Safetensors, bytes)) as fn(&[u8])),
        ("npy", |bytes| check(Format::Npy, bytes)),
        ("npz", |bytes| check(Format::Npz, bytes)),
        ("pytorch", |bytes| check(Format::Pytorch, bytes)),
        ("hdf5", |bytes| check(Format::Hdf5, bytes)),
        ("keras", |bytes| check(Format::Keras, bytes)),
        #[cfg(feature = "onnx")]
        ("onnx", onnx::check),
        #[cfg(feature = "onnx")]
        ("onnx_data", onnx::check_with_data),
        ("layer", |bytes| _ = layer::check(bytes)),
    ] {
        let Ok(entries) = fs::read_dir(folder.join(name)) else { continue };
        for entry in entries {
            run(&fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
    }
    assert!(count > 0, "no findings in {}", folder.display());
}

/// A header's word for how much there is costs nothing.
#[test]
fn headers_that_claim_terabytes_are_refused() {
    let prefixed = |length: u64| [&length.to_le_bytes()[..], b"{}"].concat();
    let npy = |shape: &str| {
        npy_file(&format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n"), &[])
    };
    let large = npy("(1000000, 1000000)");
    let mut promised = archive(&large, CompressionMethod::DEFLATE);
    // The archive, too, says that there are 4 GiB: in the record behind the file's name.
    let record = promised.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    promised[record + 24..record + 28].copy_from_slice(&(u32::MAX - 1).to_le_bytes());
    let tensor = |shape: &str, end: &str| {
        let header = format!(r#"{{"x":{{"dtype":"F32","shape":[{shape}],"data_offsets":[0,{end}]}}}}"#);
        safetensors_file(&header, &[])
    };
    let files = [
        (Format::Safetensors, prefixed(1 << 40)),
        (Format::Safetensors, prefixed(99_999_999)),
        (Format::Safetensors, tensor("1000000,1000000", "4000000000000")),
        (Format::Safetensors, tensor("1000000000000", "4000000000000")),
        (Format::Npy, npy("(1000000000000,)")),
        (Format::Npy, large.clone()),
        (Format::Npz, archive(&large, CompressionMethod::STORE)),
        (Format::Npz, promised),
    ];
    for (format, file) in files {
        check(format, &file);
        let values = |tensors: io::Tensors<'_>| tensors.f32("x");
        let found: Result<ArrayD<f32>, Error> = match format {
            Format::Safetensors => io::Tensors::from_bytes(&file).and_then(values),
            Format::Npy => io::Tensors::from_npy(&file, "x").and_then(values),
            _ => io::Tensors::from_bytes(&file).and_then(values),
        };
        let error = found.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::File, "{error}");
    }
}

#[test]
fn the_properties_can_fail() {
    let error = Error::new(ErrorKind::File, "two\nlines: expected one, found \u{1b}[2J");
    assert_eq!(error.to_string(), "two\\nlines: expected one, found \\u{1b}[2J");
    let unexpected = Error::new(ErrorKind::DeviceLost, "a file was read");
    assert!(catch_unwind(|| files::check_error(&unexpected)).is_err());
}
