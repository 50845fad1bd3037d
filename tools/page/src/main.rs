//! Puts the page of `web/` together, and serves it on the loopback address; `scripts/web` does both.

mod serve;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use wasm_bindgen_cli_support::Bindgen;

#[derive(Parser)]
#[command(name = "page", about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes a folder of WebAssembly, the JavaScript around it, and files that go with them.
    Build {
        /// What cargo made of web/ for wasm32-unknown-unknown.
        #[arg(long)]
        wasm: PathBuf,
        /// The folder.
        #[arg(long)]
        out: PathBuf,
        /// Files, and folders of files, that are copied as they are.
        files: Vec<PathBuf>,
    },
    /// Serves the files of a folder on the loopback address until it is stopped.
    Serve {
        /// The folder.
        folder: PathBuf,
        /// 0 for any that is free.
        #[arg(long, default_value_t = 8080)]
        port: u16,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Build { wasm, out, files } => build(&wasm, &out, &files),
        Command::Serve { folder, port } => serve::serve(&folder, port),
    }
}

fn build(wasm: &Path, out: &Path, files: &[PathBuf]) -> Result<()> {
    // A file that is no longer there should not be served.
    if out.exists() {
        std::fs::remove_dir_all(out).with_context(|| out.display().to_string())?;
    }
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let mut bindgen = Bindgen::new();
    bindgen.input_path(wasm).web(true)?.out_name("wgpu_rnn_web");
    // The JavaScript knows where the WebAssembly is; nothing is there that only helps to write programs against it.
    bindgen.omit_default_module_path(false).typescript(false).remove_name_section(true);
    bindgen.generate(out).with_context(|| wasm.display().to_string())?;
    files.iter().try_for_each(|path| copy(path, out))
}

/// Copies a file, or the files of a folder, into a folder.
fn copy(path: &Path, out: &Path) -> Result<()> {
    let context = || path.display().to_string();
    if path.is_dir() {
        for entry in std::fs::read_dir(path).with_context(context)? {
            copy(&entry.with_context(context)?.path(), out)?;
        }
        return Ok(());
    }
    let name = path.file_name().with_context(context)?;
    std::fs::copy(path, out.join(name)).with_context(context)?;
    Ok(())
}
