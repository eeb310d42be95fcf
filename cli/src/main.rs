//! `holdpoint`: looks at held execs, decides them, and starts agents. A front end of the daemon's API.
#![forbid(unsafe_code)]

mod args;
mod client;
mod clock;
mod commands;
mod failure;
mod output;
mod render;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    // Clap ends the process itself for --help (0) and for a wrong command line (2).
    let arguments = args::Arguments::parse();
    match commands::run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            (&failure).into()
        }
    }
}
