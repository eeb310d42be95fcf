//! Ways to become a program.

use std::{
    ffi::CString,
    os::fd::AsRawFd as _,
    process::ExitCode,
    sync::{Arc, Barrier},
    thread,
};

use anyhow::{Context as _, anyhow, bail};
use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, open},
    sys::{
        signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction},
        stat::Mode,
        wait::{WaitStatus, waitpid},
    },
    unistd::{Pid, execv, execve, execveat},
};

use crate::refused;

/// The path is the program's first argument, too.
pub(crate) fn by_path(command: &[CString]) -> anyhow::Result<ExitCode> {
    Ok(refused(attempt(command)?))
}

/// Waits for a child, and ends with its status.
pub(crate) fn status_of(child: i32) -> anyhow::Result<ExitCode> {
    match waitpid(Pid::from_raw(child), None)? {
        WaitStatus::Exited(_, code) => Ok(ExitCode::from(u8::try_from(code)?)),
        other => bail!("the child ended with {other:?}"),
    }
}

/// Comes back only with what the kernel said.
pub(crate) fn attempt(command: &[CString]) -> anyhow::Result<Errno> {
    let path = command.first().context("no program")?;
    match execv(path, command) {
        Ok(never) => match never {},
        Err(errno) => Ok(errno),
    }
}

pub(crate) fn by_descriptor(command: &[CString]) -> anyhow::Result<ExitCode> {
    let path = command.first().context("no program")?;
    // Kept open over the exec, as a script's interpreter needs it.
    let file = open(path.as_c_str(), OFlag::O_PATH, Mode::empty())?;
    let environment: [CString; 0] = [];
    match execveat(&file, c"", command, &environment, AtFlags::AT_EMPTY_PATH) {
        Ok(never) => match never {},
        Err(errno) => Ok(refused(errno)),
    }
}

pub(crate) fn by_path_of_descriptor(command: &[CString]) -> anyhow::Result<ExitCode> {
    let path = command.first().context("no program")?;
    let file = open(path.as_c_str(), OFlag::O_PATH, Mode::empty())?;
    let through = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    match execv(&through, command) {
        Ok(never) => match never {},
        Err(errno) => Ok(refused(errno)),
    }
}

/// As an interpreter that takes its time before it opens its script: what the kernel has opened is out of its reach.
pub(crate) fn as_interpreter(script: &[CString]) -> anyhow::Result<ExitCode> {
    println!("ready");
    std::io::stdin().read_line(&mut String::new())?;
    by_path(&[&[c"/bin/sh".to_owned()], script].concat())
}

pub(crate) fn from_thread(command: &[CString]) -> anyhow::Result<ExitCode> {
    let idle = thread::spawn(thread::park);
    let command = command.to_vec();
    let code = thread::spawn(move || by_path(&command)).join().map_err(|_| anyhow!("the thread panicked"))?;
    idle.thread().unpark();
    code
}

/// The thread is there, and says so, before it is told to go on by a line of the input.
pub(crate) fn from_thread_when_told(command: &[CString]) -> anyhow::Result<ExitCode> {
    let command = command.to_vec();
    let waiting = thread::spawn(move || {
        println!("ready");
        std::io::stdin().read_line(&mut String::new())?;
        by_path(&command)
    });
    waiting.join().map_err(|_| anyhow!("the thread panicked"))?
}

/// Each path is a program of its own, without arguments. The first to get through ends the other.
pub(crate) fn from_two_threads(paths: &[CString]) -> anyhow::Result<ExitCode> {
    let together = Arc::new(Barrier::new(paths.len()));
    let start = |path: CString| {
        let together = Arc::clone(&together);
        thread::spawn(move || {
            together.wait();
            by_path(&[path])
        })
    };
    let threads: Vec<_> = paths.iter().cloned().map(start).collect();
    let mut last = ExitCode::SUCCESS;
    for thread in threads {
        last = thread.join().map_err(|_| anyhow!("a thread panicked"))??;
    }
    Ok(last)
}

extern "C" fn on_continue(_signal: libc::c_int) {}

/// A handler without `SA_RESTART` is where an errno of the kernel's own would show.
pub(crate) fn with_handler(command: &[CString]) -> anyhow::Result<ExitCode> {
    let action = SigAction::new(SigHandler::Handler(on_continue), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing, so it may run at any time.
    unsafe { sigaction(Signal::SIGCONT, &action) }?;
    by_path(command)
}

/// As a harness does that tries again. Says each errno.
pub(crate) fn until_it_works(times: u32, command: &[CString]) -> anyhow::Result<ExitCode> {
    let mut last = ExitCode::SUCCESS;
    for _ in 0..times {
        last = refused(attempt(command)?);
    }
    Ok(last)
}

pub(crate) fn large(bytes: usize, count: usize, command: &[CString]) -> anyhow::Result<ExitCode> {
    let argument = CString::new(vec![b'x'; bytes])?;
    let mut command = command.to_vec();
    command.extend(std::iter::repeat_n(argument, count));
    by_path(&command)
}

/// Not UTF-8, control characters, what turns a terminal's text around, and nothing at all.
pub(crate) fn odd(command: &[CString]) -> anyhow::Result<ExitCode> {
    let mut command = command.to_vec();
    for argument in
        [&b"\xff\xfe"[..], b"\x1b[2J\x07", b"two\nlines", "a\u{202e}b".as_bytes(), b"", b"it's \"$HOME\""]
    {
        command.push(CString::new(argument)?);
    }
    by_path(&command)
}

/// Not even its own name.
pub(crate) fn without_arguments(path: &CString) -> anyhow::Result<ExitCode> {
    let nothing: [CString; 0] = [];
    match execve(path, &nothing, &nothing) {
        Ok(never) => match never {},
        Err(errno) => Ok(refused(errno)),
    }
}
