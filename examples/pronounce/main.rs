//! Pronounces English words with a trained pair of GRUs: `cargo run --release -p pronounce -- hello world`.

mod g2p;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use clap::Parser;
use wgpu_rnn::{AdapterChoice, Backend, Config, Gpu, LayerOptions};

use g2p::G2p;

/// Pronounces English words: one line for each, the word, a tab and its phonemes.
#[derive(Parser)]
#[command(name = "pronounce")]
struct Arguments {
    /// The words.
    words: Vec<String>,
    /// A file with more words, one a line; - for standard input.
    #[arg(long)]
    file: Option<PathBuf>,
    /// What to run on: auto (a GPU where it should pay, else the CPU), gpu, cpu or reference.
    #[arg(long, default_value = "auto")]
    device: Device,
}

#[derive(Clone, Copy)]
enum Device {
    Auto,
    Gpu,
    Cpu,
    Reference,
}

impl FromStr for Device {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Device::Auto),
            "gpu" => Ok(Device::Gpu),
            "cpu" => Ok(Device::Cpu),
            "reference" => Ok(Device::Reference),
            _ => Err("expected auto, gpu, cpu or reference"),
        }
    }
}

impl Device {
    /// The backend for so many words, and why it was taken.
    fn backend(self, words: usize) -> Result<(Backend, String), wgpu_rnn::Error> {
        let asked = || "as asked".to_owned();
        match self {
            Device::Auto => {
                // The decoder is what runs most: a step of all words for each phoneme.
                let choice = Backend::auto(&Config::gru(256, 256), words, 1, &LayerOptions::default());
                Ok((choice.backend, choice.reason))
            }
            Device::Gpu => {
                let gpu = Gpu::new(&AdapterChoice::Best)?;
                let why = if gpu.is_software() { "as asked; a software adapter".into() } else { asked() };
                Ok((Backend::Gpu(gpu), why))
            }
            Device::Cpu => Ok((Backend::Cpu, asked())),
            Device::Reference => Ok((Backend::Reference, asked())),
        }
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() => {
            let message = error.to_string();
            return fail(message.lines().next().unwrap_or_default().trim_start_matches("error: "));
        }
        Err(help) => help.exit(),
    };
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => fail(&message),
    }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("pronounce: {message}");
    ExitCode::from(2)
}

fn run(arguments: Arguments) -> Result<(), String> {
    let mut words = arguments.words;
    if let Some(file) = &arguments.file {
        words.extend(read(file)?.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
    }
    if words.is_empty() {
        return Err("no words; give some as arguments, or a file of them with --file FILE".into());
    }
    let (backend, why) = arguments.device.backend(words.len()).map_err(|error| error.to_string())?;
    eprintln!("pronounce: running on {backend} ({why})");
    let g2p = G2p::new(backend).map_err(|error| error.to_string())?;
    let spoken = g2p.pronounce(&words).map_err(|error| error.to_string())?;
    let lines = words.iter().zip(spoken).map(|(word, phonemes)| format!("{word}\t{}\n", phonemes.join(" ")));
    match std::io::stdout().write_all(lines.collect::<String>().as_bytes()) {
        // A reader that has seen enough, such as `head`, is no mistake.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|error| format!("standard output: {error}")),
    }
}

fn read(file: &Path) -> Result<String, String> {
    let mut text = String::new();
    let result = if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text))
    };
    result.map(|_| text).map_err(|error| format!("{}: {error}", file.display()))
}
