//! Writes the JavaScript around WebAssembly, for the page of `web/` and the npm package, and serves the page on the
//! loopback address. `scripts/web` and `scripts/npm` call it.

mod serve;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
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
        #[command(flatten)]
        module: Module,
        /// Files, and folders of files, that are copied as they are.
        files: Vec<PathBuf>,
    },
    /// Adds WebAssembly and the JavaScript around it to a folder. The JavaScript imports `TextDecoder` and
    /// `TextEncoder` from `../text.js`, since an AudioWorklet has none, and does not look for the WebAssembly itself.
    Bind {
        #[command(flatten)]
        module: Module,
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

/// WebAssembly and where it goes.
#[derive(Args)]
struct Module {
    /// What cargo made of a package for wasm32-unknown-unknown.
    #[arg(long)]
    wasm: PathBuf,
    /// The folder.
    #[arg(long)]
    out: PathBuf,
    /// The name of the files.
    #[arg(long, default_value = "wgpu_rnn_web")]
    name: String,
}

/// What stands before the JavaScript of `Bind`. An import hides the browser's own classes, where it has them.
const TEXT: &str = "import { TextDecoder, TextEncoder } from \"../text.js\";\n";

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Build { module, files } => build(&module, &files),
        Command::Bind { module } => bind(&module),
        Command::Serve { folder, port } => serve::serve(&folder, port),
    }
}

fn build(module: &Module, files: &[PathBuf]) -> Result<()> {
    // A file that is no longer there should not be served.
    if module.out.exists() {
        std::fs::remove_dir_all(&module.out).with_context(|| module.out.display().to_string())?;
    }
    generate(module, false)?;
    files.iter().try_for_each(|path| copy(path, &module.out))
}

fn bind(module: &Module) -> Result<()> {
    generate(module, true)?;
    let path = module.out.join(format!("{}.js", module.name));
    let context = || path.display().to_string();
    let script = std::fs::read_to_string(&path).with_context(context)?;
    std::fs::write(&path, format!("{TEXT}{script}")).with_context(context)
}

/// Writes the WebAssembly and the JavaScript around it. That knows where the WebAssembly is, unless `omit_path`.
fn generate(module: &Module, omit_path: bool) -> Result<()> {
    std::fs::create_dir_all(&module.out).with_context(|| module.out.display().to_string())?;
    let mut bindgen = Bindgen::new();
    bindgen.input_path(&module.wasm).web(true)?.out_name(&module.name);
    // Nothing is there that only helps to write programs against it.
    bindgen.omit_default_module_path(omit_path).typescript(false).remove_name_section(true);
    bindgen.remove_producers_section(true);
    bindgen.generate(&module.out).with_context(|| module.wasm.display().to_string())
}

/// Copies a file, or the files and folders of a folder, into a folder.
fn copy(path: &Path, out: &Path) -> Result<()> {
    let context = || path.display().to_string();
    if path.is_dir() {
        for entry in std::fs::read_dir(path).with_context(context)? {
            let entry = entry.with_context(context)?.path();
            let folder =
                if entry.is_dir() { out.join(entry.file_name().unwrap_or_default()) } else { out.into() };
            std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
            copy(&entry, &folder)?;
        }
        return Ok(());
    }
    let name = path.file_name().with_context(context)?;
    std::fs::copy(path, out.join(name)).with_context(context)?;
    Ok(())
}
