//! Tensors in files beside the model.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use tempfile::TempDir;
use wgpu_rnn::ErrorKind;
use wgpu_rnn::io::OnnxModel;

use super::writer::*;

/// The values of W, 96 bytes from the fourth on.
fn data() -> Vec<u8> {
    let values = (1..=24).flat_map(|value| (value as f32 / 64.0).to_le_bytes());
    [0; 4].into_iter().chain(values).collect()
}

/// A model whose W is in another file.
fn file(entries: &[(&str, &str)]) -> Vec<u8> {
    let header = header("W", &[1, 8, 3], FLOAT).int(14, 1);
    let entry = |key: &str, value: &str| Message::default().bytes(1, key).bytes(2, value);
    let w = entries.iter().fold(header, |tensor, (key, value)| tensor.bytes(13, entry(key, value)));
    let tensors: Vec<Message> = [w].into_iter().chain(weights(4).into_iter().skip(1)).collect();
    lstm_of(&["x", "W", "R", "B"], &[], &tensors)
}

fn outcome(file: &[u8], folder: &Path) -> String {
    let weights = OnnxModel::with_folder(file, folder).unwrap().layer(None).unwrap().weights();
    match weights {
        Ok(weights) => format!("no error, but {}", weights.config()),
        Err(error) if matches!(error.kind(), ErrorKind::File | ErrorKind::TooLarge) => error.to_string(),
        Err(error) => panic!("{error:?}"),
    }
}

/// A folder with a folder `models` that has `w.bin` and `deep/w.bin`, and a file beside that folder.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir_all(folder.path().join("models/deep")).unwrap();
    for name in ["models/w.bin", "models/deep/w.bin", "secret.bin"] {
        fs::write(folder.path().join(name), data()).unwrap();
    }
    folder
}

#[test]
fn files_below_the_models_folder_are_read() {
    let folder = folder();
    for location in ["w.bin", "./w.bin", "deep/w.bin", "deep/./w.bin"] {
        let file = file(&[("location", location), ("offset", "4"), ("length", "96")]);
        assert_eq!(outcome(&file, &folder.path().join("models")), "no error, but LSTM(3, 2)", "{location}");
    }
    // The offset is 0 and the length that of the shape unless the file says otherwise.
    let at_the_start = file(&[("location", "w.bin")]);
    assert_eq!(outcome(&at_the_start, &folder.path().join("models")), "no error, but LSTM(3, 2)");
    let whole = lstm_of(&["x", "W", "R", "B"], &[], &weights(4));
    let file = file(&[("location", "w.bin"), ("offset", "4"), ("checksum", "0")]);
    let model = OnnxModel::with_folder(&file, folder.path().join("models")).unwrap();
    let found = model.layer(None).unwrap().weights().unwrap();
    assert_eq!(found, super::weights_of(&whole, None).unwrap());
}

#[test]
fn files_elsewhere_are_not_read() {
    let folder = folder();
    let models = folder.path().join("models");
    let absolute = models.join("w.bin");
    let text = "node \"lstm\": W (\"W\"): location: expected a file below the model's folder, without .. in its path, found ";
    for location in
        ["../secret.bin", "deep/../w.bin", "..", "", "/etc/passwd", &absolute.to_string_lossy(), "w\0.bin"]
    {
        let file = file(&[("location", location)]);
        assert_eq!(outcome(&file, &models), format!("{text}{location:?}"));
        assert!(OnnxModel::new(&file).unwrap().data_files().is_empty());
        // A callback is not even asked.
        let model = OnnxModel::with_data(&file, |location, _| panic!("{location:?}")).unwrap();
        assert!(model.layer(None).unwrap().config().is_err());
    }
}

#[cfg(unix)]
#[test]
fn links_may_stay_inside_the_folder_only() {
    let folder = folder();
    let models = folder.path().join("models");
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, models.join(name)).unwrap();
    link("deep/w.bin", "inside.bin");
    link("../secret.bin", "outside.bin");
    link("..", "up");
    let of = |location| outcome(&file(&[("location", location)]), &models);
    assert_eq!(of("inside.bin"), "no error, but LSTM(3, 2)");
    let found = "a file beside the model, found a link out of the model's folder";
    for location in ["outside.bin", "up/secret.bin"] {
        assert_eq!(
            of(location),
            format!("node \"lstm\": W (\"W\"): expected its values in {location:?}, {found}")
        );
    }
    // The folder itself may be a link.
    std::os::unix::fs::symlink("models", folder.path().join("other")).unwrap();
    let file = file(&[("location", "w.bin")]);
    assert_eq!(outcome(&file, &folder.path().join("other")), "no error, but LSTM(3, 2)");
}

