//! What must hold of the reader of ONNX models, whatever bytes it is given.

use std::borrow::Cow;

use wgpu_rnn::ErrorKind;
use wgpu_rnn::io::{OnnxLayer, OnnxModel};

use super::files::{check_error, within};

/// Bytes that the reader may take whatever the file: mostly those of constants that it computes.
const BASE: u64 = 6 << 20;
/// Bytes that it may take for a byte of the file: a message takes two there and at most some hundreds when it was read, while a
/// vector grows twice of that; and constants may be computed from it.
const OF_MESSAGES: u64 = 1024;
/// The mark between a model and the bytes of its tensors in the input of `check_with_data`.
const END: &[u8] = b"EXTERNAL";
/// Rows of a batch.
const ROWS: usize = 3;

/// Reads a model, and what follows it as each of its other files.
pub fn check_with_data(input: &[u8]) {
    let end = input.windows(END.len()).position(|bytes| bytes == END);
    let (file, data) = end.map_or((input, &[][..]), |end| (&input[..end], &input[end + END.len()..]));
    // Data that a model refers to many times is read as often.
    let references = 1 + file.windows(8).filter(|bytes| *bytes == b"location").count() as u64;
    let most = BASE + OF_MESSAGES * (file.len() as u64 + references * data.len() as u64);
    within(most, || {
        let model = OnnxModel::with_data(file, |location, range| {
            let is_below = !location.starts_with('/') && !location.split('/').any(|part| part == "..");
            assert!(is_below, "{location:?}");
            let values = data.get(range).ok_or(std::io::ErrorKind::UnexpectedEof)?;
            Ok(Cow::Owned(values.to_vec()))
        });
        let Ok(model) = model else { return };
        assert!(model.data_files().is_sorted());
        if let Ok(layers) = model.layers() {
            layers.iter().for_each(check_layer);
        }
    });
}

/// Reads all that there is to read: it ends with weights or an error, in memory that is a multiple of the file's size.
pub fn check(file: &[u8]) {
    within(BASE + OF_MESSAGES * file.len() as u64, || check_model(file));
}

fn check_model(file: &[u8]) {
    let alone = OnnxModel::new(file).and_then(|model| model.layer(None)?.weights());
    let read = OnnxModel::new(file).and_then(|model| {
        assert!(model.opset >= 7, "opset {}", model.opset);
        let layers = model.layers()?;
        layers.iter().for_each(check_layer);
        // Without a node's name the only layer is taken; nodes of other domains do not count beside it.
        let only = model.layer(None)?;
        let names = |layer: &OnnxLayer<'_>| layer.to_string();
        assert_eq!(layers.iter().filter(|layer| names(layer) == names(&only)).count().min(1), 1);
        only.weights().map(Some)
    });
    match (read, alone) {
        (Ok(Some(read)), Ok(alone)) => assert_eq!(read, alone),
        (Err(read), Err(alone)) => {
            check_error(&alone);
            assert_eq!(read.to_string(), alone.to_string());
        }
        (read, alone) => panic!("{alone:?} instead of {read:?}"),
    }
}

/// A layer is what its configuration says, or is refused in one way.
fn check_layer(layer: &OnnxLayer<'_>) {
    let text = layer.to_string();
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(!layer.nodes.is_empty());
    assert!(layer.h_0.len() + layer.c_0.len() <= 2 * layer.nodes.len());
    match (layer.config(), layer.defaults(ROWS)) {
        (Ok(config), Ok((state, lengths))) => {
            let layers = config.num_layers * config.directions();
            for state in [&state.h_0, &state.c_0].into_iter().flatten() {
                // A state of the model may be for another number of rows.
                let (found, _, size) = state.dim();
                assert_eq!((found, size), (layers, config.hidden_size));
            }
            let is_constant = |name| layer.constants.contains(&name);
            assert_eq!(
                [state.h_0.is_some(), state.c_0.is_some(), lengths.is_some()],
                ["h_0", "c_0", "lengths"].map(is_constant)
            );
        }
        (Err(_), Err(error)) => check_error(&error),
        // The states of the nodes may be of different numbers of rows.
        (Ok(_), Err(error)) => assert_eq!(error.kind(), ErrorKind::File, "{error:?}"),
        (Err(error), Ok(_)) => check_error(&error),
    }
    match (layer.config(), layer.weights()) {
        (Ok(config), Ok(weights)) => {
            assert_eq!((*weights.config(), config.num_layers), (config, layer.nodes.len()));
            config.validate().expect("a configuration that weights have");
        }
        // What is in the tensors is seen when they are taken.
        (Ok(_), Err(error)) if error.to_string().contains("expected a finite value") => check_error(&error),
        (Err(error), Err(of_weights)) => {
            check_error(&error);
            assert_eq!(of_weights.to_string(), error.to_string());
        }
        other => panic!("{other:?}"),
    }
}
