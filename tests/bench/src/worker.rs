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

/// Spawns that are not measured, before each block.
pub(crate) const WARM_UP: u32 = 5;

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
            measure(WARM_UP, count.parse()?, || spawner.run(&program))
        }
        ["open", count, file] => {
            let file = CString::new(*file)?;
            let count = count.parse()?;
            // The kernel frees files a grace period after they were closed, 350 instructions for each, and some at a time
            // until 10,000 wait (`qhimark`, <https://github.com/torvalds/linux/blob/v6.1/kernel/rcu/tree.c>): a block from a
            // standstill would see some of its own freed, more or fewer. After so many, each open pays for one.
            measure(count, count, || {
                drop(open(file.as_c_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?);
                Ok(())
            })
        }
        ["filter"] => Ok(seccomp::install()?.to_string()),
        ["start", program] => Ok(spawn::start(&CString::new(*program)?, None, false)?.to_string()),
        ["start", program, argument] => {
            let argument = CString::new(*argument)?;
            Ok(spawn::start(&CString::new(*program)?, Some(argument), false)?.to_string())
        }
        ["start-stopped", program] => Ok(spawn::start(&CString::new(*program)?, None, true)?.to_string()),
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

/// The instructions of `count` runs, after some that are not measured.
fn measure(warm_up: u32, count: u32, mut run: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<String> {
    for _ in 0..warm_up {
        run()?;
    }
    let begun = clock::now()?;
    for _ in 0..count {
        run()?;
    }
    Ok((clock::now()? - begun).to_string())
}
