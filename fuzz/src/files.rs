//! What must hold of the readers, whatever bytes they are given.

use std::fmt::Debug;
use std::io::Write;

use allocation_counter::measure;
use flate2::{Compression, write::DeflateEncoder};
use rawzip::{CompressionMethod, ZipArchiveWriter};
use wgpu_rnn::io::{Tensors, to_npy, to_npz, to_safetensors};
use wgpu_rnn::ndarray::{ArrayD, ArrayViewD};
use wgpu_rnn::{Config, Error, ErrorKind, LoadOptions, Weights};

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Safetensors,
    Npy,
    Npz,
    Pytorch,
    Hdf5,
    Keras,
}

/// The name that npy files are read under.
const NAME: &str = "x";
/// Bytes that a reader may take whatever the file: an npy header, deflate's window, zip's buffers.
const BASE: u64 = 256 << 10;
/// Bytes that a reader may take for a byte of the file. A tensor of 40 characters in a header is a name, a shape, and
/// entries in a few maps.
const OF_HEADERS: u64 = 64;
/// Bytes that the readers of pickles and of HDF5 may take for a byte of the file.
const OF_PICKLES: u64 = 512;
/// Bytes that values may take for each of their own: those of a halves' file as f64, in a vector that grew by doubling,
/// beside what they were made from.
const OF_VALUES: u64 = 16;
/// Bytes that deflate makes of one at most.
const DEFLATE: u64 = 1032;

impl Format {
    /// The formats that are written, too.
    pub const WRITTEN: [Format; 3] = [Format::Safetensors, Format::Npy, Format::Npz];

    fn read(self, bytes: &[u8]) -> Result<Tensors<'_>, Error> {
        match self {
            Format::Npy => Tensors::from_npy(bytes, NAME),
            _ => Tensors::from_bytes(bytes),
        }
    }

    /// A file of one tensor.
    fn write(self, name: &str, values: &ArrayD<f32>) -> Result<Vec<u8>, Error> {
        match self {
            Format::Safetensors => to_safetensors([(name, values.view())]),
            Format::Npy => to_npy(values.view()),
            Format::Npz => to_npz([(name, values.view())]),
            Format::Pytorch | Format::Hdf5 | Format::Keras => panic!("{self:?} is not written"),
        }
    }

    /// The bytes of values that a file may hold.
    fn most_values(self, file: usize) -> u64 {
        let is_packed = matches!(self, Format::Npz | Format::Hdf5 | Format::Keras);
        file as u64 * if is_packed { DEFLATE } else { 1 }
    }

    /// The bytes that reading the headers of a file may take.
    fn most_of_headers(self, file: usize) -> u64 {
        BASE + match self {
            Format::Safetensors | Format::Npy | Format::Npz => OF_HEADERS * file as u64,
            // A character of a pickle is a container or an entry of the memo.
            Format::Pytorch | Format::Hdf5 => OF_PICKLES * file as u64,
            // An HDF5 file in an archive.
            Format::Keras => OF_PICKLES * self.most_values(file),
        }
    }
}

/// Reads the bytes, and for npz also archives that hold them as an array, which random bytes seldom are.
pub fn check(format: Format, bytes: &[u8]) {
    check_file(format, bytes);
    if format == Format::Npz {
        for method in [CompressionMethod::STORE, CompressionMethod::DEFLATE] {
            check_file(format, &archive(bytes, method));
        }
    }
}

/// Small files that are as they should be, with every kind of element.
pub fn samples() -> Vec<(Format, Vec<u8>)> {
    let values = ArrayD::from_elem(vec![2], 1.5);
    let named = [("x", values.view()), ("y", values.view())];
    let npy = to_npy(values.view()).expect("an array");
    let one = ArrayD::from_elem(vec![1, 1], 1.5);
    let weights = Weights::seeded(Config::rnn_relu(1, 1), 0).expect("a small layer");
    vec![
        (Format::Safetensors, to_safetensors([("x", values.view())]).expect("one tensor")),
        (Format::Npz, archive(&npy, CompressionMethod::DEFLATE)),
        (Format::Npy, npy),
        (Format::Npz, to_npz(named).expect("two arrays")),
        (Format::Safetensors, weights.to_safetensors().expect("a layer")),
        (Format::Npz, weights.to_npz().expect("a layer")),
        (Format::Safetensors, every_type()),
        (Format::Safetensors, to_safetensors(keras(&one)).expect("a layer")),
        (Format::Npz, to_npz(keras(&one)).expect("a layer")),
        (Format::Npy, npy_file("{'descr': '>f8', 'fortran_order': True, 'shape': (2, 1), }", &[0; 16])),
        (Format::Npy, npy_file("{'descr': '|u1', 'fortran_order': False, 'shape': (), }", &[7])),
        (Format::Pytorch, include_bytes!("../../tests/files/views_legacy.pt").to_vec()),
        (Format::Pytorch, include_bytes!("../../tests/files/views.bin").to_vec()),
        (Format::Pytorch, include_bytes!("../../tests/files/legacy_nested.pt").to_vec()),
        (Format::Hdf5, include_bytes!("../../tests/files/chunks.h5").to_vec()),
        (Format::Hdf5, include_bytes!("../../tests/files/latest.h5").to_vec()),
        (Format::Keras, include_bytes!("../../tests/files/rnn_keras.keras").to_vec()),
        (Format::Npy, npy_file("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", &[0; 8])),
    ]
}