#[test]
fn wrong_places_are_named() {
    let folder = folder();
    let models = folder.path().join("models");
    let part = "node \"lstm\": W (\"W\")";
    let beside =
        |name: &str| format!("{part}: expected its values in {name:?}, a file beside the model, found ");
    for (entries, text) in [
        (&[("offset", "5")][..], format!("{}100 bytes instead of 96 bytes from byte 5 on", beside("w.bin"))),
        (
            &[("offset", "18446744073709551615")],
            format!("{}100 bytes instead of 96 bytes from byte 18446744073709551615 on", beside("w.bin")),
        ),
        (&[("offset", "-4")], format!("{part}: offset: expected a number of bytes, found \"-4\"")),
        (&[("length", "92")], format!("{part}: length: expected the 96 bytes of its shape, found 92")),
        (&[("location", "deep")], format!("{}no regular file", beside("deep"))),
        (
            &[("location", "none.bin")],
            format!("{}No such file or directory (os error 2)", beside("none.bin")),
        ),
    ] {
        let entries = [&[("location", "w.bin")], entries].concat();
        assert_eq!(outcome(&file(&entries), &models), text);
    }
}

/// What is not read costs nothing: the size of a tensor is checked against the file's before memory is taken.
#[test]
fn a_size_that_the_file_does_not_have_is_refused() {
    let folder = folder();
    let huge = header("W", &[1, 8, 1 << 56], FLOAT)
        .int(14, 1)
        .bytes(13, Message::default().bytes(1, "location").bytes(2, "w.bin"));
    let file = lstm_of(&["x", "W", "R"], &[], &[huge, tensor("R", &[1, 8, 2])]);
    let found = outcome(&file, &folder.path().join("models"));
    assert!(found.ends_with("expected at most 17179869184, found 2305843009213693952"), "{found}");
    let long = header("W", &[1, 8, 1 << 10], FLOAT)
        .int(14, 1)
        .bytes(13, Message::default().bytes(1, "location").bytes(2, "w.bin"));
    let file = lstm_of(&["x", "W", "R"], &[], &[long, tensor("R", &[1, 8, 2])]);
    let found = outcome(&file, &folder.path().join("models"));
    assert!(found.contains("100 bytes instead of 32768 bytes from byte 0 on"), "{found}");
}

#[test]
fn the_files_of_a_model_are_listed() {
    let entry = |value: &str| Message::default().bytes(1, "location").bytes(2, value);
    let external = |name: &str, file: &str| header(name, &[1], FLOAT).int(14, 1).bytes(13, entry(file));
    let value = Message::default().bytes(1, "value").bytes(5, external("", "c.bin")).int(20, 4);
    let inner = Message::default().bytes(1, node("Constant", "", &[], &["c"], &[value]));
    let body = Message::default().bytes(1, "body").bytes(6, inner).int(20, 5);
    let nodes = [node("Loop", "", &[], &["z"], &[body])];
    let tensors = [external("a", "b.bin"), external("b", "a.bin"), external("c", "b.bin"), tensor("d", &[1])];
    let file = model(17, &nodes, &tensors);
    let model = OnnxModel::with_data(&file, |_, _| Ok(Cow::Borrowed(&[][..]))).unwrap();
    assert_eq!(model.data_files(), ["a.bin", "b.bin", "c.bin"]);
}

/// The parameters take 4 * (8*3 + 8*2 + 16) bytes, and W in the other file 96.
#[test]
fn what_a_layer_and_other_files_may_take_has_a_limit() {
    let folder = folder();
    let models = folder.path().join("models");
    let file = file(&[("location", "w.bin"), ("offset", "4"), ("length", "96")]);
    let weights = |most: u64| {
        let mut model = OnnxModel::with_folder(&file, &models).unwrap();
        model.max_bytes = most;
        let layer = model.layer(None).unwrap();
        assert_eq!(layer.config().is_ok(), layer.weights().is_ok());
        layer.weights()
    };
    assert_eq!(weights(224).unwrap().config().to_string(), "LSTM(3, 2)");
    let error = weights(223).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(error.to_string(), "bytes of parameters: expected at most 223, found 224");
    let error = weights(95).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let text = "node \"lstm\": W (\"W\"): bytes of values in other files: expected at most 95, found 96";
    assert_eq!(error.to_string(), text);
    // A function that returns the values is not asked for them.
    let mut model = OnnxModel::with_data(&file, |location, _| panic!("{location:?}")).unwrap();
    model.max_bytes = 95;
    assert_eq!(model.layer(None).unwrap().config().unwrap_err().to_string(), text);
}

/// A small model can name the same large values in a file again and again.
#[test]
fn values_that_are_read_twice_count_twice() {
    let folder = folder();
    let header = header("W", &[1, 8, 3], FLOAT).int(14, 1);
    let place = Message::default().bytes(1, "location").bytes(2, "w.bin");
    let tensors: Vec<Message> =
        [header.bytes(13, place)].into_iter().chain(weights(4).into_iter().skip(1)).collect();
    let nodes = ["a", "b"].map(|name| node("LSTM", name, &["x", "W", "R", "B"], &[name], &[]));
    let file = model(17, &nodes, &tensors);
    let layers = |most: u64| {
        let mut model = OnnxModel::with_folder(&file, folder.path().join("models")).unwrap();
        model.max_bytes = most;
        model.layers().unwrap().iter().map(|layer| layer.config().is_ok()).collect::<Vec<_>>()
    };
    assert_eq!(layers(2 * 96), [false, false], "the parameters take 224 bytes");
    assert_eq!(layers(2 * 96 + 224), [true, true]);
}
