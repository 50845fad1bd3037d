//! Assigning tensors to layers by their names.

use std::collections::{BTreeMap, BTreeSet};

use super::cell::{CellTensors, Tensor};
use super::numbered;
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::array::{listed, push};
use crate::error::Fault;

/// The separators of the names in a path.
const SEPARATORS: [char; 2] = ['/', '.'];

/// A direction of a `Bidirectional`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Forward,
    Backward,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Side::Forward => Side::Backward,
            Side::Backward => Side::Forward,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Side::Forward => "forward",
            Side::Backward => "backward",
        }
    }

    /// Returns the direction that a layer's name states, such as `forward_lstm`.
    fn of(name: &str) -> Option<Self> {
        [Side::Forward, Side::Backward].into_iter().find(|side| {
            name.strip_prefix(side.name()).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        })
    }
}

/// The recurrent cells among a file's tensors.
pub(super) struct Names<'a> {
    /// The cells by path.
    cells: BTreeMap<String, CellTensors<'a>>,
    /// The cells that are one direction of a layer: the layer, and the direction.
    sides: BTreeMap<String, (String, Side)>,
    /// The names of all tensors.
    tensors: Vec<&'a str>,
}

impl<'a> Names<'a> {
    /// Finds the recurrent cells among named tensors.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`] if two tensors are the same weight.
    pub(super) fn new(shapes: impl Iterator<Item = Tensor<'a>>) -> Result<Self, Error> {
        let mut cells: BTreeMap<String, CellTensors<'_>> = BTreeMap::new();
        let mut all: Vec<Tensor<'_>> = Vec::new();
        for tensor in shapes {
            push("the tensors of a file", &mut all, tensor)?;
        }
        for &(name, shape) in &all {
            let (path, weight) = split(name);
            let mut cell = CellTensors { path: path.to_owned(), ..CellTensors::default() };
            let place = match weight {
                "kernel" => &mut cell.kernel,
                "recurrent_kernel" => &mut cell.recurrent_kernel,
                "bias" => &mut cell.bias,
                _ => continue,
            };
            *place = Some((name, shape));
            cells.entry(path.to_owned()).or_default().join(&cell)?;
        }
        cells.retain(|_, cell| cell.recurrent_kernel.is_some());
        for cell in numbered::cells(&all)? {
            cells.entry(cell.path.clone()).or_insert(cell);
        }
        let sides = sides(&cells);
        let tensors = listed("the tensors of a file", all.len(), all.iter().map(|(name, _)| Ok(*name)))?;
        Ok(Names { cells, sides, tensors })
    }

    /// Returns the names of the layers, each once, sorted.
    pub(super) fn layers(&self) -> impl Iterator<Item = &str> {
        let layers = self.cells.keys().map(|path| match self.sides.get(path) {
            Some((layer, _)) => layer.as_str(),
            None => path,
        });
        layers.collect::<BTreeSet<_>>().into_iter()
    }

