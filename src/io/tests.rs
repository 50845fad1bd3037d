//! Tests of reading, writing and rejecting files of the three formats.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write;

use ndarray::{ArrayD, array};
use rawzip::CompressionMethod;

use super::{Tensors, to_npy, to_npz, to_safetensors};
use crate::ErrorKind;
use crate::{Activation, Cell, Config, Error, LoadOptions, Weights};

/// Returns a safetensors file with that header and `data` zero bytes after it.
fn safetensors(header: &str, data: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; data]].concat()
}

/// Returns an npy file of version 1 with that header and `data` zero bytes after it.
fn npy(header: &str, data: usize) -> Vec<u8> {
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), &vec![0; data]].concat()
}

fn npy_of(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    npy_in_order(descr, "False", shape, data)
}

fn npy_in_order(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    [&npy(&header, 0)[..], data].concat()
}

/// Returns a zip archive with the given members.
fn zip_of(members: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut writer = rawzip::ZipArchiveWriter::new(Vec::new());
    for (name, contents) in members {
        let path = rawzip::path::EntryPath::verbatim(name.as_bytes());
        let (mut file, config) = writer.new_file(path).compression_method(method).start().unwrap();
        let end = if method == DEFLATED {
            let deflate = flate2::write::DeflateEncoder::new(&mut file, flate2::Compression::default());
            let mut data = config.wrap(deflate);
            data.write_all(contents).unwrap();
            let (deflate, end) = data.finish().unwrap();
            deflate.finish().unwrap();
            end
        } else {
            let mut data = config.wrap(&mut file);
            data.write_all(contents).unwrap();
            data.finish().unwrap().1
        };
        file.finish(end).unwrap();
    }
    writer.finish().unwrap()
}

fn zip(name: &str, contents: &[u8], method: CompressionMethod) -> Vec<u8> {
    zip_of(&[(name, contents)], method)
}

const DEFLATED: CompressionMethod = CompressionMethod::DEFLATE;
const STORED: CompressionMethod = CompressionMethod::STORE;

fn sample() -> ArrayD<f32> {
    array![[[1.0f32, -2.5, 0.0], [f32::MIN_POSITIVE, 1e-45, 3e38]]].into_dyn()
}

#[test]
fn arrays_survive_each_format_whatever_their_strides() {
    let transposed = sample().reversed_axes();
    let empty = ArrayD::zeros(vec![0, 4]);
    for values in [sample(), transposed, empty, ArrayD::from_elem(vec![], 2.0)] {
        let file = to_npy(values.view()).unwrap();
        assert_eq!(Tensors::from_npy(&file, "x").unwrap().f32("x").unwrap(), values);
        let file = to_npz([("x", values.view())]).unwrap();
        assert_eq!(Tensors::from_bytes(&file).unwrap().f32("x").unwrap(), values);
        let file = to_safetensors([("x", values.view())]).unwrap();
        assert_eq!(Tensors::from_bytes(&file).unwrap().f32("x").unwrap(), values);
    }
}

