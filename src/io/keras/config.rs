//! What a model's configuration, which Keras saves as JSON, says of its recurrent layers.

use std::collections::BTreeMap;

use serde_json::Value;

use super::settings::LayerSettings;
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::array::probe;
use crate::io::format_error;

/// The most bytes of a layer's name with its models' names and groups. A layer with more is left out.
const LONGEST: usize = 512;

/// The most bytes of a configuration; those of large models have one million.
const LONGEST_TEXT: usize = 16 << 20;
/// The bytes that the parsed values take for each byte of the text: a list of digits and commas takes the most.
const OF_JSON: usize = 64;

/// Recurrent layers, and the names of all layers by the groups of their weights.
pub(in crate::io) type Layers = (Vec<LayerSettings>, BTreeMap<String, String>);

/// Returns the recurrent layers of a model's configuration, and the names of all its layers by the groups of
/// their weights in Keras 3's files. Text that is no configuration has none.
///
/// `version` is that of Keras, such as `2.15.0`.
///
/// # Errors
///
/// [`ErrorKind::File`] for a text above the limit; [`ErrorKind::OutOfMemory`].
pub(in crate::io) fn layers(text: &[u8], version: &str) -> Result<Layers, Error> {
    let (mut settings, mut groups) = (Vec::new(), BTreeMap::new());
    of_model(&parsed(text)?, "", "", &mut settings, &mut groups);
    if version.starts_with("2.") || version.starts_with("1.") {
        settings.iter_mut().for_each(LayerSettings::as_of_keras_2);
    }
    Ok((settings, groups))
}

/// Returns the version of Keras in the metadata of a `.keras` file. The errors are those of [`layers`].
pub(super) fn version(metadata: &[u8]) -> Result<String, Error> {
    Ok(text(&parsed(metadata)?, "keras_version").unwrap_or_default().to_owned())
}

/// Parses JSON; other text is null. serde_json aborts if there is not enough memory.
fn parsed(text: &[u8]) -> Result<Value, Error> {
    if text.len() > LONGEST_TEXT {
        let expected = format!("at most {LONGEST_TEXT} bytes");
        return Err(format_error("a model's configuration", expected, text.len()));
    }
    probe("a model's configuration", text.len().saturating_mul(OF_JSON))?;
    Ok(serde_json::from_slice(text).unwrap_or_default())
}

/// Adds the layers of a model. serde_json limits the depth of the models inside each other.
fn of_model(
    model: &Value,
    path: &str,
    name: &str,
    settings: &mut Vec<LayerSettings>,
    groups: &mut BTreeMap<String, String>,
) {
    let config = model.get("config");
    // Keras 2 saved a Sequential's layers in place of its configuration.
    let layers = config.and_then(|config| config.get("layers").unwrap_or(config).as_array());
    let mut used: BTreeMap<String, usize> = BTreeMap::new();
    for layer in layers.into_iter().flatten() {
        let class = text(layer, "class_name").unwrap_or_default();
        let own = layer.get("config").and_then(|config| text(config, "name")).unwrap_or_default();
        let short = snake_case(class);
        let count = used.entry(short.clone()).or_default();
        let group = if *count == 0 {
            format!("{path}layers/{short}")
        } else {
            format!("{path}layers/{short}_{count}")
        };
        *count += 1;
        if own.is_empty() || own.len() + name.len() + path.len() > LONGEST {
            continue;
        }
        let own = format!("{name}{own}");
        groups.insert(group.clone(), own.clone());
        settings.extend(of_layer(class, layer.get("config")));
        of_model(layer, &format!("{group}/"), &format!("{own}/"), settings, groups);
    }
}

fn of_layer(class: &str, config: Option<&Value>) -> Option<LayerSettings> {
    let config = config?;
    let name = text(config, "name")?.to_owned();
    if class == "Bidirectional" {
        let inner = config.get("layer")?;
        let settings = of_layer(text(inner, "class_name")?, inner.get("config"))?;
        let backward = config.get("backward_layer");
        let backward = backward.and_then(|layer| of_layer(text(layer, "class_name")?, layer.get("config")));
        let same = |other: &LayerSettings| other.activations() == settings.activations();
        let differs = backward.is_some_and(|other| !same(&other));
        // Without a mode the two directions are separate results, which are the halves of `concat`.
        let merge_mode = text(config, "merge_mode").map(str::to_owned);
        return Some(LayerSettings { name, merge_mode, differs, go_backwards: false, ..settings });
    }
    if !matches!(class, "LSTM" | "GRU" | "SimpleRNN" | "CuDNNLSTM" | "CuDNNGRU") {
        return None;
    }
    let flag = |key: &str| config.get(key).and_then(Value::as_bool);
    // A function of the user is saved as an object.
    let activation = |key: &str| match config.get(key)? {
        Value::String(name) => Some(name.clone()),
        Value::Null => Some("linear".to_owned()),
        other => Some(other.to_string()),
    };
    Some(LayerSettings {
        name,
        activation: activation("activation"),
        recurrent_activation: activation("recurrent_activation").filter(|_| class != "SimpleRNN"),
        reset_after: flag("reset_after"),
        go_backwards: flag("go_backwards").unwrap_or(false),
        merge_mode: None,
        differs: false,
    })
}