    /// Returns the cells of each wanted layer, or of the only layer: one cell, or a forward and a backward
    /// cell.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Tensor`].
    pub(super) fn choose(&self, wanted: &[String]) -> Result<Vec<Vec<&CellTensors<'a>>>, Error> {
        let layers: Vec<&str> = self.layers().collect();
        let chosen = match (wanted, &layers[..]) {
            ([], &[layer]) => vec![self.layer(layer)?],
            ([], []) => {
                let expected = "tensors kernel, recurrent_kernel and so on, behind any names";
                return Err(self.no_layer(expected.into()));
            }
            ([], _) => return Err(self.no_layer("the names of those to take".into())),
            _ => wanted.iter().map(|name| self.named(name, &layers)).collect::<Result<_, _>>()?,
        };
        chosen.iter().flatten().try_for_each(|cell| self.check_alone(cell))?;
        Ok(chosen)
    }

    /// Returns the cells of the layer with that name or below it, or the cell of one direction.
    fn named(&self, name: &str, layers: &[&str]) -> Result<Vec<&CellTensors<'a>>, Error> {
        let name = name.strip_suffix(SEPARATORS).unwrap_or(name);
        if layers.contains(&name) {
            return self.layer(name);
        }
        let below: Vec<&str> = layers.iter().copied().filter(|layer| is_below(layer, name)).collect();
        let mut cells = self.cells.values().filter(|cell| cell.path == name || is_below(&cell.path, name));
        match (&below[..], cells.next(), cells.next()) {
            (&[layer], ..) => self.layer(layer),
            ([], Some(cell), None) => Ok(vec![cell]),
            ([], None, _) => match self.containing(name) {
                Some(layer) => self.layer(layer),
                None => Err(self.no_layer(format!("one named {name:?}"))),
            },
            _ => Err(self.no_layer(format!("one below {name:?}"))),
        }
    }

    /// Returns the only layer whose path has the name inside, such as `model_weights/NAME/NAME/lstm_cell` of an
    /// `.h5` file.
    fn containing(&self, name: &str) -> Option<&str> {
        let inside = format!("/{name}/");
        let mut layers =
            self.layers().filter(|layer| !name.is_empty() && format!("/{layer}/").contains(&inside));
        let first = layers.next()?;
        layers.next().is_none().then_some(first)
    }

    /// Returns the cells of a layer.
    fn layer(&self, layer: &str) -> Result<Vec<&CellTensors<'a>>, Error> {
        if let Some(cell) = self.cells.get(layer).filter(|cell| !self.sides.contains_key(&cell.path)) {
            return Ok(vec![cell]);
        }
        [Side::Forward, Side::Backward].into_iter().map(|side| self.direction(layer, side)).collect()
    }

    fn direction(&self, layer: &str, side: Side) -> Result<&CellTensors<'a>, Error> {
        let is_of = |cell: &&CellTensors<'a>| {
            self.sides.get(&cell.path).is_some_and(|(of, its)| of == layer && *its == side)
        };
        let mut cells = self.cells.values().filter(is_of);
        match (cells.next(), cells.next()) {
            (Some(cell), None) => Ok(cell),
            (Some(_), Some(_)) => {
                let expected = format!("one {} cell of layer {layer:?}", side.name());
                Err(Error::from(Fault::Prefix { expected, found: "several".into() }))
            }
            (None, _) => Err(Error::from(Fault::MissingParameter {
                name: format!("{layer}/{}_…/recurrent_kernel", side.name()),
                expected: "[H, G*H]".into(),
            })),
        }
    }

    fn no_layer(&self, expected: String) -> Error {
        const LISTED: usize = 12;
        let mut names: Vec<String> = self.layers().take(LISTED).map(|layer| format!("{layer:?}")).collect();
        let count = self.layers().count();
        if count > LISTED {
            names.push(format!("{} more", count - LISTED));
        }
        let found = match count {
            0 => "no recurrent layers of Keras".to_owned(),
            1 => format!("recurrent layer {}", names.join(", ")),
            _ => format!("recurrent layers {}", names.join(", ")),
        };
        Error::from(Fault::Prefix { expected, found })
    }

    /// Rejects a cell with weights that this crate does not know. A cell without a name is not checked,
    /// because all tensors of the file would count as its own.
    fn check_alone(&self, cell: &CellTensors<'_>) -> Result<(), Error> {
        let own = [cell.kernel, cell.recurrent_kernel, cell.bias].map(|tensor| tensor.map(|(name, _)| name));
        let is_extra = |name: &&&str| {
            let is_random = is_below(name, &format!("{}/seed_generator", cell.path));
            is_below(name, &cell.path) && !own.contains(&Some(**name)) && !is_random
        };
        match self.tensors.iter().find(is_extra).filter(|_| !cell.path.is_empty()) {
            Some(name) => Err(Error::from(Fault::UnexpectedParameter {
                name: (*name).to_owned(),
                reason: "expected kernel, recurrent_kernel and bias".into(),
            })),
            None => Ok(()),
        }
    }
}

/// Splits a tensor's name into its path and the weight's name, without the output number of Keras 2:
/// `a/b/kernel:0`.
fn split(name: &str) -> (&str, &str) {
    let numbered =
        name.rsplit_once(':').filter(|(_, number)| number.bytes().all(|byte| byte.is_ascii_digit()));
    let name = numbered.map_or(name, |(name, _)| name);
    name.rsplit_once(SEPARATORS).unwrap_or(("", name))
}

/// Returns whether a path continues another one.
fn is_below(path: &str, above: &str) -> bool {
    above.is_empty() || path.strip_prefix(above).is_some_and(|rest| rest.starts_with(SEPARATORS))
}

/// Returns the layer that a cell of one direction belongs to, and the direction.
fn side_of(path: &str) -> Option<(&str, Side)> {
    let mut end = path.len();
    loop {
        let (above, name) = path[..end].rsplit_once(SEPARATORS).unwrap_or(("", &path[..end]));
        match Side::of(name) {
            Some(side) => return Some((above, side)),
            None if above.is_empty() => return None,
            None => end = above.len(),
        }
    }
}

/// Returns the cells that are one direction of a layer. A cell whose name begins with a direction and that has
/// no twin of the other direction is a layer of its own, with that name.
fn sides(cells: &BTreeMap<String, CellTensors<'_>>) -> BTreeMap<String, (String, Side)> {
    let found: Vec<_> = cells.keys().filter_map(|path| Some((path, side_of(path)?))).collect();
    let known: BTreeSet<(&str, Side)> = found.iter().map(|(_, side)| *side).collect();
    let has_twin = |(layer, side): (&str, Side)| known.contains(&(layer, side.other()));
    let sides = found.iter().filter(|(_, side)| has_twin(*side));
    sides.map(|(path, (layer, side))| ((*path).clone(), ((*layer).to_owned(), *side))).collect()
}
