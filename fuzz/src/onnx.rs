//! What must hold of the reader of ONNX models, whatever bytes it is given.

use wgpu_rnn::Weights;
use wgpu_rnn::io::{OnnxLayer, OnnxModel};

use super::files::{check_error, within};

/// Bytes that the reader may take whatever the file.
const BASE: u64 = 64 << 10;
/// Bytes that it may take for a byte of the file: a message takes two there and at most some hundreds when it was read, while a
/// vector grows twice of that.
const OF_MESSAGES: u64 = 512;

/// Reads all that there is to read: it ends with weights or an error, in memory that is a multiple of the file's size.
pub fn check(file: &[u8]) {
    within(BASE + OF_MESSAGES * file.len() as u64, || check_model(file));
}

fn check_model(file: &[u8]) {
    let alone = Weights::from_onnx(file, None);
    let read = OnnxModel::new(file).and_then(|model| {
        assert!(model.opset() >= 7, "opset {}", model.opset());
        let layers = model.layers()?;
        layers.iter().for_each(check_layer);
        // Without a node's name the only layer is taken.
        model.layer(None).map(|_| ()).inspect(|()| assert_eq!(layers.len(), 1))?;
        layers.iter().map(OnnxLayer::weights).next().transpose()
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
    assert!(layer.nodes().count() >= 1);
    assert!(layer.h_0().chain(layer.c_0()).count() <= 2 * layer.nodes().count());
    let _ = (layer.input(), layer.lengths());
    match (layer.config(), layer.weights()) {
        (Ok(config), Ok(weights)) => {
            assert_eq!((*weights.config(), config.num_layers), (config, layer.nodes().count()));
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
