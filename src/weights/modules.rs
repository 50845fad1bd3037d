//! The recurrent modules among named tensors, and which tensors each parameter is made of.

use std::collections::BTreeMap;

use super::name::{Named, Part};
use super::{Parameter, ParameterKind};
use crate::Error;
use crate::error::Fault;

/// A tensor's name in the file, and its shape.
type Tensor<'a> = (&'a str, &'a [usize]);

/// The tensors from which a parameter is computed.
#[derive(Clone, Debug)]
pub(super) enum Source<'a> {
    /// The tensor is the parameter.
    Plain(Tensor<'a>),
    /// `weight_norm`: v scaled to the norms g.
    WeightNorm { g: Tensor<'a>, v: Tensor<'a> },
    /// `spectral_norm`: the original divided by its largest singular value, which u and v give.
    SpectralNorm { original: Tensor<'a>, u: Tensor<'a>, v: Tensor<'a> },
    /// A tensor is missing, or the parametrization is not known.
    Broken(Error),
}

impl<'a> Source<'a> {
    /// Returns the shape of the parameter.
    pub(super) fn shape(&self) -> Option<&'a [usize]> {
        match self {
            Source::Plain((_, shape))
            | Source::WeightNorm { v: (_, shape), .. }
            | Source::SpectralNorm { original: (_, shape), .. } => Some(shape),
            Source::Broken(_) => None,
        }
    }

    fn new(parts: &BTreeMap<Part, Tensor<'a>>) -> Self {
        let part = |part| parts.get(&part).copied();
        let missing = |name: &str, what: &str| {
            Source::Broken(Error::from(Fault::MissingParameter {
                name: format!("{what} of {name}"),
                expected: "a norm".into(),
            }))
        };
        if let Some((name, _)) = part(Part::Unknown) {
            let reason = "expected the parametrization weight_norm or spectral_norm".to_owned();
            return Source::Broken(Error::from(Fault::UnexpectedParameter { name: name.to_owned(), reason }));
        }
        // The raw matrix of a weight drop is the parameter: without training nothing is dropped.
        match (part(Part::Raw), part(Part::G), part(Part::Original), part(Part::V), part(Part::Plain)) {
            (Some(raw), ..) => Source::Plain(raw),
            (_, Some(g), _, Some(v), _) => Source::WeightNorm { g, v },
            (_, _, Some(original), Some(v), _) => match part(Part::U) {
                Some(u) => Source::SpectralNorm { original, u, v },
                None => missing(original.0, "the vector u"),
            },
            (.., Some(plain)) => Source::Plain(plain),
            (_, Some((name, _)), ..) => missing(name, "the direction v"),
            (_, _, Some((name, _)), ..) => missing(name, "the vectors u and v"),
            (_, _, _, Some((name, _)), _) => missing(name, "the norm g"),
            _ => {
                let name = part(Part::U).map_or("a parameter", |(name, _)| name);
                missing(name, "the original")
            }
        }
    }
}

/// The parameters of a module.
#[derive(Clone, Debug, Default)]
pub(super) struct Module<'a> {
    pub(super) sources: BTreeMap<Parameter, Source<'a>>,
    /// Whether it is a cell, whose names have no layer: `weight_ih` for `weight_ih_l0`.
    pub(super) is_cell: bool,
    /// The prefix of the names.
    pub(super) prefix: String,
}

impl Module<'_> {
    /// Returns a parameter's name in the file.
    pub(super) fn name(&self, parameter: &Parameter) -> String {
        match self.is_cell {
            true => format!("{}{}", self.prefix, parameter.kind.stem()),
            false => format!("{}{parameter}", self.prefix),
        }
    }

    /// Returns whether a parameter of that kind exists.
    pub(super) fn has(&self, kind: ParameterKind) -> bool {
        self.sources.keys().any(|parameter| parameter.kind == kind)
    }
}

type Parts<'a> = BTreeMap<Parameter, BTreeMap<Part, Tensor<'a>>>;

/// The tensors of a module by the parameter that they belong to.
#[derive(Default)]
struct Group<'a> {
    parts: Parts<'a>,
    is_cell: bool,
}

