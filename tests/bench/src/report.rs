//! What the bench prints: a line of JSON for each series of figures. `cargo xtask bench` makes tables of them.

use serde::Serialize;

/// One line.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Line<'a> {
    /// What was measured on.
    Machine {
        /// The kernel's release.
        kernel: &'a str,
        /// The instructions of the check of the clock, and what they took.
        instructions: u64,
        nanoseconds: u64,
    },
    /// Each round has one figure without and one with what is measured.
    Pairs { name: &'a str, without: &'a [f64], with: &'a [f64] },
    /// Figures that stand by themselves.
    Samples { name: &'a str, values: &'a [u64] },
    /// The runs of one of the kernel half's programs during so many spawns.
    Program { name: &'a str, process: &'a str, spawns: u32, runs: u64, instructions: u64 },
    /// KiB.
    Memory { name: &'a str, resident: u64, peak: u64 },
}

impl Line<'_> {
    pub(crate) fn print(&self) -> anyhow::Result<()> {
        println!("{}", serde_json::to_string(self)?);
        Ok(())
    }
}

/// Pairs as they are collected.
#[derive(Default)]
pub(crate) struct Pairs {
    without: Vec<f64>,
    with: Vec<f64>,
}

impl Pairs {
    pub(crate) fn push(&mut self, without: f64, with: f64) {
        self.without.push(without);
        self.with.push(with);
    }

    /// Prints them, if there are any.
    pub(crate) fn print(&self, name: &str) -> anyhow::Result<()> {
        if self.with.is_empty() {
            return Ok(());
        }
        Line::Pairs { name, without: &self.without, with: &self.with }.print()
    }
}