#[test]
fn npy_of_every_order_and_byte_order() {
    let little: Vec<u8> = [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let big: Vec<u8> = [1.0f64, 2.0, 3.0, 4.0, 5.0, 6.0].iter().flat_map(|v| v.to_be_bytes()).collect();
    let rows = array![[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]].into_dyn();
    let columns = array![[1.0f32, 3.0, 5.0], [2.0, 4.0, 6.0]].into_dyn();
    let read = |file: &[u8]| Tensors::from_npy(file, "x").unwrap().f32("x").unwrap();
    assert_eq!(read(&npy_in_order("<f4", "False", "(2, 3)", &little)), rows);
    assert_eq!(read(&npy_in_order("<f4", "True", "(2, 3)", &little)), columns);
    assert_eq!(read(&npy_in_order(">f8", "False", "(2, 3)", &big)), rows);
    assert_eq!(read(&npy_in_order(">f8", "True", "(2, 3)", &big)), columns);
    let lengths = npy_of("|u1", "(3,)", &[4, 0, 255]);
    let lengths = Tensors::from_npy(&lengths, "lengths").unwrap();
    assert_eq!(lengths.i64("lengths").unwrap(), array![4, 0, 255].into_dyn());
    assert_eq!(lengths.dtype("lengths"), Some("u8"));
}

#[test]
fn deflated_archives_are_read() {
    let file = zip("a/x.npy", &to_npy(sample().view()).unwrap(), DEFLATED);
    let tensors = Tensors::from_bytes(&file).unwrap();
    assert_eq!(tensors.shapes().collect::<Vec<_>>(), [("a/x", &[1, 2, 3][..])]);
    assert_eq!(tensors.f32("a/x").unwrap(), sample());
}

/// Lists files that must be rejected, each with a part of the message.
#[test]
fn broken_files_are_errors() {
    let one = r#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let at = |shape: &str, from: &str, to: &str| {
        safetensors(&format!(r#"{{"x":{{"dtype":"U8","shape":[{shape}],"data_offsets":[{from},{to}]}}}}"#), 4)
    };
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("too small", vec![1, 2, 3]),
        ("header too large", u64::MAX.to_le_bytes().to_vec()),
        ("invalid header length", 1000u64.to_le_bytes().to_vec()),
        ("invalid JSON", safetensors("{", 0)),
        ("invalid JSON", safetensors("[]", 0)),
        ("invalid JSON", safetensors(&"[".repeat(1 << 20), 0)),
        ("UTF-8", [&2u64.to_le_bytes()[..], &[0xFF, 0xFE]].concat()),
        ("not fully covered", safetensors(one, 3)),
        ("not fully covered", safetensors(one, 5)),
        ("invalid shape", at("5", "0", "4")),
        ("invalid offset", at("4", "1", "5")),
        ("invalid offset", at("4", "4", "0")),
        ("10^18", at("4", "0", "18446744073709551612")),
        ("10^18", at("18446744073709551612", "0", "18446744073709551612")),
        ("overflow", at("999999999999999999,999999999999999999", "0", "4")),
        ("invalid JSON", at("-4", "0", "4")),
    ];
    for (message, file) in &files {
        check(Tensors::safetensors(file), message);
    }

    let four = |header: &str| npy(header, 4);
    let of = |descr, shape| npy_of(descr, shape, &[0; 4]);
    let long_header = [b"\x93NUMPY\x02\x00", &u32::MAX.to_le_bytes()[..], b"{}"].concat();
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("an empty file", vec![]),
        ("fill whole buffer", b"\x93NUMPY\x01".to_vec()),
        ("a safetensors file", safetensors(one, 4)),
        ("one of 4294967295 bytes", long_header),
        ("one of version 9.0", [b"\x93NUMPY\x09\x00\x02\x00\x00\x00{}".as_slice(), &[0; 8]].concat()),
        ("fill whole buffer", npy("{'descr': '<f4', 'fortran_order'", 0)[..20].to_vec()),
        ("not a dictionary", four("nonsense")),
        ("without the key shape", four("{'descr': '<f4', 'fortran_order': False, }")),
        ("not a dictionary", four(&"(".repeat(5000))),
        ("nested too deeply", of("<f4", &"(".repeat(5000))),
        ("nested too deeply", four(&"{".repeat(60))),
        ("nested too deeply", four(&format!("{{{{{{{{{}}}}}}}}}", "1,".repeat(4900)))),
        ("number too large", of("<f4", "(99999999999999999999,)")),
        ("shape too large", of("<f4", "(9999999999, 9999999999, 0)")),
        ("more than plain", of("<f4", "(-1,)")),
        ("more than plain", of("<f4", "(1+1,)")),
        ("more than plain", of("<f4", "(0xFFFF, 0xFFFF)")),
        ("more than plain", of("<f4", "(1_000,)")),
        ("4000000000 bytes of values for f32 of shape [1000000000], found 4", of("<f4", "(1000000000,)")),
        ("shape too large", of("<f4", "(4611686018427387904,)")),
        ("8 bytes of values", of("<f4", "(2,)")),
        ("0 bytes of values", of("<f4", "(0,)")),
        ("4 bytes of values for f32 of shape [1], found 1000000", npy_of("<f4", "(1,)", &vec![0; 1_000_000])),
        ("not an integer", of("<f4", "(1.5,)")),
        ("invalid type string", of("float", "(1,)")),
    ];
    for (message, file) in &files {
        check(Tensors::from_npy(file, "x"), message);
        // The first bytes are looked at where they are the file's, not where they are a member's.
        let of_a_member = match *message {
            "an empty file" => "fill whole buffer",
            "a safetensors file" => "another kind",
            message => message,
        };
        check(Tensors::npz(&zip("x.npy", file, DEFLATED)).and_then(|t| t.f32("x")), of_a_member);
    }

    let whole = to_npz([("x", sample().view())]).unwrap();
    let npy = to_npy(sample().view()).unwrap();
    let end = whole.len() - 22;
    let zip64 = [&whole[..end], b"PK\x06\x07", &[0; 16], &whole[end..]].concat();
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("complete zip archive", vec![0; 100]),
        ("complete zip archive", whole[..whole.len() - 1].to_vec()),
        ("another kind", zip("x.npy", b"something else", STORED)),
        ("a stored or deflated file", zip("x.npy", &npy, CompressionMethod::BZIP2)),
        ("one file of that name", zip_of(&[("x.npy", &npy), ("x.npy", &npy)], STORED)),
        ("one tensor of that name", zip_of(&[("x.npy", &npy), ("x.npy\0", &npy)], STORED)),
        ("complete zip archive", zip64),
    ];
    for (message, file) in &files {
        check(Tensors::npz(file), message);
    }
}

