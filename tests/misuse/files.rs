//! Files that are not what their format says, and tensors that are not in them.

use wgpu_rnn::io::{Tensors, to_npy, to_npz, to_safetensors};
use wgpu_rnn::ndarray::{ArrayD, array};
use wgpu_rnn::{Config, LoadOptions, Weights};

use super::{Row, row};
use crate::bad_input::files::safetensors_file;

pub fn rows() -> Vec<Row> {
    let mut rows = readers();
    rows.extend(tensors());
    rows.extend(writers());
    rows.extend(weights());
    rows.extend(state_dicts());
    rows.extend(foreign());
    rows
}

/// Layers that a state dict would not tell from others.
fn state_dicts() -> Vec<Row> {
    let reverse = Weights::seeded(Config::gru(3, 4).reverse(true), 0).unwrap();
    let clipped =
        Weights::seeded(Config { peepholes: true, clip: Some(0.5), ..Config::lstm(3, 4) }, 0).unwrap();
    let text = "a state dict says nothing of reverse, activations, clip and input_forget, found ";
    let (of_reverse, of_clipped) =
        (format!("{text}GRU(3, 4, reverse=True)"), format!("{text}LSTM(3, 4, clip=0.5, peepholes=True)"));
    vec![
        row("Weights::to_safetensors", reverse.to_safetensors(), &*of_reverse),
        row("Weights::to_npz", reverse.to_npz(), of_reverse),
        row("Weights::to_safetensors", clipped.to_safetensors(), of_clipped),
    ]
}

/// Files without tensors.
fn foreign() -> Vec<Row> {
    let npz = to_npz([("x", one().view())]).unwrap();
    let other = npz;
    let places: Vec<usize> =
        other.windows(4).enumerate().filter(|(_, name)| *name == b".npy").map(|(place, _)| place).collect();
    let other = places.into_iter().fold(other, |mut file, place| {
        file[place..place + 4].copy_from_slice(b".txt");
        file
    });
    let expected = "file: expected safetensors, npy, npz, a file of torch.save, or Keras' .keras or .h5 by its first bytes";
    let of = |bytes: &[u8], found: &str| {
        row("Tensors::from_bytes", Tensors::from_bytes(bytes), format!("{expected}, found {found}"))
    };
    vec![
        of(&[], "an empty file"),
        of(b"a text", "none of them"),
        of(&[255; 64], "none of them"),
        of(
            b"\x80\x04K\x01.",
            "a pickle that torch.save did not write (in Python: torch.save(state_dict, 'file.pt'))",
        ),
        of(
            b"version https://git-lfs.github.com/spec/v1",
            "a Git LFS pointer in place of the file (`git lfs pull` fetches the file)",
        ),
        row(
            "Tensors::from_bytes",
            Tensors::from_bytes(ONNX),
            "file: expected named tensors, found an ONNX model (io::OnnxModel reads it)",
        ),
        row(
            "Tensors::from_bytes",
            Tensors::from_bytes(&other),
            "npz: expected npy files, found a zip archive (unpack it)",
        ),
    ]
}

/// The beginning of an ONNX model.
const ONNX: &[u8] = b"\x08\x08\x12\x07pytorch";

fn one() -> ArrayD<f32> {
    array![1.0].into_dyn()
}

/// `src/io/tests.rs` has what can be wrong in a header; here is what a caller does wrong.
fn readers() -> Vec<Row> {
    let npy = to_npy(one().view()).unwrap();
    let npz = to_npz([("x", one().view())]).unwrap();
    let safetensors = to_safetensors([("x", one().view())]).unwrap();
    let cut = |file: &[u8]| file[..file.len() - 1].to_vec();
    let values = "4 bytes of values for f32 of shape [1], found 3";
    vec![
        row(
            "Tensors::from_npy",
            Tensors::from_npy(&[], "x.npy"),
            "x.npy: expected an npy header, found an empty file",
        ),
        row(
            "Tensors::from_npy",
            Tensors::from_npy(&npz, "x.npy"),
            "x.npy: expected an npy header, found an npz file",
        ),
        row("Tensors::from_npy", Tensors::from_npy(&cut(&npy), "x.npy"), format!("x.npy: expected {values}")),
        row(
            "Tensors::from_bytes",
            Tensors::from_bytes(&cut(&npz)),
            "npz: expected a complete zip archive, found Unexpected end of file",
        ),
        row(
            "Tensors::from_bytes",
            Tensors::from_bytes(&cut(&safetensors)),
            "safetensors: expected a complete safetensors file, found incomplete metadata, file not fully covered",
        ),
    ]
}

