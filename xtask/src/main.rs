//! `cargo xtask`: the one door to building, testing and trying holdpoint.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;

mod bench;
mod build;
mod cache;
mod command;
mod demo;
mod dist;
mod fuzz;
mod lint;
mod options;
mod setup;
mod test;
mod tidy;
mod vm;

use options::{Cli, Task};

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            // A status of its own, so that it is not mistaken for that of a file run in the VM.
            ExitCode::from(125)
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    match &cli.task {
        Task::Setup => setup::run().map(|()| ExitCode::SUCCESS),
        Task::Build(options) => build::everything(options.profile()).map(|()| ExitCode::SUCCESS),
        Task::Vm(task) => vm::command(task),
        Task::Test(options) => test::run(options),
        Task::Soak(options) => test::soak(options),
        Task::Fuzz(options) => fuzz::run(options),
        Task::Bench(options) => bench::run(options),
        Task::Demo(options) => demo::run(options),
        Task::Dist => dist::run().map(|package| {
            println!("{}", package.display());
            ExitCode::SUCCESS
        }),
        Task::Tidy => tidy::run(),
        Task::Lint => lint::run(),
    }
}
