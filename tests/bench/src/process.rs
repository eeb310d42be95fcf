//! What `/proc` tells of a process.

use std::{fs, thread};

use anyhow::Context as _;

/// Memory in KiB.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    /// `VmRSS`: what it has now.
    pub(crate) resident: u64,
    /// `VmHWM`: the most that it ever had.
    pub(crate) peak: u64,
}

pub(crate) fn memory(pid: u32) -> anyhow::Result<Memory> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let field = |name: &str| -> anyhow::Result<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next()).and_then(|it| it.parse().ok());
        number.with_context(|| format!("find {name} in {path}"))
    };
    Ok(Memory { resident: field("VmRSS:")?, peak: field("VmHWM:")? })
}

/// Waits until the process is stopped by a signal.
pub(crate) fn wait_until_stopped(pid: u32) -> anyhow::Result<()> {
    while state(&format!("/proc/{pid}/stat"))? != 'T' {
        thread::yield_now();
    }
    Ok(())
}

/// Waits until no thread of the process has anything to do.
pub(crate) fn wait_until_asleep(pid: u32) -> anyhow::Result<()> {
    let directory = format!("/proc/{pid}/task");
    'again: loop {
        thread::yield_now();
        for task in fs::read_dir(&directory).with_context(|| format!("list {directory}"))? {
            let stat = task.with_context(|| format!("list {directory}"))?.path().join("stat");
            // A thread that has ended has nothing to do either.
            if state(&stat.display().to_string()).is_ok_and(|state| state != 'S') {
                continue 'again;
            }
        }
        return Ok(());
    }
}

fn state(path: &str) -> anyhow::Result<char> {
    let text = fs::read_to_string(path).with_context(|| format!("read {path}"))?;
    let after_name = text.rsplit(')').next().unwrap_or_default();
    after_name.trim_start().chars().next().with_context(|| format!("find the state in {path}"))
}
