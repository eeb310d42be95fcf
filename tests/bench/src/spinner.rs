//! Keeps the processor busy where the measured work waits for the disk.
//!
//! A machine that counts instructions and has nothing to do lets its clock jump to the next timer, whatever that is
//! for. A process that spins in the scheduling class for idle time leaves no such gaps, and its own instructions are
//! known to the scheduler: what is left of the clock's way is what kernel and daemon have run.

use std::{
    fs, hint,
    process::{Child, Command, Stdio},
};

use anyhow::Context as _;

use crate::clock;

/// A process that spins whenever nothing else runs, until this goes.
pub(crate) struct Spinner(Child);

/// Where a measurement begins.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    clock: u64,
    spun: u64,
}

impl Spinner {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("find this program")?;
        let mut command = Command::new("chrt");
        command.args(["--idle", "0"]).arg(program).arg("spin").stdin(Stdio::null());
        Ok(Self(command.spawn().context("start the spinner with chrt")?))
    }

    /// Begins a measurement: the clock is read last, so that reading the rest is not measured.
    pub(crate) fn begin(&self) -> anyhow::Result<Moment> {
        let spun = self.spun()?;
        Ok(Moment { clock: clock::now()?, spun })
    }

    /// The instructions that others than the spinner have run from the beginning until the clock showed `end`.
    pub(crate) fn since(&self, begun: Moment, end: u64) -> anyhow::Result<u64> {
        let spun = self.spun()? - begun.spun;
        (end - begun.clock).checked_sub(spun).context("the spinner ran longer than the measurement")
    }

    /// With one processor the spinner does not run while this does, so the count is complete.
    fn spun(&self) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/schedstat", self.0.id());
        let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let first = text.split(' ').next().and_then(|first| first.parse().ok());
        first.with_context(|| format!("read {path}: it says '{text}'"))
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the spinner does. Without the instruction for loops that wait, which is one of the slowest under emulation:
/// where the work waits for a timer, this has to fill the time with instructions.
pub(crate) fn spin() -> ! {
    loop {
        hint::black_box(());
    }
}
