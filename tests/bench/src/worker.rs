//! The process whose calls are measured. It has one thread, gets its orders by standard input, and answers each with
//! a line.
//!
//! It is a process of its own since it is to be an agent's, or to bear a filter, or neither, and its measuring must
//! not include what the controlling process does.

use std::{
    ffi::CString,
    io::{BufRead as _, Write as _, stdin, stdout},
};

use anyhow::{Context as _, bail};
use nix::{
    fcntl::{OFlag, open},
    sys::{
        stat::Mode,
        wait::{WaitStatus, waitpid},
    },
    unistd::Pid,
};

use crate::{
    clock, seccomp,
    spawn::{self, Spawner},
};

/// Runs that are not measured, before a block of so many.
///
/// What a change of the set-up has left to be done gets done. And the kernel frees files and tasks a grace period after
/// they were closed or ended: in a block from a standstill it may do so for none or for most of them, which moves the
/// figure of an open by 350 instructions. After as many, each run pays for the freeing of one.
pub(crate) const fn warm_up(count: u32) -> u32 {
    count
}

/// Carries out orders until there are no more.
pub(crate) fn run() -> anyhow::Result<()> {
    let spawner = Spawner::new()?;
    writeln!(stdout(), "ready").context("answer to the start")?;
    for line in stdin().lock().lines() {
        let line = line.context("read an order")?;
        let answer = carry_out(&spawner, &line).unwrap_or_else(|error| format!("error {error:#}"));
        writeln!(stdout(), "{answer}").context("answer an order")?;
    }
    Ok(())
}

fn carry_out(spawner: &Spawner, line: &str) -> anyhow::Result<String> {
    let words: Vec<&str> = line.split(' ').collect();
    match words.as_slice() {
        ["spawn", count, program] => {
            let program = CString::new(*program)?;
            measure(count.parse()?, || spawner.run(&program))
        }
        ["open", count, file] => {
            let file = CString::new(*file)?;
            measure(count.parse()?, || {
                drop(open(file.as_c_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?);
                Ok(())
            })
        }
        ["filter"] => Ok(seccomp::install()?.to_string()),
        ["start", program] => Ok(spawn::start(&CString::new(*program)?, false)?.to_string()),
        ["start-stopped", program] => Ok(spawn::start(&CString::new(*program)?, true)?.to_string()),
        ["wait", pid] => {
            let status = waitpid(Pid::from_raw(pid.parse()?), None).context("wait for a child")?;
            let now = clock::now()?;
            match status {
                WaitStatus::Exited(_, status) => Ok(format!("{now} exited {status}")),
                other => Ok(format!("{now} ended {other:?}")),
            }
        }
        _ => bail!("no such order: {line}"),
    }
}

/// The instructions of `count` runs.
fn measure(count: u32, mut run: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<String> {
    for _ in 0..warm_up(count) {
        run()?;
    }
    let begun = clock::now()?;
    for _ in 0..count {
        run()?;
    }
    Ok((clock::now()? - begun).to_string())
}
