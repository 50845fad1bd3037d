//! The `wgpu-rnn` command line.
//!
//! Exit status: 0 for success, 1 if a check failed, 2 for bad usage or bad input, with one line on standard
//! error.

mod args;
mod bench;
mod check;
mod columns;
mod device;
mod draft;
mod failure;
mod files;
mod given;
mod info;
mod init;
mod keras;
mod limit;
mod model;
mod outputs;
#[cfg(feature = "gpu")]
mod plan;
mod report;
mod run;
mod shape;
mod stack;
mod tuning;
mod weights;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};

fn main() -> ExitCode {
    report::show_warnings();
    let Arguments { command, max_bytes } = Arguments::parse();
    limit::set(max_bytes);
    let done = match command {
        Command::Run(arguments) => run::run(&arguments).map(|()| true),
        Command::Check(arguments) => check::check(&arguments),
        Command::Init(arguments) => init::init(&arguments).map(|()| true),
        Command::Bench(arguments) => bench::bench(&arguments),
        #[cfg(feature = "gpu")]
        Command::Plan(arguments) => plan::plan(&arguments).map(|()| true),
        #[cfg(not(feature = "gpu"))]
        Command::Plan(_) => {
            Err(failure::Failure::new("plan: expected a build with the feature `gpu`, found one without it"))
        }
        Command::Info(arguments) => info::info(&arguments).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(failure) => {
            report::note(&failure.to_string());
            ExitCode::from(2)
        }
    }
}
