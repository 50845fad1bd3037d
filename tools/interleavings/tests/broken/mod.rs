//! Models of broken copies, which must fail.

use std::env;
use std::process::Command;

/// Runs an ignored test, which must fail with that text. It is a process of its own, since a panic in the middle of a
/// model may end the process.
pub fn is_noticed(test: &str, text: &str) {
    let output = Command::new(env::current_exe().expect("this program"))
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("a process");
    let found = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "the model of {test} passes");
    assert!(found.contains(text), "{test}: expected {text:?}, found {found}");
}
