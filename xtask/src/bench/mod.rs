//! `cargo xtask bench`: boots the VM counting instructions, measures, and writes the figures into the document.

use std::fs;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::build;
use crate::cache;
use crate::options::{BenchOptions, Kernel, Profile};
use crate::setup;
use crate::vm::{Boot, Ending, Payload};

mod document;
mod figures;
mod render;
mod statistics;

use figures::{Collector, Figures};

/// Where the figures are written.
const DOCUMENT: &str = "docs/performance.md";

/// How long one kernel may take. It takes six minutes on an idle machine, and 22 on a busy one.
const LIMIT: Duration = Duration::from_secs(7_200);

/// How much is measured: the arguments of `holdpoint-bench measure`.
struct Extent {
    rounds: u32,
    votes: u32,
    starts: u32,
    crowd: u32,
}

/// What the document is made of.
const WHOLE: Extent = Extent { rounds: 9, votes: 15, starts: 2, crowd: 1_000 };

/// To see whether it works.
const QUICK: Extent = Extent { rounds: 4, votes: 5, starts: 2, crowd: 20 };

/// Measures on the kernels that are wanted. A whole measurement goes into the document, a quick one does not.
pub(crate) fn run(options: &BenchOptions) -> anyhow::Result<ExitCode> {
    setup::run()?;
    let extent = if options.quick { &QUICK } else { &WHOLE };
    let payload = payload(extent)?;
    for kernel in options.kernel.map_or_else(|| Kernel::ALL.to_vec(), |kernel| vec![kernel]) {
        let table = render::tables(&measure(kernel, &payload)?)?;
        print!("\n{table}");
        io::stdout().flush().context("print the figures")?;
        if !options.quick {
            write(kernel, &table)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn payload(extent: &Extent) -> anyhow::Result<Payload> {
    let mut payload = Payload::new(build::run(Profile::Release)?);
    payload.add(&build::bench()?)?;
    let Extent { rounds, votes, starts, crowd } = extent;
    let script = format!("exec ./holdpoint-bench measure {rounds} {votes} {starts} {crowd}\n");
    payload.add_content("bench.sh", script.into())?;
    Ok(payload)
}

fn measure(kernel: Kernel, payload: &Payload) -> anyhow::Result<Figures> {
    println!("bench: kernel {}", kernel.version());
    let begun = Instant::now();
    let boot = Boot { counting: true, ..Boot::plain(kernel, LIMIT) };
    let mut collector = Collector::new(io::stdout());
    let ending = boot.run(payload, &mut collector)?;
    if !matches!(ending, Ending::Exited { status: 0, .. }) {
        bail!("measure on kernel {}: holdpoint-bench did not end well: {ending:?}", kernel.version());
    }
    println!("bench: kernel {} took {:.0} s", kernel.version(), begun.elapsed().as_secs_f64());
    collector.figures()
}

fn write(kernel: Kernel, table: &str) -> anyhow::Result<()> {
    let path = cache::repository()?.join(DOCUMENT);
    let before = fs::read_to_string(&path).with_context(|| format!("read {DOCUMENT}"))?;
    let after = document::replace(&before, kernel.version(), table)?;
    fs::write(&path, after).with_context(|| format!("write {DOCUMENT}"))?;
    println!("bench: the figures of kernel {} are in {DOCUMENT}", kernel.version());
    Ok(())
}