fn check<T: std::fmt::Debug>(result: Result<T, Error>, message: &str) {
    let error = result.unwrap_err();
    assert!(error.kind() == ErrorKind::File, "{error:?}");
    let text = error.to_string();
    assert!(text.contains(message), "expected {message:?} in {text:?}");
    assert!(!text.contains('\n'), "{text:?}");
}

#[test]
fn a_missing_or_wrong_tensor_is_named() {
    let file = npy_of("<i4", "(1,)", &[0; 4]);
    let tensors = Tensors::from_npy(&file, "x").unwrap();
    assert_eq!(tensors.f32("y").unwrap_err().to_string(), r#"y: expected a tensor of that name, found "x""#);
    let text = "x: expected dtype f16, bf16, f32 or f64, found i32";
    assert_eq!(tensors.f32("x").unwrap_err().to_string(), text);
    let file = npy_of("|O", "(1,)", &[0; 4]);
    let error = Tensors::from_npy(&file, "x").unwrap().i64("x").unwrap_err();
    assert_eq!(error.to_string(), "x: expected dtype an integer type, found '|O'");
    let file = to_safetensors([("x", sample().view())]).unwrap();
    let error = Tensors::from_bytes(&file).unwrap().i64("x").unwrap_err();
    assert_eq!(error.to_string(), "x: expected dtype an integer type, found f32");
}

#[test]
fn weights_survive_both_formats() {
    let configs = [
        Config::rnn_relu(3, 4).bias(false),
        Config::gru(3, 4).num_layers(2),
        Config::lstm(3, 4).num_layers(2).bidirectional(true).proj_size(2),
    ];
    for config in configs {
        let weights = Weights::seeded(config, 1).unwrap();
        let file = weights.to_safetensors().unwrap();
        assert_eq!(file, weights.to_safetensors().unwrap());
        assert_eq!(Weights::from_bytes(&file, &LoadOptions::default()).unwrap(), weights);
        let file = weights.to_npz().unwrap();
        let activation = (config.cell == Cell::RnnRelu).then_some(Activation::Relu);
        let options = LoadOptions { activation, ..LoadOptions::default() };
        assert_eq!(Weights::from_bytes(&file, &options).unwrap(), weights);
    }
}

#[test]
fn metadata_gives_the_nonlinearity_unless_the_caller_does() {
    let file = Weights::seeded(Config::rnn_relu(2, 3), 0).unwrap().to_safetensors().unwrap();
    let cell = |options| Weights::from_bytes(&file, &options).unwrap().config().cell;
    assert_eq!(cell(LoadOptions::default()), Cell::RnnRelu);
    let tanh = LoadOptions { activation: Some(Activation::Tanh), ..LoadOptions::default() };
    assert_eq!(cell(tanh), Cell::RnnTanh);
    let metadata = Tensors::from_bytes(&file).unwrap().metadata().clone();
    let text = metadata.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" ");
    let expected = "bias=true bidirectional=false cell=rnn hidden_size=3 input_size=2 nonlinearity=relu \
                    num_layers=1 proj_size=0";
    assert_eq!(text, expected);
}

