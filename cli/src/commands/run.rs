//! `holdpoint run`: becomes an agent, then becomes the command.
//!
//! The kernel tags one thread, and threads made before keep free of the tag. So this process must have one
//! thread only, from its start until its exec, and asks the kernel's own list whether that is so.

use std::{ffi::CString, ffi::OsString, fs, os::unix::ffi::OsStrExt as _, path::Path};

use holdpoint_core::wire::{RunAnswer, RunBody};

use crate::{client::Client, failure::Failure};

/// Returns only when the command does not run.
pub(super) fn become_agent(
    socket: &Path,
    name: String,
    reason: Option<String>,
    scope: bool,
    command: &[OsString],
) -> Failure {
    match tag(socket, &RunBody { name, reason, scope }) {
        Ok(()) => become_command(command),
        Err(failure) => Failure::NotRun(Box::new(failure)),
    }
}

/// Asks the daemon for the tag. With the runtime its connections are gone when this returns.
fn tag(socket: &Path, body: &RunBody) -> Result<(), Failure> {
    only_thread()?;
    let answer: RunAnswer = super::block_on(async { Client::new(socket)?.post("/v1/agents", body).await })?;
    if answer.agent.0 == 0 {
        return Err(Failure::Internal(
            "cannot become an agent: holdpointd answered with agent 0, which is none".into(),
        ));
    }
    only_thread()
}

fn become_command(command: &[OsString]) -> Failure {
    let failed = |cause| Failure::Exec { command: command.first().cloned().unwrap_or_default(), cause };
    let arguments = command.iter().map(|argument| CString::new(argument.as_bytes()));
    let Ok(arguments) = arguments.collect::<Result<Vec<_>, _>>() else {
        return failed(std::io::ErrorKind::InvalidInput.into());
    };
    let Some(program) = arguments.first() else { return failed(std::io::ErrorKind::NotFound.into()) };
    // Rust ignores SIGPIPE before main; nothing else about signals was changed.
    sigpipe::reset();
    match nix::unistd::execvp(program, &arguments) {
        Ok(never) => match never {},
        Err(cause) => failed(cause.into()),
    }
}

/// Makes sure that there is one thread.
fn only_thread() -> Result<(), Failure> {
    let count = fs::read_dir("/proc/self/task")
        .map_err(|cause| Failure::Internal(format!("cannot list the threads in '/proc/self/task': {cause}")))?
        .count();
    if count == 1 {
        return Ok(());
    }
    Err(Failure::Internal(format!(
        "cannot become an agent with {count} threads: the others would be free of it; \
         is a library preloaded (LD_PRELOAD) that starts threads?"
    )))
}