fn text<'v>(of: &'v Value, key: &str) -> Option<&'v str> {
    of.get(key)?.as_str()
}

/// Returns a class's name as Keras writes it in files: `SimpleRNN` is `simple_rnn`.
fn snake_case(class: &str) -> String {
    let letters: Vec<char> =
        class.chars().filter(|c| c.is_alphanumeric() || *c == '_').take(LONGEST).collect();
    let mut name = String::new();
    for (place, letter) in letters.iter().enumerate() {
        let before = place.checked_sub(1).and_then(|before| letters.get(before));
        let begins_word = letters.get(place + 1).is_some_and(char::is_ascii_lowercase);
        if letter.is_ascii_uppercase()
            && before.is_some_and(|before| *before != '_' && (begins_word || before.is_ascii_lowercase()))
        {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn classes_have_the_names_that_keras_gives_them() {
        let names = [
            ("LSTM", "lstm"),
            ("SimpleRNN", "simple_rnn"),
            ("Bidirectional", "bidirectional"),
            ("InputLayer", "input_layer"),
            ("Conv1D", "conv1d"),
            ("TimeDistributed", "time_distributed"),
        ];
        for (class, name) in names {
            assert_eq!(snake_case(class), name);
        }
    }

    /// Keras 2's hard_sigmoid is 0.2 x + 0.5.
    #[test]
    fn a_version_tells_which_hard_sigmoid_it_is() {
        let model = r#"{"config": {"layers": [{"class_name": "GRU",
            "config": {"name": "a", "activation": "tanh", "recurrent_activation": "hard_sigmoid"}}]}}"#;
        let of =
            |version| layers(model.as_bytes(), version).unwrap().0[0].recurrent_activation.clone().unwrap();
        assert_eq!((&*of("2.2.4-tf"), &*of("3.1.0")), ("hard_sigmoid_v2", "hard_sigmoid"));
        assert_eq!(version(br#"{"keras_version": "2.15.0"}"#).unwrap(), "2.15.0");
    }

    #[test]
    fn a_model_tells_its_layers() {
        let model = r#"{"class_name": "Functional", "config": {"layers": [
            {"class_name": "LSTM", "config": {"name": "a", "activation": "relu", "recurrent_activation": "sigmoid"}},
            {"class_name": "Functional", "config": {"name": "inner", "layers": [
                {"class_name": "LSTM", "config": {"name": "c", "activation": null}}]}},
            {"class_name": "Bidirectional", "config": {"name": "b", "merge_mode": "sum",
                "layer": {"class_name": "GRU", "config": {"name": "x", "reset_after": true}}}}]}}"#;
        let (settings, groups) = layers(model.as_bytes(), "3.15.1").unwrap();
        let groups: Vec<_> = groups.iter().map(|(group, name)| (&**group, &**name)).collect();
        assert_eq!(
            groups,
            [
                ("layers/bidirectional", "b"),
                ("layers/functional", "inner"),
                ("layers/functional/layers/lstm", "inner/c"),
                ("layers/lstm", "a"),
            ]
        );
        let told: Vec<_> = settings.iter().map(|one| (&*one.name, one.activation.as_deref())).collect();
        assert_eq!(told, [("a", Some("relu")), ("c", Some("linear")), ("b", None)]);
        assert_eq!((settings[2].merge_mode.as_deref(), settings[2].reset_after), (Some("sum"), Some(true)));
        assert_eq!(layers(b"[1, 2", "").unwrap(), (Vec::new(), BTreeMap::new()));
        // A configuration is not parsed if it is too long.
        let long = vec![b' '; LONGEST_TEXT + 1];
        assert_eq!(layers(&long, "").unwrap_err().kind(), crate::ErrorKind::File);
    }
}