/// Tensors that are not there or of another type are named.
fn tensors() -> Vec<Row> {
    let header = r#"{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},
        "b":{"dtype":"I32","shape":[0],"data_offsets":[0,0]},
        "c":{"dtype":"BOOL","shape":[0],"data_offsets":[0,0]}}"#;
    let file = safetensors_file(header, &[]);
    let tensors = Tensors::from_bytes(&file).unwrap();
    let missing = r#"d: expected a tensor of that name, found "a", "b", "c""#;
    let float =
        |name: &str, found: &str| format!("{name}: expected dtype f16, bf16, f32 or f64, found {found}");
    vec![
        row("Tensors::f32", tensors.f32("d"), missing),
        row("Tensors::f32", tensors.f32("b"), float("b", "i32")),
        row("Tensors::f32", tensors.f32("c"), float("c", "bool")),
        row("Tensors::f64", tensors.f64("d"), missing),
        row("Tensors::f64", tensors.f64("b"), float("b", "i32")),
        row("Tensors::i64", tensors.i64("d"), missing),
        row("Tensors::i64", tensors.i64("a"), "a: expected dtype an integer type, found f32"),
    ]
}

/// Names that a format cannot hold.
fn writers() -> Vec<Row> {
    let values = one();
    let named = |name| (name, values.view());
    let twice = "x: expected one tensor of that name, found two";
    let long = "x".repeat(70_000);
    vec![
        row("safetensors::to_safetensors", to_safetensors([named("x"), named("y"), named("x")]), twice),
        row(
            "safetensors::to_safetensors",
            to_safetensors([named("__metadata__")]),
            "__metadata__: expected another name, found the one of a header's metadata",
        ),
        row("npz::to_npz", to_npz([named("x"), named("y"), named("x")]), twice),
        row(
            "npz::to_npz",
            to_npz([named("a\0b")]),
            "a\\u{0}b: expected a name without a NUL character, found one",
        ),
        row(
            "npz::to_npz",
            to_npz([named(&*long)]),
            format!("{long}: expected a name of at most 65535 bytes with its suffix, found 70004 bytes"),
        ),
    ]
}

/// Files that hold no layer, or one that contradicts itself.
fn weights() -> Vec<Row> {
    let options = LoadOptions::default();
    let none = "no recurrent parameters; expected weight_ih_l0, weight_hh_l0 and so on, with any prefix, or Keras' \
                kernel, recurrent_kernel and so on";
    let (file, archive) =
        (to_safetensors([("x", one().view())]).unwrap(), to_npz([("x", one().view())]).unwrap());
    let contradicting = changed(r#""hidden_size":"3""#, r#""hidden_size":"4""#);
    let integer = changed(r#""bias_hh_l0":{"dtype":"F32""#, r#""bias_hh_l0":{"dtype":"I32""#);
    let mut not_finite = changed("", "");
    let last = not_finite.len() - 4;
    not_finite[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    let of_tensors = Weights::from_tensors(&Tensors::from_bytes(&file).unwrap(), &options);
    let load = |file: &[u8]| Weights::from_bytes(file, &options);
    vec![
        row("Weights::from_tensors", of_tensors, none),
        row("Weights::from_bytes", Weights::from_bytes(&archive, &options), none),
        row(
            "Weights::from_bytes",
            Weights::from_bytes(ONNX, &LoadOptions { reverse: true, ..options.clone() }),
            "the options of a layer in an ONNX model must be those that the model states, found others",
        ),
        row(
            "Weights::from_bytes",
            Weights::from_bytes(
                ONNX,
                &LoadOptions { layers: vec!["a".into(), "b".into()], ..options.clone() },
            ),
            "a stack in an ONNX model must be named by one of its nodes, found 2 names",
        ),
        row("Weights::from_bytes", load(&file), none),
        row(
            "Weights::from_bytes",
            load(&changed(r#""gru""#, r#""rnn""#)),
            r#"metadata "cell": expected "gru", as the parameters' shapes say, found "rnn""#,
        ),
        row(
            "Weights::from_bytes",
            load(&contradicting),
            r#"metadata "hidden_size": expected "3", as the parameters' shapes say, found "4""#,
        ),
        row(
            "Weights::from_bytes",
            load(&integer),
            "bias_hh_l0: expected dtype f16, bf16, f32 or f64, found i32",
        ),
        row(
            "Weights::from_bytes",
            load(&not_finite),
            "weight_ih_l0[8, 1]: expected a finite value, found NaN",
        ),
    ]
}

/// The file of a GRU with a piece of its header replaced.
fn changed(from: &str, to: &str) -> Vec<u8> {
    let mut file = Weights::seeded(Config::gru(2, 3), 0).unwrap().to_safetensors().unwrap();
    assert_eq!(from.len(), to.len());
    if let Some(place) = file.windows(from.len().max(1)).position(|window| window == from.as_bytes()) {
        file[place..place + to.len()].copy_from_slice(to.as_bytes());
    }
    file
}
