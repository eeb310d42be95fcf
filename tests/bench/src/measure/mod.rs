//! The measurements, in the order in which they are made.

mod life;
mod overhead;
mod votes;

use std::fs;

use anyhow::Context as _;

use crate::{clock, report::Line};

/// How much is measured. A quick run has the same figures with a wider spread.
#[derive(Clone, Copy)]
pub(crate) struct Extent {
    /// Rounds of spawns, opens and floors.
    pub(crate) rounds: u32,
    /// Votes, and as many bare continuations.
    pub(crate) votes: u32,
    /// Starts of the daemon with nothing pinned, and as many that adopt.
    pub(crate) starts: u32,
    /// Requests that are pending at once.
    pub(crate) crowd: u32,
}

/// Measures everything and prints a line for each series.
pub(crate) fn run(extent: Extent) -> anyhow::Result<()> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").context("read the kernel's release")?;
    let (instructions, nanoseconds) = clock::check()?;
    Line::Machine { kernel: release.trim(), instructions, nanoseconds }.print()?;
    // Where parts of a program are laid at random, they need now more and now fewer page tables.
    let randomness = "/proc/sys/kernel/randomize_va_space";
    fs::write(randomness, "0").with_context(|| format!("write {randomness}"))?;
    say("starts of the daemon");
    life::starts(extent.starts)?;
    say("spawns and opens");
    overhead::run(extent.rounds)?;
    say("votes");
    votes::run(extent.votes)?;
    say("memory");
    life::memory(extent.crowd)
}

/// For those who wait.
fn say(what: &str) {
    eprintln!("bench: {what}");
}
