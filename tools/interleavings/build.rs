//! Copies the files of the library that the models compile, and makes broken copies of them. A model that holds for the
//! library's file must fail for a broken one.

use std::path::Path;
use std::{env, fs};

/// The files of each part of the library.
const PARTS: [(&str, &[&str]); 2] = [("cpu", &["rounds"]), ("gpu", &["timer", "unused", "watch", "worker"])];

/// The broken copies: their part and name, the file, and the text that another one replaces.
const BROKEN: [(&str, &str, &str, &str, &str); 6] = [
    // What an item has written is not visible to the items of the next round.
    (
        "cpu",
        "relaxed",
        "rounds",
        "store(round + 1, Ordering::Release)",
        "store(round + 1, Ordering::Relaxed)",
    ),
    // The timer's thread is not woken for an earlier time-out than the one that it waits for.
    ("gpu", "deaf", "timer", "if state.next.is_none_or(|next| end < next)", "if state.next.is_none()"),
    // The timer's thread is not told that its device is gone.
    ("gpu", "endless", "timer", "self.state.lock().ended = true;", ""),
    // A call that waits gets no answer.
    ("gpu", "silent", "watch", "let _ = answer.send(result);", "drop(result);"),
    // Each job has a thread of its own.
    ("gpu", "unordered", "worker", "*jobs = Some(sender);", "drop(sender);"),
    // Another call can take a workspace between the look at it and its removal.
    (
        "gpu",
        "doubled",
        "unused",
        "Some(items.remove(place))",
        "{ let item = Arc::clone(&items[place]); drop(items); self.clear(|other| std::ptr::eq(other, &*item)); Some(item) }",
    ),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for (part, files) in PARTS {
        for file in files {
            let path = format!("../../src/{part}/{file}.rs");
            println!("cargo::rerun-if-changed={path}");
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
            // A file that is included cannot begin with documentation.
            let code = text.lines().filter(|line| !line.starts_with("//!")).collect::<Vec<_>>().join("\n");
            write(part, "right", file, &code);
            for (_, name, broken, old, new) in BROKEN.iter().filter(|(of, ..)| *of == part) {
                let count = code.matches(old).count();
                assert!(broken != file || count == 1, "{path} has {old:?} {count} times");
                let code = if broken == file { code.replace(old, new) } else { code.clone() };
                write(part, name, file, &code);
            }
        }
    }
}

fn write(part: &str, name: &str, file: &str, code: &str) {
    let folder = Path::new(&env::var_os("OUT_DIR").expect("cargo sets it")).join(part).join(name);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(file).with_extension("rs"), code).expect("a file");
}
