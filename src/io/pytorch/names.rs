//! The names of the tensors in a pickle's value.

use std::collections::BTreeMap;

use super::value::{Key, Value, Values};
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::array::filled;
use crate::io::format_error;

/// The largest number of containers inside each other.
const DEEPEST: usize = 32;
/// The largest length of a name in bytes.
const LONGEST: usize = 512;
/// The dictionaries of a module, which are no part of its tensors' names.
const OF_MODULES: [&[u8]; 3] = [b"_parameters", b"_buffers", b"_modules"];
/// The name of a tensor that is the whole value.
const ALONE: &str = "tensor";

/// Returns the tensors inside a value by their names, which are the keys on the way to them.
///
/// A container is visited once: two of its names, or many containers that each contain the next one twice,
/// would give more names than the file has bytes.
///
/// # Errors
///
/// [`ErrorKind::File`] if a name is too long.
pub(super) fn tensors<'a>(
    values: &mut Values<'a>,
    root: Value<'a>,
) -> Result<BTreeMap<String, usize>, Error> {
    let visited = filled("the containers of a pickle", values.containers.len(), false)?;
    let mut walk = Walk { visited, found: BTreeMap::new(), values };
    walk.visit(root, "", 0)?;
    Ok(walk.found)
}

struct Walk<'a, 'v> {
    values: &'v Values<'a>,
    visited: Vec<bool>,
    found: BTreeMap<String, usize>,
}

impl<'a> Walk<'a, '_> {
    fn visit(&mut self, value: Value<'a>, name: &str, depth: usize) -> Result<(), Error> {
        match value {
            Value::Tensor(tensor) => {
                let name = if name.is_empty() { ALONE } else { name };
                if name.len() > LONGEST {
                    let found = format_args!("{} bytes", name.len()).to_string();
                    return Err(format_error(
                        "pickle",
                        format_args!("names of at most {LONGEST} bytes"),
                        found,
                    ));
                }
                self.found.insert(name.to_owned(), tensor);
                Ok(())
            }
            Value::Sequence(place) | Value::Dict(place) | Value::Object(place) => {
                if !self.is_first(place) || depth > DEEPEST || name.len() > LONGEST {
                    return Ok(());
                }
                self.elements(place, name, depth + 1)
            }
            _ => Ok(()),
        }
    }

    /// Returns whether this is the first visit of a container.
    fn is_first(&mut self, container: usize) -> bool {
        self.visited.get_mut(container).is_some_and(|visited| !std::mem::replace(visited, true))
    }

    fn elements(&mut self, container: usize, name: &str, depth: usize) -> Result<(), Error> {
        let values = self.values;
        for (place, item) in values.items(container).iter().enumerate() {
            match item.key {
                Key::Inside => self.visit(item.value, name, depth)?,
                Key::Place => self.visit(item.value, &below(name, &place.to_string()), depth)?,
                Key::Named(key) => self.named(key, item.value, name, depth)?,
                Key::Pairs => {
                    let Value::Sequence(pairs) = item.value else { continue };
                    if !self.is_first(pairs) {
                        continue;
                    }
                    for pair in values.sequence(item.value) {
                        if let [key, value] = values.sequence(pair.value) {
                            self.named(key.value, value.value, name, depth)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn named(&mut self, key: Value<'a>, value: Value<'a>, name: &str, depth: usize) -> Result<(), Error> {
        match key {
            Value::Text(key) if OF_MODULES.contains(&key) => self.visit(value, name, depth),
            Value::Text(key) => {
                // A longer name is refused where it is found. What is behind the limit does not matter.
                let key = String::from_utf8_lossy(key.get(..=LONGEST).unwrap_or(key));
                self.visit(value, &below(name, &key), depth)
            }
            Value::Int(key) => self.visit(value, &below(name, &key.to_string()), depth),
            _ => Ok(()),
        }
    }
}

fn below(name: &str, key: &str) -> String {
    if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") }
}
