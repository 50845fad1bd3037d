//! Compares the public API with its text in `api.txt`. So a review sees each change of the API.
//!
//! - `WGPU_RNN_WRITE_API=1 cargo test --all-features --test suite api::` writes the file.
//! - `git diff TAG -- tests/api.txt` shows what changed since a release.

use std::collections::BTreeSet;
use std::path::Path;
use std::{env, fs};

use quote::ToTokens;
use syn::{Attribute, Fields, Generics, ImplItem, Item, Visibility};

use crate::source;

const FILE: &str = "tests/api.txt";
const WRITE: &str = "WGPU_RNN_WRITE_API";

#[test]
fn the_public_api_is_the_one_in_the_file() {
    let found: String = lines().into_iter().map(|line| line + "\n").collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    if env::var(WRITE).is_ok_and(|value| value == "1") {
        fs::write(&path, &found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    let only = |text: &str, other: &str, sign: &str| -> String {
        let other: BTreeSet<&str> = other.lines().collect();
        text.lines().filter(|line| !other.contains(line)).map(|line| format!("{sign} {line}\n")).collect()
    };
    assert!(
        found == expected,
        "expected the public API of {FILE}, found another one; note what breaks in the changelog, then run \
         this test with {WRITE}=1:\n{}{}",
        only(&expected, &found, "-"),
        only(&found, &expected, "+")
    );
}

/// A line for each public item. That `pub` is public is the lint `unreachable_pub`'s to see.
fn lines() -> BTreeSet<String> {
    let files: Vec<(String, syn::File)> = source::files()
        .into_iter()
        .map(|(path, text)| {
            let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path.file_stem().unwrap().to_string_lossy().into_owned(), file)
        })
        .collect();
    let types: BTreeSet<String> =
        files.iter().flat_map(|(_, file)| &file.items).filter_map(public_type).collect();
    let modules: BTreeSet<String> = files
        .iter()
        .filter(|(module, _)| module == "lib")
        .flat_map(|(_, file)| file.items.iter().filter_map(public_module))
        .chain(["lib".to_owned()])
        .collect();
    files
        .iter()
        .flat_map(|(module, file)| file.items.iter().map(move |item| (module, item)))
        // A `pub use` of a private module is seen through that of a public one.
        .filter(|(module, item)| !matches!(item, Item::Use(_)) || modules.contains(*module))
        .flat_map(|(module, item)| item_lines(module, item, &types))
        .collect()
}

fn public_type(item: &Item) -> Option<String> {
    match item {
        Item::Struct(item) if is_public(&item.vis) => Some(item.ident.to_string()),
        Item::Enum(item) if is_public(&item.vis) => Some(item.ident.to_string()),
        _ => None,
    }
}

fn public_module(item: &Item) -> Option<String> {
    match item {
        Item::Mod(item) if is_public(&item.vis) => Some(item.ident.to_string()),
        _ => None,
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn item_lines(module: &str, item: &Item, types: &BTreeSet<String>) -> Vec<String> {
    match item {
        Item::Fn(item) if is_public(&item.vis) => vec![line(&item.attrs, module, &text(&item.sig))],
        Item::Struct(item) if is_public(&item.vis) => {
            let name = item.ident.to_string();
            let head = line(&item.attrs, &name, &format!("struct{}", generics(&item.generics)));
            let fields = fields(&name, &item.fields, |field| is_public(&field.vis));
            [head].into_iter().chain(fields).collect()
        }
        Item::Enum(item) if is_public(&item.vis) => {
            let name = item.ident.to_string();
            let head = line(&item.attrs, &name, &format!("enum{}", generics(&item.generics)));
            let variants = item.variants.iter().flat_map(|variant| {
                let name = format!("{name}::{}", variant.ident);
                let fields = fields(&name, &variant.fields, |_| true);
                [line(&variant.attrs, &name, "variant")].into_iter().chain(fields)
            });
            [head].into_iter().chain(variants).collect()
        }
        Item::Trait(item) if is_public(&item.vis) => vec![line(&item.attrs, module, &text(item))],
        Item::Const(item) if is_public(&item.vis) => {
            vec![line(&item.attrs, module, &format!("const {}: {}", item.ident, text(&item.ty)))]
        }
        Item::Type(item) if is_public(&item.vis) => {
            vec![line(&item.attrs, module, &format!("type {} = {}", item.ident, text(&item.ty)))]
        }
        Item::Mod(item) if is_public(&item.vis) => {
            vec![line(&item.attrs, module, &format!("mod {}", item.ident))]
        }
        Item::Use(item) if is_public(&item.vis) => {
            vec![line(&item.attrs, module, &format!("use {}", text(&item.tree)))]
        }
        Item::Impl(item) => implementation(item, types),
        _ => Vec::new(),
    }
}

/// The public functions of a type, or the name of a trait that a public type has.
fn implementation(item: &syn::ItemImpl, types: &BTreeSet<String>) -> Vec<String> {
    let of = text(&item.self_ty);
    let name: String = of.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
    if !types.contains(&name) {
        return Vec::new();
    }
    if let Some((of_trait, _)) = &item.trait_ {
        let what = format!("impl{} {} for {of}", generics(&item.generics), text(of_trait));
        return vec![line(&item.attrs, &name, &what)];
    }
    let function = |inner: &ImplItem| match inner {
        ImplItem::Fn(inner) if is_public(&inner.vis) => {
            Some(line(&inner.attrs, &of, &text(&inner.sig)) + &conditions(&item.attrs))
        }
        ImplItem::Const(inner) if is_public(&inner.vis) => {
            Some(line(&inner.attrs, &of, &format!("const {}: {}", inner.ident, text(&inner.ty))))
        }
        _ => None,
    };
    item.items.iter().filter_map(function).collect()
}

fn fields(of: &str, fields: &Fields, is_shown: impl Fn(&syn::Field) -> bool) -> Vec<String> {
    let shown = fields.iter().enumerate().filter(|(_, field)| is_shown(field));
    shown
        .map(|(place, field)| {
            let name = field.ident.as_ref().map_or_else(|| place.to_string(), ToString::to_string);
            line(&field.attrs, &format!("{of}.{name}"), &text(&field.ty))
        })
        .collect()
}

fn generics(generics: &Generics) -> String {
    format!("{}{}", text(generics), text(&generics.where_clause))
}

/// What an item is, after the name of what it belongs to, so that items of a type stand together in the file.
fn line(attributes: &[Attribute], of: &str, what: &str) -> String {
    format!("{of}: {what}{}", conditions(attributes))
}

/// The attributes that are part of the API, each in brackets.
fn conditions(attributes: &[Attribute]) -> String {
    let shown = ["cfg", "derive", "non_exhaustive", "deprecated", "must_use"];
    let all = attributes.iter().filter(|one| shown.iter().any(|name| one.path().is_ident(name)));
    all.map(|one| format!(" [{}]", text(&one.meta))).collect()
}

/// Code without the blanks that tokens have between them.
fn text(tokens: &impl ToTokens) -> String {
    let all = tokens.to_token_stream().to_string();
    let mut text = String::with_capacity(all.len());
    for word in all.split(' ') {
        let apart = |last: char| !"(<[&'".contains(last) && !text.ends_with("::");
        let opens =
            ["(", ")", "<", ">", "]", ",", ":", "::", ";", "?"].iter().any(|mark| word.starts_with(mark));
        if text.chars().last().is_some_and(apart) && !opens {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}