/// Keras' names of a layer's weights.
fn keras(one: &ArrayD<f32>) -> [(&'static str, ArrayViewD<'_, f32>); 2] {
    ["a/kernel", "a/recurrent_kernel"].map(|name| (name, one.view()))
}

fn every_type() -> Vec<u8> {
    let types = ["F16", "BF16", "F32", "F64", "I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64", "BOOL"];
    let sizes = [2, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 1];
    let mut end = 0;
    let tensors = types.iter().zip(sizes).map(|(dtype, size)| {
        let start = end;
        end += 2 * size;
        format!(r#""{dtype}":{{"dtype":"{dtype}","shape":[1,2],"data_offsets":[{start},{end}]}}"#)
    });
    let header = format!("{{{}}}", tensors.collect::<Vec<_>>().join(","));
    safetensors_file(&header, &vec![0x40; end])
}

/// Returns the format of a file that may take more memory than files of its sample's format.
fn kind(bytes: &[u8]) -> Option<Format> {
    match bytes {
        [0x80, 2, ..] => Some(Format::Pytorch),
        [0x89, b'H', ..] => Some(Format::Hdf5),
        _ => bytes.windows(16).any(|name| name == b"model.weights.h5").then_some(Format::Keras),
    }
}

/// A file with that header and those values.
pub fn safetensors_file(header: &str, values: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), values].concat()
}

/// A file of version 1 with that header and those values.
pub fn npy_file(header: &str, values: &[u8]) -> Vec<u8> {
    let length = u16::try_from(header.len()).expect("a short header").to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), values].concat()
}

/// A zip archive whose one array is these bytes.
pub fn archive(member: &[u8], method: CompressionMethod) -> Vec<u8> {
    let name = format!("{NAME}.npy");
    let mut writer = ZipArchiveWriter::new(Vec::new());
    let (mut file, config) = writer.new_file(&name).compression_method(method).start().expect("a short name");
    let end = match method {
        CompressionMethod::DEFLATE => {
            let mut data = config.wrap(DeflateEncoder::new(&mut file, Compression::default()));
            data.write_all(member).expect("memory");
            let (deflate, end) = data.finish().expect("memory");
            deflate.finish().expect("memory");
            end
        }
        _ => {
            let mut data = config.wrap(&mut file);
            data.write_all(member).expect("memory");
            data.finish().expect("memory").1
        }
    };
    file.finish(end).expect("memory");
    writer.finish().expect("memory")
}

fn check_file(format: Format, bytes: &[u8]) {
    let format = if format == Format::Npy { format } else { kind(bytes).unwrap_or(format) };
    match within(format.most_of_headers(bytes.len()), || format.read(bytes)) {
        Ok(tensors) => check_tensors(format, bytes.len(), &tensors),
        Err(error) => {
            check_error(&error);
            assert_eq!(error.kind(), ErrorKind::File, "{error:?}");
            let what = error.subject().expect("the format");
            assert!(format != Format::Npy || what == NAME, "{what:?}");
        }
    }
}

fn check_tensors(format: Format, file: usize, tensors: &Tensors<'_>) {
    for (name, shape) in tensors.shapes() {
        check_tensor(format, file, tensors, name, shape);
    }
    check_error(&tensors.f32("no such tensor").expect_err("no such tensor"));
    let most = format.most_of_headers(file) + (OF_HEADERS + OF_VALUES) * format.most_values(file);
    match within(most, || Weights::from_tensors(tensors, &LoadOptions::default())) {
        Ok(weights) => check_weights(&weights, tensors),
        Err(error) => check_error(&error),
    }
    match within(most, || tensors.keras_merge_mode(&LoadOptions::default())) {
        Ok(_) => assert_eq!(tensors.keras_layers().map(|layers| layers.len()).unwrap_or(0), 1),
        Err(error) => check_error(&error),
    }
}

