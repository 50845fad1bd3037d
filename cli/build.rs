//! Tells the program which wgpu it is built with; wgpu does not.

use std::env;
use std::path::Path;

use cargo_lock::Lockfile;

fn main() {
    let version = version().unwrap_or_else(|| "unknown".into());
    println!("cargo::rustc-env=WGPU_VERSION={version}");
}

/// From the lock file of the workspace, or of the published package.
fn version() -> Option<String> {
    let folder = env::var_os("CARGO_MANIFEST_DIR")?;
    let path =
        Path::new(&folder).ancestors().map(|folder| folder.join("Cargo.lock")).find(|path| path.is_file())?;
    println!("cargo::rerun-if-changed={}", path.display());
    let packages = Lockfile::load(path).ok()?.packages;
    let wgpu = packages.iter().find(|package| package.name.as_str() == "wgpu")?;
    Some(wgpu.version.to_string())
}
