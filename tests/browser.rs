//! What a page in a browser has of the library: everything but the functions that block. The build for wasm itself is
//! `scripts/wasm`'s; here is what it cannot say.

use std::collections::{BTreeMap, BTreeSet};

use wgpu_rnn::ndarray::s;
use wgpu_rnn::{Config, Input, Layer, State, Weights};

use crate::harness::{Implementation, assert_same_bits, on_each, random};
use crate::source;

/// Functions that block and whose twin has another name than theirs with `_async`, or that have none.
const OTHER_TWIN: &[(&str, Option<&str>)] = &[("OnnxModel::with_folder", Some("OnnxModel::with_data"))];

/// What must not be called in a browser, and the files that wasm leaves out or where it does no harm.
const ELSEWHERE: &[(&str, &[&str])] = &[
    ("std::time::Instant", &["gpu.rs"]),
    ("Instant}", &["gpu/poll.rs", "gpu/sync.rs"]),
    ("SystemTime", &[]),
    ("Condvar", &["gpu/sync.rs", "gpu/timer.rs"]),
    ("mpsc", &["gpu/sync.rs"]),
    ("process::", &["gpu/tune/file.rs"]),
    // To ask how many cores there are is no harm; nor is it to yield, which nothing comes to with one thread.
    ("thread::", &["offload.rs", "cpu/atomic.rs", "gpu/capabilities.rs", "gpu/compile.rs", "gpu/sync.rs"]),
    ("PollType::Wait", &["gpu/poll.rs"]),
];

/// The file that a browser's build leaves out as a whole.
const BLOCKING: &str = "blocking.rs";

/// The public methods of the library, and whether a browser has them.
fn methods() -> BTreeMap<String, bool> {
    let mut found = BTreeMap::new();
    for (path, text) in source::files() {
        let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let is_there = path.as_os_str() != BLOCKING;
        let methods = file.items.iter().flat_map(methods_of);
        found.extend(methods.map(|(name, in_browser)| (name, in_browser && is_there)));
    }
    found
}

fn methods_of(item: &syn::Item) -> Vec<(String, bool)> {
    let syn::Item::Impl(item) = item else { return Vec::new() };
    let syn::Type::Path(of) = &*item.self_ty else { return Vec::new() };
    let Some(name) = of.path.segments.last() else { return Vec::new() };
    let public = item.items.iter().filter_map(|inner| match inner {
        syn::ImplItem::Fn(method) if matches!(method.vis, syn::Visibility::Public(_)) => Some(method),
        _ => None,
    });
    public
        .map(|method| (format!("{}::{}", name.ident, method.sig.ident), !is_left_out(&method.attrs)))
        .collect()
}

/// Whether wasm leaves it out.
fn is_left_out(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).any(|attribute| {
        attribute.meta.require_list().is_ok_and(|list| {
            let text: String = list.tokens.to_string().split_whitespace().collect();
            text.contains("not(target_arch=\"wasm32\")")
        })
    })
}

#[test]
fn what_blocks_is_left_out_and_has_a_twin_that_does_not() {
    let methods = methods();
    let browser = |name: &str| methods.get(name).copied();
    let known: BTreeMap<&str, Option<&str>> = OTHER_TWIN.iter().copied().collect();
    let mut wrong = BTreeSet::new();
    let mut pairs = 0;
    for (name, &is_there) in &methods {
        let twin = format!("{name}_async");
        match (known.get(&**name), browser(&twin)) {
            (Some(None), _) if !is_there => {}
            (Some(Some(twin)), _) if !is_there && browser(twin) == Some(true) => {}
            (None, Some(true)) if !is_there => pairs += 1,
            (None, None) if is_there => {}
            // Choices of files.
            (None, None) if name == "LayerOptions::tuning_file" => {}
            _ => drop(wrong.insert(name)),
        }
    }
    assert!(
        wrong.is_empty(),
        "a browser should have them and has not, or has them and should not: {wrong:?}"
    );
    assert_eq!(pairs, 11);
    assert!(known.keys().all(|name| methods.contains_key(*name)));
}

#[test]
fn nothing_waits_outside_of_what_is_left_out() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, text) in source::files() {
        let name = path.to_str().expect("ASCII").to_owned();
        for (what, places) in ELSEWHERE.iter().filter(|(what, _)| text.contains(what)) {
            match places.contains(&&*name) {
                true => drop(seen.insert((*what, name.clone()))),
                false => wrong.push(format!("{name}: {what}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    let listed: usize = ELSEWHERE.iter().map(|(_, places)| places.len()).sum();
    assert_eq!(seen.len(), listed, "only these are there: {seen:?}");
}

/// All that a page calls, natively.
#[test]
fn what_a_page_calls_gives_the_same_bits() {
    let weights = Weights::seeded(Config::lstm(5, 12).num_layers(2), 1).unwrap();
    let (x, h_0, c_0) = (random((3, 7, 5), 1.0, 2), random((2, 3, 12), 1.0, 3), random((2, 3, 12), 1.0, 4));
    let input = Input::new(x.view()).state((h_0.view(), c_0.view()));
    let state = State::from((h_0.view(), c_0.view()));
    let own = State::from((h_0.slice(s![.., 1..2, ..]), c_0.slice(s![.., 1..2, ..])));
    on_each(|implementation: &Implementation| {
        let expected = implementation.layer(&weights).forward(&input).unwrap();
        let what = |step: &str| format!("{}: {step}", implementation.name);
        pollster::block_on(async {
            let options = implementation.layer(&weights).options().clone();
            let layer = Layer::new_async(&weights, (implementation.backend.clone(), options)).await.unwrap();
            let output = layer.forward_async(input.clone().timed()).await.unwrap();
            assert_same_bits(&output, &expected, &what("timed"));

            let mut session = layer.session_async(3).await.unwrap();
            session.set_state_async(None, &state).await.unwrap();
            session.set_state_async(Some(&[1]), State::default()).await.unwrap();
            session.set_state_async(Some(&[1]), &own).await.unwrap();
            let pushed = session.push_async(&x).await.unwrap();
            let after = session.state_async().await.unwrap();
            let blocking = {
                let mut session = layer.session(3).unwrap();
                session.set_state(None, &state).unwrap();
                (session.push(&x).unwrap(), session.state().unwrap())
            };
            assert_eq!((pushed, after), blocking, "{}", what("session"));
        });
    });
}
