//! Measures what holdpoint costs, in instructions.
//!
//! `cargo xtask bench` runs this as root in a VM that counts instructions and makes docs/performance.md of what it
//! prints. It attaches LSM programs, marks the file system and changes configuration and state, so it refuses to run
//! on a machine that does not count instructions.

mod clock;
mod crew;
mod daemon;
mod fanotify;
mod gate;
mod http;
mod measure;
mod process;
mod random;
mod report;
mod seccomp;
mod spawn;
mod spinner;
mod worker;

use std::{env, process::ExitCode};

use anyhow::{Context as _, bail};
use measure::Extent;

const USAGE: &str = "holdpoint-bench measure ROUNDS VOTES STARTS CROWD";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdpoint-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["measure", rounds, votes, starts, crowd] => {
            let number = |text: &str| text.parse().with_context(|| format!("read '{text}': {USAGE}"));
            measure::run(Extent {
                rounds: number(rounds)?,
                votes: number(votes)?,
                starts: number(starts)?,
                crowd: number(crowd)?,
            })
        }
        ["worker"] => worker::run(),
        ["spin"] => spinner::spin(),
        _ => bail!(USAGE),
    }
}
