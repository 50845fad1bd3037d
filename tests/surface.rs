//! The size of the public interface, as docs.rs shows it with all features: types (structs, enums, traits, aliases) and
//! functions (free ones and methods of types; methods of traits do not count). That what is `pub` in `src` is public is the
//! lint `unreachable_pub`'s to see.
//!
//! `cargo test --all-features --test suite surface -- --nocapture` lists them.

use std::collections::BTreeSet;

use crate::source;

/// Raise these only for something that users need.
const MOST_TYPES: usize = 30;
const MOST_FUNCTIONS: usize = 119;

#[derive(Default)]
struct Surface {
    types: BTreeSet<String>,
    functions: BTreeSet<String>,
}

impl Surface {
    fn add(&mut self, module: &str, item: &syn::Item) {
        let public = |visibility: &syn::Visibility| matches!(visibility, syn::Visibility::Public(_));
        let named = match item {
            syn::Item::Struct(item) => Some((&item.vis, &item.ident)),
            syn::Item::Enum(item) => Some((&item.vis, &item.ident)),
            syn::Item::Trait(item) => Some((&item.vis, &item.ident)),
            syn::Item::Type(item) => Some((&item.vis, &item.ident)),
            _ => None,
        };
        if let Some((_, name)) = named.filter(|(visibility, _)| public(visibility)) {
            self.types.insert(name.to_string());
        }
        match item {
            syn::Item::Fn(item) if public(&item.vis) => {
                self.functions.insert(format!("{module}::{}", item.sig.ident));
            }
            syn::Item::Impl(item) if item.trait_.is_none() => {
                let syn::Type::Path(of) = &*item.self_ty else { return };
                let Some(name) = of.path.segments.last() else { return };
                for inner in &item.items {
                    if let syn::ImplItem::Fn(method) = inner
                        && public(&method.vis)
                    {
                        self.functions.insert(format!("{}::{}", name.ident, method.sig.ident));
                    }
                }
            }
            _ => {}
        }
    }

    fn of_the_crate() -> Self {
        let mut surface = Surface::default();
        for (path, text) in source::files() {
            let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let module = path.file_stem().expect("a name").to_string_lossy().into_owned();
            file.items.iter().for_each(|item| surface.add(&module, item));
        }
        surface
    }
}

#[test]
fn the_public_interface_stays_small() {
    let Surface { types, functions } = Surface::of_the_crate();
    println!("{} types: {types:#?}\n{} functions: {functions:#?}", types.len(), functions.len());
    assert!(types.contains("Layer") && functions.contains("Layer::forward"), "{types:?}");
    assert!(types.len() <= MOST_TYPES, "{} types", types.len());
    assert!(functions.len() <= MOST_FUNCTIONS, "{} functions", functions.len());
}