#[test]
fn weights_of_other_types_are_converted_and_those_beyond_f32_refused() {
    let header = r#"{"r.weight_ih_l0":{"dtype":"F16","shape":[1,1],"data_offsets":[0,2]},
        "r.weight_hh_l0":{"dtype":"BF16","shape":[1,1],"data_offsets":[2,4]},
        "r.bias_ih_l0":{"dtype":"F64","shape":[1],"data_offsets":[4,12]},
        "r.bias_hh_l0":{"dtype":"F32","shape":[1],"data_offsets":[12,16]},
        "head.weight":{"dtype":"BOOL","shape":[0],"data_offsets":[16,16]}}"#;
    let mut file = safetensors(header, 16);
    let start = file.len() - 16;
    file[start..start + 2].copy_from_slice(&half::f16::from_f32(0.5).to_le_bytes());
    file[start + 2..start + 4].copy_from_slice(&half::bf16::from_f32(-2.0).to_le_bytes());
    file[start + 4..start + 12].copy_from_slice(&0.25f64.to_le_bytes());
    let weights = Weights::from_bytes(&file, &LoadOptions::default()).unwrap();
    let values: Vec<f32> =
        weights.parameters().flat_map(|(_, v)| v.iter().copied().collect::<Vec<_>>()).collect();
    assert_eq!(values, [0.5, -2.0, 0.25, 0.0]);
    file[start + 4..start + 12].copy_from_slice(&1e300f64.to_le_bytes());
    let error = Weights::from_bytes(&file, &LoadOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "r.bias_ih_l0[0]: expected a finite value, found inf");
}

#[test]
fn a_damaged_value_in_an_archive_is_noticed() {
    for method in [STORED, DEFLATED] {
        let mut file = zip("x.npy", &to_npy(sample().view()).unwrap(), method);
        assert_eq!(Tensors::from_bytes(&file).unwrap().f32("x").unwrap(), sample());
        // Past the header of npy, before the archive's list of files.
        let place = file.windows(4).rposition(|bytes| bytes == b"PK\x01\x02").unwrap() - 24;
        file[place] ^= 1;
        let error = Tensors::from_bytes(&file).and_then(|tensors| tensors.f32("x")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::File, "{error}");
    }
}

#[test]
fn names_of_any_kind_are_kept() {
    for name in ["a/b", "/a", "..", "a//b", "C:\\x", "é", "x/é", "名前", ""] {
        let file = to_npz([(name, sample().view())]).unwrap();
        let tensors = Tensors::from_bytes(&file).unwrap();
        assert_eq!(tensors.shapes().map(|(name, _)| name).collect::<Vec<_>>(), [name]);
    }
    assert!(to_npz([("../é", sample().view())]).is_err());
}
