//! The public functions that can fail, by their signatures in `src/`, held against the table.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::table;

/// Public functions that return a `Result` and cannot be made to fail here, and why.
const NO_ROW: &[(&str, &str)] = &[
    ("CpuInstructions::best", "it takes an environment variable: the command line's tests"),
    ("Layer::encode", "a table of its own, of buffers: `encode_errors`"),
    ("Layer::encode_async", "likewise: `encode` is it, waited for"),
    ("Session::encode", "likewise: `encode_session`"),
    ("Session::encode_async", "likewise: `encode` is it, waited for"),
    ("Callback::read", "it is not public: `onnx::external` has what `OnnxModel::with_data` says"),
    ("Folder::read", "likewise: `OnnxModel::with_folder`"),
    ("NoFiles::read", "likewise: `OnnxModel::new`"),
    ("OnnxLayer::config", "models have tables of their own: `onnx::errors`"),
    ("OnnxLayer::defaults", "likewise: `onnx::graphs`"),
    ("OnnxLayer::weights", "likewise"),
    ("OnnxModel::layer", "likewise"),
    ("OnnxModel::layers", "likewise"),
    ("OnnxModel::new", "likewise"),
    ("OnnxModel::with_data", "likewise"),
    ("OnnxModel::with_folder", "likewise"),
    ("Gpu::plan", "it takes a device: `PlanReport::new` is it for limits"),
    ("Gpu::flushes_subnormals", "it takes a device that is lost: `faults`"),
    ("Session::state", "it takes a device that is lost: `faults`"),
    ("Session::state_async", "likewise"),
    ("npy::to_npy", "every array of f32 can be written"),
];

#[test]
fn every_function_that_can_fail_is_in_the_table() {
    let public = public_functions();
    let mut known: BTreeSet<String> = table().iter().map(|row| row.function.to_owned()).collect();
    known.extend(NO_ROW.iter().map(|(function, _)| (*function).to_owned()));
    let missing: Vec<&String> = public.difference(&known).collect();
    assert!(missing.is_empty(), "the table of misuse has no row for {missing:?}");
    let gone: Vec<&String> = known.difference(&public).collect();
    assert!(gone.is_empty(), "the table of misuse has rows for what is not public or cannot fail: {gone:?}");
}

/// The public functions of `src/` that return a `Result`. That `pub` is public is the lint `unreachable_pub`'s to see.
fn public_functions() -> BTreeSet<String> {
    let files = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(files.len() > 40, "{files:?}");
    let functions = files.iter().flat_map(|path| {
        let text = fs::read_to_string(path).expect("a source file");
        let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        functions(&file.items, path.file_stem().unwrap_or_default().to_str().expect("an ASCII name"))
    });
    functions.collect()
}

/// The Rust files of a folder but for those of unit tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let others = entries.filter(|path| path.file_stem().is_some_and(|stem| stem != "tests"));
    others.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

fn functions(items: &[syn::Item], module: &str) -> Vec<String> {
    let of_item = |item: &syn::Item| match item {
        syn::Item::Fn(item) if is_public(&item.vis) && can_fail(&item.sig) => {
            vec![format!("{module}::{}", item.sig.ident)]
        }
        syn::Item::Impl(item) => methods(item),
        syn::Item::Mod(item) if is_public(&item.vis) => item
            .content
            .as_ref()
            .map_or_else(Vec::new, |(_, items)| functions(items, &item.ident.to_string())),
        _ => Vec::new(),
    };
    items.iter().flat_map(of_item).collect()
}

/// The public methods of a type, and those of traits, such as `from_str`.
fn methods(item: &syn::ItemImpl) -> Vec<String> {
    let Some(name) = last_segment(&item.self_ty) else { return Vec::new() };
    let failing = item.items.iter().filter_map(|inner| match inner {
        syn::ImplItem::Fn(method) if item.trait_.is_some() || is_public(&method.vis) => {
            can_fail(&method.sig).then(|| format!("{}::{}", name.ident, method.sig.ident))
        }
        _ => None,
    });
    failing.collect()
}

fn is_public(visibility: &syn::Visibility) -> bool {
    matches!(visibility, syn::Visibility::Public(_))
}

/// Whether it returns `Result<…, Error>`. `fmt::Result` has no parameters.
fn can_fail(signature: &syn::Signature) -> bool {
    let syn::ReturnType::Type(_, returned) = &signature.output else { return false };
    last_segment(returned).is_some_and(|last| last.ident == "Result" && !last.arguments.is_none())
}

fn last_segment(of: &syn::Type) -> Option<&syn::PathSegment> {
    match of {
        syn::Type::Path(of) => of.path.segments.last(),
        _ => None,
    }
}

#[test]
fn a_function_that_can_fail_is_seen_wherever_it_stands() {
    let text = "pub struct A;
        impl A {
            pub fn new<T>() -> Result<Self, Error> where T: Copy { loop {} }
            pub async fn run(&self) -> Result<(), crate::Error> { loop {} }
            pub fn sure(&self) -> Option<Result<(), Error>> { None }
            pub(crate) fn inner() -> Result<(), Error> { loop {} }
        }
        impl FromStr for A { fn from_str(text: &str) -> Result<Self, Error> { loop {} } }
        impl fmt::Display for A { fn fmt(&self, f: &mut F) -> fmt::Result { loop {} } }
        fn private() -> Result<(), Error> { loop {} }
        #[cfg(unix)]
        pub fn free() -> std::result::Result<(), Error> { loop {} }
        pub mod inside { pub fn deep() -> Result<(), Error> { loop {} } }
        mod tests { pub fn helper() -> Result<(), Error> { loop {} } }";
    let file = syn::parse_file(text).unwrap();
    assert_eq!(
        functions(&file.items, "file"),
        ["A::new", "A::run", "A::from_str", "file::free", "inside::deep"]
    );
}