/// A tensor is of one kind of number, as long as its shape says, or an error names it.
fn check_tensor(format: Format, file: usize, tensors: &Tensors<'_>, name: &str, shape: &[usize]) {
    let most = BASE + OF_VALUES * format.most_values(file);
    let dtype = tensors.dtype(name).expect("the type of a tensor that is there");
    let (is_float, is_integer) = match dtype {
        "f16" | "bf16" | "f32" | "f64" => (true, false),
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "bool" => (false, true),
        _ => (false, false),
    };
    let integers = within(most, || tensors.i64(name));
    check_kind(name, shape, is_integer, integers.map(|values| values.shape().to_vec()));
    let double = within(most, || tensors.f64(name));
    let single = within(most, || tensors.f32(name));
    if let (Ok(single), Ok(double)) = (&single, &double) {
        let same = |single: f32, double: f64| single == double as f32 || single.is_nan() && double.is_nan();
        assert!(single.iter().zip(double).all(|(&single, &double)| same(single, double)), "{name:?}");
        for format in Format::WRITTEN {
            check_written(format, name, single);
        }
    }
    check_kind(name, shape, is_float, double.map(|values| values.shape().to_vec()));
    check_kind(name, shape, is_float, single.map(|values| values.shape().to_vec()));
}

/// Values of the right kind have the shape that was told; others are a wrong type.
fn check_kind(name: &str, shape: &[usize], is_right: bool, found: Result<Vec<usize>, Error>) {
    match found {
        Ok(found) => assert!(is_right && found == shape, "{name:?}: {found:?} instead of {shape:?}"),
        Err(error) => {
            check_error(&error);
            assert_eq!(error.subject(), Some(name), "{error:?}");
            match error.kind() {
                ErrorKind::Tensor => assert!(!is_right, "{error:?}"),
                // Only an archive has values that turn out to be broken when they are unpacked.
                ErrorKind::File => assert!(is_right, "{error:?}"),
                _ => panic!("{name:?}: {error:?}"),
            }
        }
    }
}

/// What was read can be written, and is read again with the same bits.
fn check_written(format: Format, name: &str, values: &ArrayD<f32>) {
    let can_hold = match format {
        Format::Safetensors => {
            name != "__metadata__" && values.shape().iter().all(|&size| (size as u64) < 10u64.pow(18))
        }
        Format::Npy => true,
        // Beyond ASCII, an archive's writer keeps no name that could be a path to another folder.
        _ => {
            let is_plain = name.is_ascii() || !name.contains(['/', '\\', ':', '.']);
            is_plain && !name.contains('\0') && name.len() + ".npy".len() <= usize::from(u16::MAX)
        }
    };
    let file = match format.write(name, values) {
        Err(error) if !can_hold => return check_error(&error),
        file => file.unwrap_or_else(|error| panic!("{name:?} as {format:?}: {error}")),
    };
    let tensors = format.read(&file).unwrap_or_else(|error| panic!("{name:?} as {format:?}: {error}"));
    let name = if format == Format::Npy { NAME } else { name };
    assert_eq!(tensors.shapes().map(|(name, _)| name).collect::<Vec<_>>(), [name], "as {format:?}");
    let again = tensors.f32(name).unwrap_or_else(|error| panic!("{name:?} as {format:?}: {error}"));
    assert_eq!(again.shape(), values.shape(), "{name:?} as {format:?}");
    let same = again.iter().zip(values).all(|(again, value)| again.to_bits() == value.to_bits());
    assert!(same, "{name:?} as {format:?}: other values");
}

/// Weights survive both formats, unless they are of a Keras layer that a state dict cannot describe.
fn check_weights(weights: &Weights, tensors: &Tensors<'_>) {
    if let (Err(error), Ok([_, ..])) = (weights.to_safetensors(), tensors.keras_layers().as_deref()) {
        return check_error(&error);
    }
    let activation = (weights.config().cell.gates() == 1).then(|| weights.config().cell.activations()[0]);
    let options = LoadOptions { activation, ..LoadOptions::default() };
    let file = weights.to_safetensors().expect("a short header");
    assert_same(&Weights::from_bytes(&file, &LoadOptions::default()), weights);
    let file = weights.to_npz().expect("short names");
    assert_same(&Weights::from_bytes(&file, &options), weights);
}

fn assert_same(found: &Result<Weights, Error>, expected: &Weights) {
    assert!(found.as_ref().is_ok_and(|found| found == expected), "{found:?} instead of {expected:?}");
}

/// An error is one line that a terminal can show, and says what it is about.
pub fn check_error(error: &Error) {
    let text = error.to_string();
    assert!(!text.contains(char::is_control), "{text:?}");
    // A small file may declare more bytes than `LoadOptions::max_bytes` allows.
    let is_expected =
        matches!(error.kind(), ErrorKind::File | ErrorKind::Tensor | ErrorKind::Config | ErrorKind::TooLarge);
    assert!(is_expected, "{error:?}");
}

/// Runs something that may take so many bytes of memory.
pub fn within<T>(most: u64, run: impl FnOnce() -> T) -> T
where
    T: Debug,
{
    let mut result = None;
    let taken = measure(|| result = Some(run())).bytes_max;
    assert!(taken <= most, "{taken} bytes taken instead of at most {most}");
    result.expect("a result")
}
