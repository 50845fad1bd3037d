//! Files that PyTorch and Keras wrote: what is read from them, and what it computes. `tests/files/generate.py` made them.

use std::fs;
use std::path::{Path, PathBuf};

use wgpu_rnn::io::{MergeMode, Tensors};
use wgpu_rnn::ndarray::{ArrayD, Ix3};
use wgpu_rnn::{Backend, Error, Layer, LoadOptions, Weights};

/// The largest difference from PyTorch's or Keras' f32.
const MOST: f32 = 3e-6;

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files")
}

/// The names of the files.
fn files() -> Vec<String> {
    let names =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let is_other =
        |name: &String| name.ends_with(".py") || name.ends_with(".md") || name.contains(".expected.");
    let mut names: Vec<String> = names.filter(|name| !is_other(name)).collect();
    names.sort();
    names
}

/// Whether a file's names are Keras'.
fn is_of_keras(tensors: &Tensors<'_>) -> bool {
    !tensors.keras_layers().unwrap().is_empty()
}

/// Reads a file's layer with the options that the expected file states.
fn load(tensors: &Tensors<'_>, expected: &Tensors<'_>) -> Result<(Weights, MergeMode), Error> {
    let stated = |key: &str| expected.metadata().get(key).cloned();
    let layers = stated("layers").unwrap_or_default();
    let layers = layers.split(',').filter(|layer| !layer.is_empty()).map(str::to_owned);
    let layers = layers.chain(stated("prefix")).collect();
    let options = LoadOptions { layers, ..LoadOptions::default() };
    let weights = Weights::from_tensors(tensors, &options)?;
    let merge_mode =
        if is_of_keras(tensors) { tensors.keras_merge_mode(&options)? } else { MergeMode::Concat };
    Ok((weights, merge_mode))
}

#[test]
fn every_file_has_its_layer_and_computes_what_it_did() {
    let files = files();
    assert_eq!(files.len(), 45);
    let mut failures = Vec::new();
    for name in files {
        let stem = name.split_once('.').unwrap().0;
        let (bytes, expected) = (
            fs::read(folder().join(&name)).unwrap(),
            fs::read(folder().join(format!("{stem}.expected.safetensors"))).unwrap(),
        );
        let expected = Tensors::from_bytes(&expected).unwrap();
        let loaded = Tensors::from_bytes(&bytes).and_then(|tensors| load(&tensors, &expected));
        let (weights, merge_mode) = match loaded {
            Ok(loaded) => loaded,
            Err(error) => {
                failures.push(format!("{name}: {error}"));
                continue;
            }
        };
        let stated = |key: &str| expected.metadata().get(key).cloned();
        let config = weights.config().to_string();
        if config != stated("config").unwrap() {
            failures.push(format!("{name}: {config} instead of {}", stated("config").unwrap()));
        }
        if merge_mode.to_string() != stated("merge").unwrap_or("concat".into()) {
            failures.push(format!("{name}: merged by {merge_mode}"));
        }
        let input = expected.f32("input").unwrap().into_dimensionality::<Ix3>().unwrap();
        let layer = Layer::new(&weights, Backend::Reference).unwrap();
        let found = layer.forward(&input).unwrap();
        let found = merge_mode.merge(found.output.view().into_dyn()).unwrap();
        let difference = difference(&found, &expected.f32("output").unwrap());
        if difference.is_none_or(|difference| difference > MOST) {
            failures.push(format!("{name}: off by {difference:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The largest difference of two arrays; none if their shapes differ.
fn difference(found: &ArrayD<f32>, expected: &ArrayD<f32>) -> Option<f32> {
    let differences = found.iter().zip(expected).map(|(found, expected)| (found - expected).abs());
    (found.shape() == expected.shape()).then(|| differences.fold(0.0, f32::max))
}

/// A state dict in a file of PyTorch before 1.6, whose main pickle is this one.
fn legacy(pickle: &[u8]) -> Vec<u8> {
    let head = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.";
    [&head[..], pickle, b"\x80\x02]."].concat()
}

/// Nothing of a pickle is executed, and what is not known is named.
#[test]
fn callables_and_opcodes_that_are_not_known_are_named() {
    let pickles: [(&[u8], &str); 6] = [
        (b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R.", "found os.system"),
        (b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02ls\x85R.", "found posix.system"),
        (b"\x80\x02cbuiltins\neval\nX\x01\0\0\x001\x85R.", "found builtins.eval"),
        (b"\x80\x02c__main__\nNet\n)\x81}b.", "found __main__.Net"),
        (
            b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\nNN}tR.",
            "found torch._tensor._rebuild_from_type_v2",
        ),
        (b"(icollections\nOrderedDict\n.", "found opcode 0x69"),
    ];
    for (pickle, expected) in pickles {
        let error = Tensors::from_bytes(&legacy(pickle)).unwrap_err().to_string();
        assert!(error.ends_with(expected), "{error}");
    }
}

/// A tensor that repeats a few bytes, or lies outside of its storage, is no reason for a large array.
#[test]
fn views_are_inside_of_their_storage() {
    let mut file = fs::read(folder().join("views_legacy.pt")).unwrap();
    let offset = file.windows(2).position(|bytes| bytes == b"K\x05").unwrap();
    file[offset + 1] = 250;
    let error = Tensors::from_bytes(&file).unwrap_err().to_string();
    assert!(error.contains("expected a view into its storage of"), "{error}");
}
