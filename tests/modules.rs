//! The order of the modules in `src`: which file imports which, as its `use` items and its paths say.

use std::collections::{BTreeMap, BTreeSet};

use crate::source;

/// Folders, and the modules that no file in them may import.
const NOT_IMPORTED: &[(&str, &[&str])] = &[
    ("cpu", &["auto", "backend", "gpu", "io", "layer", "session"]),
    ("gpu", &["auto", "backend", "cpu", "io", "layer", "reference"]),
    ("io", &["auto", "backend", "cpu", "gpu", "layer", "session", "reference"]),
];

/// A module's path below the crate, such as `["gpu", "plan"]`.
type Name = Vec<String>;

/// The parsed files by name, without unit tests.
fn modules() -> BTreeMap<Name, (String, syn::File)> {
    let parsed = source::files().into_iter().map(|(path, text)| {
        let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let inside = path.with_extension("");
        let name: Name = inside.iter().map(|part| part.to_str().expect("ASCII").to_owned()).collect();
        (if name == ["lib"] { Vec::new() } else { name }, (text, file))
    });
    parsed.collect()
}

/// The paths of a tree of imports, each with the name that it gets.
fn paths(tree: &syn::UseTree, prefix: &Name) -> Vec<(Name, String)> {
    let longer = |ident: &syn::Ident| prefix.iter().cloned().chain([ident.to_string()]).collect::<Name>();
    match tree {
        syn::UseTree::Path(path) => paths(&path.tree, &longer(&path.ident)),
        syn::UseTree::Name(name) if name.ident == "self" => {
            vec![(prefix.clone(), prefix.last().cloned().unwrap_or_default())]
        }
        syn::UseTree::Name(name) => vec![(longer(&name.ident), name.ident.to_string())],
        syn::UseTree::Rename(renamed) => vec![(longer(&renamed.ident), renamed.rename.to_string())],
        syn::UseTree::Glob(_) => vec![(prefix.clone(), "*".to_owned())],
        syn::UseTree::Group(group) => group.items.iter().flat_map(|tree| paths(tree, prefix)).collect(),
    }
}

/// The imports of a file, and whether it exports them again.
fn imports(file: &syn::File) -> Vec<(Name, String, bool)> {
    let uses = file.items.iter().filter_map(|item| match item {
        syn::Item::Use(item) => Some((item, !matches!(item.vis, syn::Visibility::Inherited))),
        _ => None,
    });
    uses.flat_map(|(item, again)| {
        paths(&item.tree, &Vec::new()).into_iter().map(move |(path, name)| (path, name, again))
    })
    .collect()
}

/// The paths in a text that begin with `crate::` or `super::`, without comments, `use` items and the paths of
/// visibilities.
fn qualified(text: &str) -> Vec<Name> {
    let text = text.replace("(in crate::", "(");
    let is_use =
        |line: &&str| line.starts_with("use ") || (line.starts_with("pub") && line.contains(" use "));
    let lines = text.lines().filter(|line| !is_use(line));
    let lines = lines.map(|line| line.split("//").next().unwrap_or_default());
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    lines
        .flat_map(|line| line.split(move |c| !is_path(c)))
        .filter(|word| word.starts_with("crate::") || word.starts_with("super::"))
        .map(|word| word.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect())
        .collect()
}

struct Modules {
    files: BTreeMap<Name, (String, syn::File)>,
    /// Of each module, the names that it exports again and the paths behind them.
    exports: BTreeMap<Name, Vec<(String, Name)>>,
}

impl Modules {
    fn new() -> Self {
        let files = modules();
        let exports = files.iter().map(|(name, (_, file))| {
            let again = imports(file).into_iter().filter(|(.., again)| *again);
            (name.clone(), again.map(|(path, as_name, _)| (as_name, path)).collect())
        });
        Modules { exports: exports.collect(), files }
    }

    /// A path as it is written in a module, from the crate on; none for another crate's.
    fn absolute(&self, module: &Name, path: &[String]) -> Option<Name> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([module.as_slice(), rest].concat()),
            "super" => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                let parent = &module[..module.len().checked_sub(ups)?];
                Some([parent, &path[ups..]].concat())
            }
            _ => {
                let child = [module.as_slice(), &path[..1]].concat();
                self.files.contains_key(&child).then(|| [module.as_slice(), path].concat())
            }
        }
    }

    /// The file that has the item at a path, behind whatever exports it again.
    fn file_of(&self, path: &[String], depth: usize) -> Option<Name> {
        let length = (0..=path.len()).rev().find(|&length| self.files.contains_key(&path[..length]))?;
        let module = path[..length].to_vec();
        if let (Some(item), 0..8) = (path.get(length), depth) {
            let exported = self.exports[&module].iter().find(|(name, _)| name == item);
            if let Some(inner) = exported.and_then(|(_, path)| self.absolute(&module, path)) {
                return self.file_of(&[&inner, &path[length + 1..]].concat(), depth + 1);
            }
        }
        Some(module)
    }

    /// The files that a file depends on. What it only exports again is no dependency.
    fn dependencies(&self, module: &Name) -> BTreeSet<Name> {
        let (text, file) = &self.files[module];
        let own = imports(file).into_iter().filter(|(.., again)| !again).map(|(path, ..)| path);
        let all = own.chain(qualified(text)).filter_map(|path| self.absolute(module, &path));
        all.filter_map(|path| self.file_of(&path, 0)).filter(|found| found != module).collect()
    }

    /// The modules that can be reached from a module.
    fn reached(&self, from: &Name, edges: &BTreeMap<Name, BTreeSet<Name>>) -> BTreeSet<Name> {
        let (mut reached, mut open) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(next) = open.pop() {
            let new = edges[&next].iter().filter(|name| reached.insert((*name).clone()));
            open.extend(new.cloned());
        }
        reached
    }
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let modules = Modules::new();
    let edges: BTreeMap<_, _> =
        modules.files.keys().map(|name| (name.clone(), modules.dependencies(name))).collect();
    assert!(edges.values().map(BTreeSet::len).sum::<usize>() > 400, "{edges:?}");
    let reached: BTreeMap<_, _> =
        edges.keys().map(|name| (name.clone(), modules.reached(name, &edges))).collect();
    let circles: BTreeSet<Vec<String>> = reached
        .iter()
        .map(|(name, all)| all.iter().filter(|other| reached[*other].contains(name)).collect::<Vec<_>>())
        .filter(|circle| circle.len() > 1)
        .map(|circle| circle.iter().map(|name| name.join("::")).collect())
        .collect();
    assert!(circles.is_empty(), "circles of modules: {circles:#?}");
}

#[test]
fn the_backends_and_the_files_do_not_import_what_is_above_them() {
    let modules = Modules::new();
    let mut wrong = Vec::new();
    for name in modules.files.keys() {
        let Some((_, forbidden)) =
            NOT_IMPORTED.iter().find(|(folder, _)| name.first().is_some_and(|first| first == folder))
        else {
            continue;
        };
        for found in modules.dependencies(name) {
            if found.first().is_some_and(|first| forbidden.contains(&first.as_str())) {
                wrong.push(format!("{} imports {}", name.join("::"), found.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
