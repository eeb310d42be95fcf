//! Starting programs: quickly and many, or one that somebody else lets go on.

use std::ffi::{CStr, CString};

use anyhow::{Context as _, bail};
use nix::{
    spawn::{PosixSpawnAttr, PosixSpawnFileActions, posix_spawn},
    sys::{
        signal::{Signal, raise},
        wait::{WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, execv, fork},
};

/// Starts programs by `posix_spawn` and waits for them. What the calls need is made once.
pub(crate) struct Spawner {
    actions: PosixSpawnFileActions,
    attributes: PosixSpawnAttr,
}

impl Spawner {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self { actions: PosixSpawnFileActions::init()?, attributes: PosixSpawnAttr::init()? })
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, program: &CStr) -> anyhow::Result<()> {
        let environment: [&CStr; 0] = [];
        let pid = posix_spawn(program, &self.actions, &self.attributes, &[program], &environment)
            .with_context(|| format!("spawn {}", program.to_string_lossy()))?;
        match waitpid(pid, None)? {
            WaitStatus::Exited(_, 0) => Ok(()),
            other => bail!("wait for {}: {other:?}", program.to_string_lossy()),
        }
    }
}

/// Forks a child that executes the program. If `stopped`, it stops itself first, as a hold would.
pub(crate) fn start(program: &CStr, argument: Option<CString>, stopped: bool) -> anyhow::Result<Pid> {
    let arguments: Vec<CString> = [CString::from(program)].into_iter().chain(argument).collect();
    // SAFETY: this process has one thread, so the child finds no lock that another thread held. It only raises a
    // signal, executes, and exits.
    match unsafe { fork() }.context("fork")? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            if !stopped || raise(Signal::SIGSTOP).is_ok() {
                let _refused = execv(program, &arguments);
            }
            // SAFETY: ends the child without running what the parent has registered for its own end.
            unsafe { libc::_exit(127) }
        }
    }
}