/// Returns the recurrent modules by the prefix of their names.
pub(super) fn modules<'a>(tensors: &[Tensor<'a>]) -> BTreeMap<String, Module<'a>> {
    let mut groups: BTreeMap<String, Group<'a>> = BTreeMap::new();
    for &(name, shape) in tensors {
        if let Some(Named { prefix, parameter, part, is_cell }) = Named::parse(name) {
            let group = groups.entry(prefix.to_owned()).or_default();
            group.is_cell |= is_cell;
            group.parts.entry(parameter).or_default().insert(part, (name, shape));
        }
    }
    // A module with parameters of both kinds has those with a layer.
    for group in groups.values_mut().filter(|group| group.is_cell) {
        group.is_cell = group.parts.keys().all(|parameter| parameter.layer == 0 && !parameter.reverse);
    }
    join_raw(&mut groups);
    join_directions(&mut groups);
    drop_copies(&mut groups);
    let module = |(prefix, group): (String, Group<'a>)| {
        let sources = group.parts.iter().map(|(parameter, parts)| (*parameter, Source::new(parts))).collect();
        (prefix.clone(), Module { sources, is_cell: group.is_cell, prefix })
    };
    groups.into_iter().map(module).collect()
}

/// Moves the raw matrices of a weight drop, which fastai names beside the module, into the module.
fn join_raw(groups: &mut BTreeMap<String, Group<'_>>) {
    let is_raw = |group: &Group<'_>| group.parts.values().all(|parts| parts.keys().eq([&Part::Raw]));
    let prefixes: Vec<String> =
        groups.iter().filter(|(_, group)| is_raw(group)).map(|(p, _)| p.clone()).collect();
    for prefix in prefixes {
        let inside = format!("{prefix}module.");
        if groups.contains_key(&inside)
            && let Some(raw) = groups.remove(&prefix)
            && let Some(group) = groups.get_mut(&inside)
        {
            for (parameter, parts) in raw.parts {
                group.parts.entry(parameter).or_default().extend(parts);
            }
        }
    }
}

/// Joins Paddle's cells of two directions, `0.cell_fw.` and `0.cell_bw.`, to the module `0.`.
fn join_directions(groups: &mut BTreeMap<String, Group<'_>>) {
    let of_layer = |prefix: &String| Some(prefix.strip_suffix("cell_fw.")?.to_owned());
    let layers: Vec<String> = groups.keys().filter_map(of_layer).collect();
    for layer in layers {
        let [forward, backward] = ["cell_fw.", "cell_bw."].map(|side| format!("{layer}{side}"));
        if groups.contains_key(&layer) || !groups.contains_key(&backward) {
            continue;
        }
        let mut joined = Group::default();
        for (side, reverse) in [(forward, false), (backward, true)] {
            let parts = groups.remove(&side).map(|group| group.parts).unwrap_or_default();
            joined.parts.extend(
                parts.into_iter().map(|(parameter, parts)| (Parameter { reverse, ..parameter }, parts)),
            );
        }
        groups.insert(layer, joined);
    }
}

/// Leaves out the cells of Paddle's layers (`0.cell.`, or `0.` of two directions) if the same parameters have
/// their other names as well (`weight_ih_l0`).
fn drop_copies(groups: &mut BTreeMap<String, Group<'_>>) {
    let copy_of = |prefix: &String| {
        let path = prefix.strip_suffix("cell.").unwrap_or(prefix).strip_suffix('.')?;
        let (above, layer) = path.split_at(path.rfind('.').map_or(0, |dot| dot + 1));
        Some((prefix.clone(), above.to_owned(), layer.parse::<usize>().ok()?))
    };
    let copies: Vec<_> = groups.keys().filter_map(copy_of).collect();
    for (prefix, above, layer) in copies {
        let is_copy = |copy: &Group<'_>, group: &Group<'_>| {
            copy.parts.iter().all(|(parameter, parts)| {
                let other = group.parts.get(&Parameter { layer, ..*parameter });
                let shape = |parts: &BTreeMap<Part, Tensor<'_>>| {
                    parts.get(&Part::Plain).map(|(_, shape)| shape.to_vec())
                };
                other.is_some_and(|other| shape(other) == shape(parts))
            })
        };
        let (copy, group) = (groups.get(&prefix), groups.get(&above));
        if let (Some(copy), Some(group)) = (copy, group)
            && !group.is_cell
            && is_copy(copy, group)
        {
            groups.remove(&prefix);
        }
    }
}
