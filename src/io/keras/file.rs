//! `.keras` files: an archive of a model's configuration and of its weights as HDF5.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::config::{layers, version};
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::io::{Tensors, archive, format_error, hdf5};

/// The weights in the archive.
const WEIGHTS: &str = "model.weights.h5";
/// The model's configuration in the archive.
const CONFIG: &str = "config.json";
/// The version of Keras in the archive.
const METADATA: &str = "metadata.json";

impl<'a> Tensors<'a> {
    /// Reads the weights of a `.keras` file, and what its configuration states about the recurrent layers:
    /// activations, `reset_after`, `go_backwards` and `merge_mode`. The names of the weights begin with the
    /// layer's name in the model in place of Keras' `layers/lstm_1`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] if the bytes are not such an archive, and as for an HDF5 file.
    pub(in crate::io) fn keras(bytes: &'a [u8]) -> Result<Self, Error> {
        let members = archive::members(bytes, "Keras file")?;
        let contents = |name: &str| match members.get(name) {
            Some(member) => member.contents(bytes, name),
            None => {
                let found = members.keys().take(4).cloned().collect::<Vec<_>>().join(", ");
                let (expected, found) = (format!("an archive with {name}"), format!("one with {found}"));
                Err(format_error("Keras file", expected, found))
            }
        };
        let weights: Cow<'a, [u8]> = contents(WEIGHTS)?;
        let version = match members.contains_key(METADATA) {
            true => version(&contents(METADATA)?)?,
            false => String::new(),
        };
        let (settings, groups) = layers(&contents(CONFIG)?, &version)?;
        let (entries, _) = hdf5::read(&weights)?;
        let mut tensors = Tensors::new(&[], BTreeMap::new());
        for (name, entry) in entries {
            let name =
                renamed(&name, &groups).filter(|name| !tensors.entries.contains_key(name)).unwrap_or(name);
            tensors.entries.insert(name, entry);
        }
        tensors.bytes = weights;
        tensors.keras = settings;
        Ok(tensors)
    }
}

/// Returns a weight's name with the name of its layer, the innermost one, in place of the layer's group.
fn renamed(name: &str, groups: &BTreeMap<String, String>) -> Option<String> {
    let mut ends = name.rmatch_indices('/').map(|(end, _)| name.split_at(end));
    ends.find_map(|(group, rest)| Some(format!("{}{rest}", groups.get(group)?)))
}
